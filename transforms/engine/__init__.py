"""From a file to a rendition. Runs in the children of a RenderPool, prepared by `prepare`.

This package alone knows libvips.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyvips

from transforms.columns import grid
from transforms.engine.load import decode, header, opened, translated
from transforms.engine.metadata import kept
from transforms.engine.original import no_larger
from transforms.engine.save import SAVERS, encode
from transforms.errors import BrokenImage
from transforms.formats import FORMATS, HEAD_BYTES, Format, gif_is_cut_off, sniff
from transforms.geometry import Box, Size
from transforms.laps import DECODE, lap
from transforms.limits import Limits
from transforms.operation import Image, Measured, Picture, Stage
from transforms.operations.icc import P3, SRGB, Icc
from transforms.parts import START_OF_SCAN, parts
from transforms.plan import Plan, pipeline
from transforms.shrink import loading
from transforms.text import written
from transforms.values import Facts, Rendition
from transforms.watch import watched

# Shrinking by this is what JPEG and WebP decoders do best, and every pixel is still decoded.
VERIFY_SHRINK = 8


class Support(NamedTuple):
    reads: bool
    writes: bool


def prepare(accepted: frozenset[str]) -> None:
    """Set libvips up for untrusted pictures: one thread, no caches, and loaders of the accepted formats only."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in accepted:
        for loader in FORMATS[name].loaders:
            # By path an SVG could read its neighbours.
            for variant in (f"{loader}_buffer",) if name == "svg" else (loader, f"{loader}_buffer"):
                _allow(variant)
    # What the search for a quality has encoded is decoded again. Strangers' files never come as buffers, but for SVG.
    for format in (format for format in FORMATS.values() if format.quality is not None):
        _allow(f"{format.loaders[0]}_buffer")


def _allow(loader: str) -> None:
    if kind := pyvips.type_find("VipsForeignLoad", loader):
        pyvips.operation_block_set(pyvips.type_name(kind), False)


def supported_formats() -> dict[str, Support]:
    """What this libvips was built with, by name in FORMATS."""
    return {
        name: Support(
            reads=any(pyvips.type_find("VipsForeignLoad", loader) for loader in known.loaders),
            writes=known.text or (known.writable and bool(pyvips.type_find("VipsForeignSave", SAVERS[name]))),
        )
        for name, known in FORMATS.items()
    }


def self_test() -> None:
    """Decode a small real JPEG and encode it as WebP: that this process can still do its work."""
    jpeg = pyvips.Image.gaussnoise(64, 64).cast("uchar").jpegsave_buffer()
    webp = pyvips.Image.thumbnail_buffer(jpeg, 64, height=64, size="force").webpsave_buffer(keep="none")
    if sniff(webp) != "webp":
        raise RuntimeError("libvips made something else of a JPEG than a WebP")


def probe(path: Path, limits: Limits) -> Facts:
    """What the header says, checked against all limits; no pixel is decoded. UnsupportedFormat, LimitExceeded or BrokenImage."""
    limits.check_bytes(path.stat().st_size)
    with path.open("rb") as file:
        detected = sniff(file.read(HEAD_BYTES))
    limits.check_type(detected)
    assert detected is not None
    found_parts = list(islice(parts(path.read_bytes(), detected), limits.parts + 1))
    limits.check_parts(len(found_parts))
    with translated():
        found = header(opened(path, detected), detected, limits, found_parts.count(START_OF_SCAN))
    limits.check_header(found)
    return found.facts


