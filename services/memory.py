"""What a process remembers: facts of images for a second, variants for as long as they are asked for."""

from cachetools import LRUCache, TTLCache

from services.values import KnownImage, Variant
from transforms.geometry import Box

# A deleted image must be gone within a second in every process, so facts are believed for no longer.
KNOWN_SECONDS = 1.0
KNOWN_IMAGES = 10_000
BOXES = 10_000
# What an entry costs beside its bytes: two objects, a key and the cache's own links (tracemalloc: 0.6 kB), rounded up.
ENTRY_OVERHEAD = 1024


class Memory:
    """Used from the event loop only, so without locks."""

    def __init__(self, variant_bytes: int) -> None:
        self.known: TTLCache[str, KnownImage] = TTLCache(KNOWN_IMAGES, KNOWN_SECONDS)
        # What trimming leaves: it is a fact of the bytes, so it stays true.
        self.boxes: LRUCache[str, Box] = LRUCache(BOXES)
        self.variants: LRUCache[str, Variant] = LRUCache(variant_bytes, getsizeof=_weight)

    def remember(self, key: str, variant: Variant) -> None:
        if _weight(variant) <= self.variants.maxsize:
            self.variants[key] = variant

    def forget(self, image_id: str) -> None:
        """Variants need no forgetting: they are reached through the facts, and their bytes never change."""
        self.known.pop(image_id, None)


def _weight(variant: Variant) -> int:
    return len(variant.data) + ENTRY_OVERHEAD
