"""What an encoder can finish before the deadlines: less effort for large pictures, and none for those that would be late all the same.

Seconds of CPU for each megapixel of a photo and of noise, the slower of both, measured with libvips 8.18 by saving 6 and 16 MP once:
webp 0.28 at effort 6, 0.12 at 5, 0.10 at 4, 0.045 at 2, 0.027 at 0; without loss 0.84 at 2, 0.69 at 0. png 0.12, with one filter and
compression 3 0.036; with a palette 1.8 at effort 10, 1.0 at 7, 0.27 at 1. gif 1.9 at effort 10, 0.39 at 3, 0.36 at 1. tiff 0.074, at
level 1 0.019. avif without loss 0.28 at effort 0.
"""

from collections.abc import Mapping
from typing import Any

from transforms.errors import ImpossibleOutput
from transforms.limits import MEGAPIXEL

# Megapixels that are encoded with what was asked, or with no more effort than this, or with other options.
PACES: Mapping[str, tuple[tuple[float, Mapping[str, Any]], ...]] = {
    "webp": ((16, {}), (30, {"effort": 4}), (70, {"effort": 2}), (100, {"effort": 0})),
    "lossless webp": ((4, {}), (7, {"effort": 0})),
    "png": ((30, {}), (100, {"compression": 3, "filter": "sub"})),
    "tiff": ((40, {}), (100, {"level": 1})),
    "palette png": ((2.5, {}), (4.5, {"effort": 7}), (16, {"effort": 1})),
    "gif": ((2, {}), (12, {"effort": 3})),
}


def affordable(format: str, options: Mapping[str, Any], pixels: int) -> dict[str, Any]:
    """The options with which so many pixels, of all frames and encodes together, are encoded in time, or ImpossibleOutput."""
    kind = next((f"{word} {format}" for word in ("lossless", "palette") if options.get(word) and f"{word} {format}" in PACES), format)
    if kind not in PACES:
        return dict(options)
    for most, other in PACES[kind]:
        if pixels <= most * MEGAPIXEL:
            least = {"effort": min(other["effort"], options.get("effort", other["effort"]))} if "effort" in other else {}
            return {**options, **other, **least}
    message = f"A {kind} of {pixels} pixels would take too long; at most {most * MEGAPIXEL:.0f} are possible. Ask for a smaller picture"
    raise ImpossibleOutput(f"{message}{' or another kind' if ' ' in kind else ''}.", pixels=pixels, maximum=int(most * MEGAPIXEL))
