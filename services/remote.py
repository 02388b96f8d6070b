"""Remote pictures: the image behind a URL, from memory, from the catalog, or fetched now and stored like any other."""

from dataclasses import dataclass

from services.container import Services
from services.origins.fetch import SourceUrl
from services.values import KnownImage


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The image that a URL stands for, and for how many more seconds that is taken for granted."""

    image: KnownImage
    fresh: int


async def find(services: Services, source: SourceUrl, *, signed: bool) -> Remote:
    """The image. Errors of `Origins.get` and of `stage`, LimitExceeded where an upload would be TooManyBytes."""
    raise NotImplementedError
