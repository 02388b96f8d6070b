"""Thousands of ways to ask for one variant: `random.Random` with a seed, so that a failure can be had again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPERATIONS = ("w100", "h80", "fit_cover", "blur2")
PLAN = ",".join(OPERATIONS)
# What says nothing that would not be so without it.
NEEDLESS = ("rotate0", "dpr1", "dpr1.0", "kernel_lanczos3", "g_center", "brightness1", "contrast1.0", "saturate1")
ZEROS = {"w100": ("w0100", "w00100"), "h80": ("h080", "h00080"), "blur2": ("blur2.0", "blur02", "blur2.00", "blur002.0")}
NAMES = ("utm_source", "utm_medium", "utm_campaign", "v", "cb", "fbclid", "gclid", "_", "ver", "w", "id")
MEANT = ("url", "s", "exp", "k", "URL", "Url", "S", "EXP", "K", "%75rl", "%73", "e%78p", "u%52l")
TYPES = ("image/avif", "image/webp", "image/png", "image/*", "*/*", "text/html", "image/apng", "application/xml", "image/svg+xml")


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """A request for the variant, or for what looks like it."""

    target: str
    accept: str

    def request(self) -> bytes:
        return f"GET {self.target} HTTP/1.1\r\nHost: pictures.example\r\nAccept: {self.accept}\r\n\r\n".encode("latin-1")


def spellings(image_id: str, count: int, *, seed: int = 4) -> Iterator[Spelling]:
    """About half of them have the canonical plan in their path."""
    dice = random.Random(seed)
    accepts = [accept(dice) for _ in range(1000)]
    for _ in range(count):
        extension = dice.choice(("auto", "auto", "jpg", "jpeg"))
        path = f"/img/{image_id}/{PLAN if dice.random() < 0.5 else plan(dice)}.{extension}"
        path = dice.choice(PATHS)(dice, path)
        yield Spelling(target=path + query(dice), accept=dice.choice(accepts))


def plan(dice: random.Random) -> str:
    """The operations in some order, some of them with zeros, some that are needless between them."""
    written = [dice.choice((name, *ZEROS.get(name, ()))) for name in OPERATIONS]
    needless = dice.sample(NEEDLESS, dice.randrange(3))
    return ",".join(dice.sample([*written, *needless], len(written) + len(needless)))


def query(dice: random.Random) -> str:
    pairs = [_pair(dice) for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))]
    return dice.choice(("", "?")) if not pairs else "?" + dice.choice(("&", "&&")).join(pairs)


def _pair(dice: random.Random) -> str:
    name = dice.choice(MEANT if dice.random() < 0.2 else NAMES)
    return dice.choice((name, f"{name}=", f"{name}={dice.randrange(10**9)}", f"{name}=%{dice.randrange(16, 256):02x}"))


def accept(dice: random.Random) -> str:
    """A header that is unlike all others."""
    items = [dice.choice(TYPES) + dice.choice(("", ";q=0.9", ";q=0", "; q=0.5", ";v=b3")) for _ in range(dice.randrange(1, 7))]
    return dice.choice((",", ", ")).join([*items, f"x/{dice.randrange(10**6)}"])


def _encoded(dice: random.Random, path: str) -> str:
    at = dice.randrange(1, len(path))
    return path[:at] + dice.choice(("%{:02x}", "%{:02X}")).format(ord(path[at])) + path[at + 1 :]


def _with(inserted: str) -> Callable[[random.Random, str], str]:
    """Something beside a slash."""

    def insert(dice: random.Random, path: str) -> str:
        at = dice.choice([place for place, char in enumerate(path) if char == "/"])
        return path[:at] + inserted + path[at:]

    return insert


def _same(_: random.Random, path: str) -> str:
    return path


PATHS = (*[_same] * 12, _encoded, _encoded, _with("/"), _with("/."), _with("/x/.."), _with("//"), _with("%2f"), _with(";x"))
