"""What an encoder can finish before the deadlines: less effort for large pictures, and none for those that would be late all the same.

Seconds of CPU for each megapixel, photo / noise, of one save on one core with libvips 8.18 (VIPS_CONCURRENCY=1; a 12 MP photo of the
corpus, scaled, and Gaussian noise of sigma 60). webp: 0.16 / 0.50 at effort 6, 0.08 / 0.18 at 4, 0.03 / 0.10 at 2, 0.018 / 0.066 at 0;
without loss 0.83 / less at 6, 0.27 / 0.08 at 0. png: 0.11 / 0.08, with one filter 0.026 / 0.048 at compression 3, 0.013 / 0.033 at 1.
tiff: 0.076 / 0.051, at level 1 0.014 / 0.033. png with a palette: 1.3 / 11 at effort 10, 0.7 / 5.8 at 7, noise 1.6 at 5 and 0.4 at 3,
0.19 / 0.36 at 1. gif: 1.4 / 11 at effort 10, 1.0 / 5.7 at 7, 0.5 / 1.6 at 5, 0.39 / 0.47 at 3, in frames of 400 x 400 0.42 / 0.66; these
with 128 colours 0.24 / 0.46, with 64 and no dithering 0.11 / 0.33.

So a photo takes at most about half of the 5 s of the soft deadline, and noise three quarters. Two kinds of noise take longer: 12 MP in
frames of a gif 4.0 s, and a webp of 100 MP 6.6 s, which is late.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

from transforms.errors import ImpossibleOutput
from transforms.geometry import Size, scaled_to
from transforms.limits import GIF_PIXELS, MEGAPIXEL

# Megapixels that are encoded with what was asked, or with no more effort than this, or with other options.
PACES: Mapping[str, tuple[tuple[float, Mapping[str, Any]], ...]] = {
    "webp": ((5, {}), (14, {"effort": 4}), (26, {"effort": 2}), (100, {"effort": 0})),
    "lossless webp": ((3, {}), (7, {"effort": 0})),
    "png": ((24, {}), (50, {"compression": 3, "filter": "sub"}), (100, {"compression": 1, "filter": "sub"})),
    "tiff": ((33, {}), (100, {"level": 1})),
    "palette png": ((0.2, {}), (0.4, {"effort": 7}), (1.5, {"effort": 5}), (4, {"effort": 3}), (8, {"effort": 1})),
    "gif": (
        *((0.2, {}), (0.4, {"effort": 7}), (1.5, {"effort": 5}), (5, {"effort": 3})),
        *((8, {"effort": 3, "bitdepth": 7}), (GIF_PIXELS / MEGAPIXEL, {"effort": 3, "bitdepth": 6, "dither": 0})),
    ),
    "moving gif": ((0.2, {}), (0.4, {"effort": 7}), (1.5, {"effort": 5}), (5, {"effort": 3})),
}


def affordable(format: str, options: Mapping[str, Any], size: Size, times: int = 1, *, moving: bool = False) -> dict[str, Any]:
    """The options with which so many frames, or encodes, of this size end in time; ImpossibleOutput, with the largest width, if none.

    What moves is never refused, the deadline judges it: mostly it is drawn, and 20 frames of a drawing of 1 MP took 0.55 s as gif.
    """
    pixels = size.area * times
    kinds = [f"moving {format}"] * moving + [f"{word} {format}" for word in ("lossless", "palette") if options.get(word)] + [format]
    kind = next((kind for kind in kinds if kind in PACES), None)
    if kind is None:
        return dict(options)
    for most, other in PACES[kind]:
        if pixels <= most * MEGAPIXEL or (moving and other is PACES[kind][-1][1]):
            least = {"effort": min(other["effort"], options.get("effort", other["effort"]))} if "effort" in other else {}
            return {**options, **other, **least}
    maximum = int(most * MEGAPIXEL)
    width = isqrt(maximum * size.width // (size.height * times))
    # As in limits.py: rounding of the height may carry it over the limit.
    largest = next((width for width in range(width, 1, -1) if scaled_to(size, width, None).area * times <= maximum), 1)
    raise ImpossibleOutput(
        f"A {kind} of {size.width} x {size.height} pixels{f', {times} times,' * (times > 1)} would take too long to encode. "
        f"The largest width that a picture of these proportions can have is {largest}{' as this kind' * (' ' in kind)}.",
        pixels=pixels,
        maximum=maximum,
        largest_width=largest,
    )
