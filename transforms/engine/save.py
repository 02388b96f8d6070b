"""Encoding: from the last image of a pipeline to bytes. One of the few files that know libvips."""

from collections.abc import Mapping
from typing import Any

import pyvips

from transforms.engine.afford import affordable
from transforms.engine.metadata import keep, labelled
from transforms.engine.search import MOST_ENCODES, Encode, fitting, good_enough, sampled
from transforms.errors import ImpossibleOutput
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.laps import ENCODE, RENDER, lap
from transforms.operation import Image, Stage
from transforms.operations.effort import avif_effort
from transforms.operations.lossless import Lossless
from transforms.operations.maxbytes import MaxBytes
from transforms.operations.quality import AUTO, HIGHEST, Quality
from transforms.params import WHITE
from transforms.plan import Plan, save_options
from transforms.watch import watched

SAVERS: Mapping[str, str] = {
    "jpg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "avif": "heifsave_buffer",
    "gif": "gifsave_buffer",
    "tiff": "tiffsave_buffer",
}
# Figures are in docs/decisions/0008-encoder-defaults.md. A libvips whose JPEG library has one quantization table only ignores the choice.
# Progressive JPEG is left to the plan: on five photos it saved -12 to 4 %, and decoding large ones again took 3 to 11 times as long.
# All PNG filters: two photos got 37 and 44 % smaller than with none, a screenshot 11 % larger, and encoding took twice as long (0.08 s).
SAVE_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "jpg": {"optimize_coding": True, "quant_table": 2},
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
    options = {"keep": keep(metadata), **encoder_options(plan, size, image.height // size.height)}

    def save(picture: Image, quality: int) -> bytes:
        data: bytes = pyvips.Operation.call(SAVERS[output.name], picture, **(options | {"Q": quality} if "Q" in options else options))
        return data

    if not searched(plan):
        return save(image, options.get("Q", 0))
    image = watched(image.copy_memory())
    lap(RENDER)
    data = _found(image, plan, save, options["Q"])
    lap(ENCODE)
    return data


def searched(plan: Plan) -> bool:
    """Whether the quality has to be found, for which the result must lie in memory."""
    chosen = Stage(plan.options)
    return chosen.get(Quality).q == AUTO or chosen.get(MaxBytes).maxbytes is not None


def encoder_options(plan: Plan, size: Size, frames: int) -> dict[str, Any]:
    """What libvips' saver is told about so many frames of this size; where a quality is searched, `Q` is another one in the end."""
    output, chosen = FORMATS[plan.format], Stage(plan.options)
    options: dict[str, Any] = dict(SAVE_OPTIONS[output.name])
    if output.quality is not None:
        options["Q"] = output.quality
    options.update(save_options(plan))
    if output.name == "avif":
        options["effort"] = avif_effort(size, chosen)
    encodes = MOST_ENCODES if chosen.get(MaxBytes).maxbytes is not None else 1
    return affordable(output.name, options, size, encodes * frames, moving=frames > 1)


def _found(image: Image, plan: Plan, save: Encode, default: int) -> bytes:
    """In the quality that looks good enough, or in the highest one that fits. ImpossibleOutput when nothing fits."""
    chosen, sample = Stage(plan.options), sampled(image)
    limit, quality = chosen.get(MaxBytes).maxbytes, chosen.get(Quality).q
    if chosen.get(Lossless).lossless:
        data = save(image, default)
        if limit is None or len(data) <= limit:
            return data
        raise _too_large(f"Without loss ({plan.format} and lossless)", len(data), limit)
    if quality == AUTO:
        quality = good_enough(save, sample, plan.format)
    if limit is None:
        return save(image, quality or default)
    data, fits = fitting(save, image, sample, quality or HIGHEST, limit)
    if not fits:
        raise _too_large(f"As {plan.format}", len(data), limit)
    return data


def _too_large(how: str, least: int, limit: int) -> ImpossibleOutput:
    message = f"{how} this picture takes {least} bytes at the least, and maxbytes allows {limit}: make it smaller."
    return ImpossibleOutput(message, maxbytes=limit, least=least)


def encode_mezzanine(image: Image) -> bytes:
    """Without loss where there is transparency; else with all of the colour, for it is only the beginning of another picture."""
    if image.hasalpha():
        # A photo of 2,048 x 1,536 with a gradient of opacity took 0.34 s, with effort 2 it took 2.1 s and was 12 % smaller.
        return bytes(image.webpsave_buffer(lossless=True, effort=0, keep="none"))
    return bytes(image.jpegsave_buffer(Q=90, subsample_mode="off", optimize_coding=True, keep="none"))
