"""Pictures with a few wrong bytes: the same seed gives the same bytes, here and in a child."""

import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.pictures import CORPUS, animation, oriented, transparent
from tests.pictures import encoded as write
from tests.safety.bombs import animated_webp, jpeg, png_profile, small
from tests.safety.judge import made
from transforms.errors import ProgImageError
from transforms.formats import FORMATS
from transforms.limits import Limits

LIMITS = Limits(accepted=frozenset(name for name, known in FORMATS.items() if known.loaders))
SMALL_FILE = 40_000
REQUESTS = (("_", "png"), ("w32", "webp"), ("w48,h48,fit_cover,g_attention/rotate30", "jpg"), ("trim", "gif"), ("w20,blur2", "avif"))


@cache
def sources() -> list[bytes]:
    """Small pictures of each kind, and the corpus' small files where it is there."""
    own = [small(name) for name in ("jpg", "png", "webp", "gif", "avif", "tiff")]
    own += [jpeg(interlace=True), oriented(6), write(transparent()), write(transparent(), ".webp", lossless=True), png_profile(bytes(500))]
    own += [write(transparent(), ".png", interlace=True), animation(), animation(".webp"), animated_webp(9, 9, 5)]
    found = sorted(CORPUS.glob("*/*")) if CORPUS.exists() else []
    return own + [path.read_bytes() for path in found if path.is_file() and path.stat().st_size < SMALL_FILE]


def mutated(seed: int) -> bytes:
    """One to three changes to one of the sources: bytes flipped, cut off, doubled, lost, zeroed, or taken from another one."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(sources()))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 4, 64, 1000)))
        match chance.choice(("flip", "flip", "number", "cut", "double", "lose", "zero", "splice")):
            case "flip":
                for place in chance.sample(range(len(data)), min(len(data), chance.randint(1, 20))):
                    data[place] ^= 1 << chance.randrange(8)
            case "number":
                data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"))
            case "cut":
                del data[at:]
            case "double":
                data[at:at] = data[at:end] * chance.randint(1, 50)
            case "lose":
                del data[at:end]
            case "zero":
                data[at:end] = bytes(end - at)
            case "splice":
                data[at:] = (other := chance.choice(sources()))[chance.randrange(len(other) + 1) :]
    return bytes(data)


def fates(seeds: Iterable[int]) -> Counter[str]:
    """How often the mutated pictures were taken (``taken``) or refused, by slug. Any other error comes through, with its seed."""
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        for seed in seeds:
            path.write_bytes(mutated(seed))
            try:
                made(path, LIMITS, *REQUESTS[seed % len(REQUESTS)])
                counted["taken"] += 1
            except ProgImageError as error:
                counted[error.slug] += 1
            except Exception as error:
                error.add_note(f"mutated({seed})")
                raise
    return counted
