"""Encoding: from the last image of a pipeline to bytes. One of the few files that know libvips."""

from collections.abc import Mapping
from typing import Any

import pyvips

from transforms.engine.metadata import keep, labelled
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.limits import MEGAPIXEL
from transforms.operation import Image
from transforms.params import WHITE
from transforms.plan import Plan, save_options

# Beyond it the search for good AV1 blocks would take many seconds; measured on a 13 MP photo: 2 s at 6 MP with effort 2, 1.2 s with 0.
AVIF_SEARCH_PIXELS = 2 * MEGAPIXEL
# Pixels times two to the power of the effort. A photo of 1 MP at the effort that this leaves, 4, took 2 s, lossless 4, and noise 3.5;
# effort 6 at 2 MP would take 10, lossless 20.
AVIF_EFFORT_PIXELS = 16 * MEGAPIXEL

SAVERS: Mapping[str, str] = {
    "jpg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "avif": "heifsave_buffer",
    "gif": "gifsave_buffer",
    "tiff": "tiffsave_buffer",
}
# Progressive JPEG is left to the plan: on five photos it saved -12 to 4 %, and decoding large ones again took 3 to 11 times as long.
# All PNG filters: two photos got 37 and 44 % smaller than with none, a screenshot 11 % larger, and encoding took twice as long (0.08 s).
SAVE_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "jpg": {"optimize_coding": True},
    "png": {"compression": 6, "filter": "all"},
    "webp": {"effort": 4},
    "avif": {"compression": "av1", "bitdepth": 8},
    "gif": {"effort": 3},
    "tiff": {"compression": "deflate", "predictor": "horizontal"},
}


def encode(image: Image, plan: Plan, size: Size, metadata: Mapping[str, str | bytes] | None = None) -> bytes:
    """`metadata` are libvips' fields that go along; all others, and those of watermarks, stay behind."""
    metadata = metadata or {}
    output = FORMATS[plan.format]
    if image.hasalpha() and not output.alpha:
        image = image.flatten(background=list(WHITE[:3]))
    image = labelled(image, metadata)
    options: dict[str, Any] = {"keep": keep(metadata), **SAVE_OPTIONS[output.name]}
    if output.quality is not None:
        options["Q"] = output.quality
    if output.name == "avif":
        options["effort"] = 2 if size.area <= AVIF_SEARCH_PIXELS else 0
    options.update(save_options(plan))
    if output.name == "avif":
        options["effort"] = min(options["effort"], _highest_avif_effort(size))
    data: bytes = pyvips.Operation.call(SAVERS[output.name], image, **options)
    return data


def _highest_avif_effort(size: Size) -> int:
    """The most that a plan's effort gets: each step takes about twice as long as the one below it."""
    return max(0, (AVIF_EFFORT_PIXELS // size.area).bit_length() - 1)


def encode_mezzanine(image: Image) -> bytes:
    """Without loss where there is transparency; else with all of the colour, for it is only the beginning of another picture."""
    if image.hasalpha():
        # A photo of 2,048 x 1,536 with a gradient of opacity took 0.34 s, with effort 2 it took 2.1 s and was 12 % smaller.
        return bytes(image.webpsave_buffer(lossless=True, effort=0, keep="none"))
    return bytes(image.jpegsave_buffer(Q=90, subsample_mode="off", optimize_coding=True, keep="none"))
