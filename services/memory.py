"""What a process remembers: facts of images for a second, variants for as long as they are asked for."""

from dataclasses import dataclass
from datetime import timedelta

from cachetools import LRUCache, TLRUCache, TTLCache

from catalog.records import SourceRecord
from services.values import KnownImage, Variant
from transforms.errors import ProgImageError
from transforms.geometry import Box

# A deleted image must be gone within a second in every process, so facts are believed for no longer.
KNOWN_SECONDS = 1.0
KNOWN_IMAGES = 10_000
BOXES = 10_000
SOURCES = 10_000
# What an entry costs beside its bytes: two objects, a key and the cache's own links (tracemalloc: 0.6 kB), rounded up.
ENTRY_OVERHEAD = 1024


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What became of a look for a remote picture, and for how long a process believes it."""

    outcome: SourceRecord | ProgImageError
    believed: timedelta


class Memory:
    """Used from the event loop only, so without locks."""

    def __init__(self, variant_bytes: int) -> None:
        self.known: TTLCache[str, KnownImage] = TTLCache(KNOWN_IMAGES, KNOWN_SECONDS)
        # How often `forget` was called.
        self.forgotten = 0
        # What trimming leaves: it is a fact of the bytes, so it stays true.
        self.boxes: LRUCache[str, Box] = LRUCache(BOXES)
        # By URL, and whether the request was signed.
        self.sources: TLRUCache[tuple[str, bool], Sought] = TLRUCache(SOURCES, _end)
        self.variants: LRUCache[str, Variant] = LRUCache(variant_bytes, getsizeof=_weight)

    def remember(self, key: str, variant: Variant) -> None:
        if _weight(variant) <= self.variants.maxsize:
            self.variants[key] = variant

    def forget(self, image_id: str) -> None:
        """Variants need no forgetting: they are reached through the facts, and their bytes never change."""
        self.known.pop(image_id, None)
        self.forgotten += 1


def _end(_: object, sought: Sought, now: float) -> float:
    return now + sought.believed.total_seconds()


def _weight(variant: Variant) -> int:
    return len(variant.data) + ENTRY_OVERHEAD
