"""The paths under `/img/`, read and written: `{id}`, `{id}.{ext}`, `{id}/{plan}.{ext}` (urls.md, routes)."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from services.ids import checked_id, is_image_id
from transforms.errors import PlanError
from transforms.grammar import parse
from transforms.plan import NOTHING, Plan

PREFIX = "/img/"
EXTENSION = re.compile(r"[a-z]+[0-9]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ImagePath:
    """`plan` is None for the original. `extension` is as it was written: `jpeg` stays `jpeg`."""

    image_id: str
    plan: Plan | None = None
    extension: str = ""

    @cached_property
    def accepted(self) -> str:
        """The path that is answered directly; any other spelling of it is sent here."""
        return path_of(self.image_id, str(self.plan) if self.plan else NOTHING, self.extension)

    def location_of(self, resolved: Plan) -> str | None:
        """The canonical path of what this path came down to on its image, when that is another path."""
        canonical = path_of(self.image_id, str(resolved), resolved.format)
        return canonical if canonical != self.accepted else None


def path_of(image_id: str, plan: str = NOTHING, extension: str = "") -> str:
    """The path of a variant, or of the original when there is no extension."""
    stem = PREFIX + image_id if plan == NOTHING else f"{PREFIX}{image_id}/{plan}"
    return f"{stem}.{extension}" if extension else stem


@lru_cache(maxsize=8192)
def parse_path(path: str) -> ImagePath:
    """What stands behind `/img/`. UnknownImage when it does not begin with an id, PlanError when the rest is no plan."""
    stem, dot, extension = path.rpartition(".")
    if not dot and is_image_id(path):
        return ImagePath(image_id=path)
    image_id, _, text = (stem if dot else path).partition("/")
    checked_id(image_id)
    if not EXTENSION.fullmatch(extension):
        raise PlanError(
            "The path does not end in a format.", token=(extension if dot else text)[:60], expected="an extension like .webp after the plan"
        )
    return ImagePath(image_id=image_id, plan=parse(text or NOTHING, extension), extension=extension)
