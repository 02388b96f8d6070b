"""What a look at the catalog and the store together brings up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar, get_args

T = TypeVar("T")
R = TypeVar("R")

# missing: a stored picture's original is not in the store; damaged: it has another size, or is not what its name says;
# unlisted: a whole picture that the catalog does not know; facts: those in the store lacked, or were not the catalog's;
# orphan: objects of a picture that nobody was told is stored; unreferenced: a picture that nothing keeps;
# cut-off: work that was decided and not done; leftover: what a crashed check of the store left.
Kind = Literal["missing", "damaged", "unlisted", "facts", "orphan", "unreferenced", "cut-off", "leftover"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LOST: frozenset[Kind] = frozenset({"missing", "damaged"})

PAGE = 200
AT_ONCE = 8
# Whatever is younger may belong to work that is under way.
YOUNG = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that was not as it should be, and whether it is now.

    `subject` is the id of an image, or a key, or what a message is about. `bytes` are those of the objects concerned.
    """

    kind: Kind
    subject: str
    bytes: int = 0
    mended: bool = False

    @property
    def lost(self) -> bool:
        """For good, unless somebody has the bytes elsewhere."""
        return self.kind in LOST


@dataclass(kw_only=True)
class Looked:
    """How much has been looked at so far."""

    images: int = 0
    objects: int = 0


async def pages(found: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same in lists."""
    page: list[T] = []
    async for each in found:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


async def each(look: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """What comes of a look at each of them, a few at a time: requests need the store too."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with turn:
            return await look(item)

    return await asyncio.gather(*map(one, items))