def verify(path: Path, limits: Limits) -> Facts:
    """Like `probe`, and every frame is decoded to its end, shrunken. BrokenImage when something is missing or damaged."""
    facts = probe(path, limits)
    refuse_cut_off(path, facts)
    size = Size(max(1, facts.width // VERIFY_SHRINK), max(1, facts.height // VERIFY_SHRINK))
    with translated():
        decode(path, facts, size).avg()
    return facts


def refuse_cut_off(path: Path, facts: Facts) -> None:
    """BrokenImage for a GIF that ends too early: libvips takes the frames that are left for the whole animation."""
    if facts.format == "gif" and gif_is_cut_off(path.read_bytes()):
        raise BrokenImage("The picture is incomplete: it ends in the middle of a frame.")


def execute(plan: Plan, path: Path, facts: Facts, limits: Limits, images: Mapping[str, Path] | None = None) -> Rendition:
    """Carry out a plan that was resolved for these facts; `images` are the files of the other pictures that it draws on, by id.

    `path` is the original, or a smaller copy of it where that will do. Orientation and colours are made plain (upright, 8-bit sRGB)
    and metadata is dropped as far as the plan does not keep them, an animation moves on in formats that can. ImpossibleOutput when a
    step is too large, BrokenImage when something cannot be decoded.
    """
    seen = plan.seen(facts)
    icc = Stage(plan.options).get(Icc).icc
    overlays = {image: _Overlay(path=file, limits=limits, icc=icc) for image, file in (images or {}).items()}
    with translated():
        metadata = kept(path, facts, plan)
    rendition = rendered(plan, facts, limits, lambda size: decode(path, seen, size, plan.source, icc), overlays, metadata=metadata)
    return no_larger(rendition, plan, path, facts, lambda smaller: execute(smaller, path, facts, limits))


def rendered(
    plan: Plan,
    facts: Facts,
    limits: Limits,
    load: Callable[[Size], Image],
    images: Mapping[str, Picture] | None = None,
    *,
    metadata: Mapping[str, str | bytes] | None = None,
) -> Rendition:
    """As `execute`, on a picture that `load` brings in the size that is wanted. `metadata` goes along, by libvips' names."""
    seen, output = plan.seen(facts), FORMATS[plan.format]
    size = checked_size(plan, facts, output, limits)
    with translated():
        frames = _frames(plan, facts, load, images or {})
        image = _strip(frames) if seen.animated else frames[0]
        made = Size(frames[0].width, frames[0].height)
        data = written(frames[0], plan) if output.text else encode(image, plan, made, metadata)
    if made != size:
        raise RuntimeError(f"The plan {plan} promised {size} and made {made}")
    return Rendition(data=data, size=grid(size) if output.text else size, format=plan.format)


def measure(plan: Plan, path: Path, facts: Facts, limits: Limits, images: Mapping[str, Path] | None = None) -> Box:
    """What the last operation of a resolved plan, one that must be measured, stands for on this picture; the rest as in `execute`."""
    *before, last = plan.stages
    (operation,) = last.operations
    assert isinstance(operation, Measured)
    first = replace(plan, stages=tuple(before))
    seen = first.seen(facts)
    checked_size(first, facts, FORMATS["png"], limits)
    overlays = {image: _Overlay(path=file, limits=limits, icc=SRGB) for image, file in (images or {}).items()}
    with translated():
        return operation.measure(_frames(first, facts, lambda size: decode(path, seen, size, first.source), overlays))


@dataclass(frozen=True, kw_only=True)
class _Overlay:
    """Another picture, of which a plan draws something on this one."""

    path: Path
    limits: Limits
    icc: str

    @property
    def size(self) -> Size:
        return self._facts.size

    def load(self, size: Size) -> Image:
        return decode(self.path, self._facts, size, icc=self.icc if self.icc == P3 else SRGB).copy_memory()

    @cached_property
    def _facts(self) -> Facts:
        return replace(probe(self.path, self.limits), frames=1)


def checked_size(plan: Plan, facts: Facts, output: Format, limits: Limits) -> Size:
    """The size that comes out of a resolved plan, in pixels; ImpossibleOutput for what lies on the way to it too, whatever the format."""
    seen = plan.seen(facts)
    size, enlarged, frames = seen.size, False, seen.frames
    for operation, stage, before in pipeline(plan, facts):
        size, enlarged = operation.output_size(before, stage), enlarged or operation.enlarges()
        limits.check_output(size, FORMATS["png"], enlarged=enlarged, frames=frames)
    limits.check_output(size, output, enlarged=enlarged, frames=frames)
    return size


def _frames(plan: Plan, facts: Facts, load: Callable[[Size], Image], images: Mapping[str, Picture]) -> Sequence[Image]:
    """The frames after all steps of the plan."""
    loaded = loading(plan, facts)
    image = load(loaded.size)
    if not loaded.steps and not plan.seen(facts).animated:
        return [watched(image)]
    # Decoders deliver rows once, from top to bottom; turning or looking for a face wants them in any order.
    image = image.copy_memory()
    lap(DECODE)
    frames: Sequence[Image] = [image.crop(0, top, image.width, loaded.size.height) for top in range(0, image.height, loaded.size.height)]
    tools = {"images": images, "interpolate": pyvips.Interpolate.new("bicubic")}
    watched(*frames)
    for operation, stage, size in loaded.steps:
        frames = operation.apply(frames, size, replace(stage, **tools))
        watched(*frames)
    return frames


def _strip(frames: Sequence[Image]) -> Image:
    """Frames below each other, as savers want them. Delays and the loop count come along with the first."""
    strip = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return strip
