"""How small a picture may be decoded for a plan, and whether a mezzanine will do: pure rules.

A decoder shrinks while it decodes, several times faster than a resize afterwards. Where a plan crops, turns or mirrors before it
resizes, these run on the shrunken picture instead, with their geometry mapped to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from transforms.geometry import Size, round_side, scaled_to
from transforms.plan import Plan, Step, pipeline
from transforms.values import Facts

# Longest side in pixels of the copy from which most variants are made.
MEZZANINE_SIDE = 2048
# A JPEG decoder shrinks blocks of 8 x 8 pixels, and rounds up where the last is cut: all that is made from it would be drawn out a little.
# Variants are forced to the size that the original says, so a mezzanine may be stretched to whole blocks, by half a block at most.
BLOCK = 8
# What is decoded smaller is so many times larger than the result, so that the last step of the resize is a good one.
SPARE = 2
# What a JPEG decoder can divide sides by.
JPEG_SHRINKS = (8, 4, 2)


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Decode the whole picture to `size`, then run `steps`. `needed` is the size of the whole picture at the scale of the result."""

    size: Size
    steps: Sequence[Step]
    needed: Size


def loading(plan: Plan, facts: Facts) -> Loading:
    """What a resolved plan leaves to the decoder."""
    steps, whole = list(pipeline(plan, facts)), plan.seen(facts).size
    for at, (operation, stage, size) in enumerate(steps):
        if (load := operation.load_size(size)) is not None:
            if at == 0:
                return Loading(size=load, steps=steps[1:] if load == operation.output_size(size, stage) else steps, needed=load)
            scale = max(Fraction(load.width, size.width), Fraction(load.height, size.height))
            to = whole.times(scale * SPARE)
            if scale * SPARE < 1 and (mapped := _mapped(steps[:at], to)) is not None:
                return Loading(size=to, steps=[*mapped, *steps[at:]], needed=whole.times(scale))
            break
    return Loading(size=whole, steps=steps, needed=whole)


def jpeg_shrink(factor: Fraction) -> int:
    """By how much a JPEG decoder shrinks a picture that is to come out so many times smaller."""
    return next((known for known in JPEG_SHRINKS if factor >= SPARE * known), 1)


def webp_scale(factor: Fraction) -> float:
    """The scale to which a still WebP is decoded, alike."""
    return min(1.0, float(SPARE / factor))


def decoded_size(facts: Facts, whole: Size, wanted: Size) -> Size:
    """The size of a frame as it comes from the decoder of a file with frames of size `whole`, where `wanted` is needed."""
    factor = min(Fraction(whole.width, wanted.width), Fraction(whole.height, wanted.height))
    if facts.format == "jpg":
        shrink = jpeg_shrink(factor)
        return Size(whole.width // shrink, whole.height // shrink)
    if facts.format == "svg" or (facts.format == "webp" and facts.animated):
        return wanted
    return whole.times(Fraction(webp_scale(factor))) if facts.format == "webp" else whole


def _mapped(steps: Sequence[Step], size: Size) -> Sequence[Step] | None:
    """The steps as they run on the whole picture shrunk to `size`, or None when one of them cannot be mapped."""
    mapped: list[Step] = []
    for operation, stage, before in steps:
        shrunk = operation.shrunk(before, size, stage)
        if shrunk is None:
            return None
        mapped.append((shrunk, stage, size))
        size = shrunk.output_size(size, stage)
    return mapped


def mezzanine_size(facts: Facts) -> Size | None:
    """The size of a picture's mezzanine; None for one that has none, because it moves or is not larger itself."""
    if facts.animated or max(facts.size) <= MEZZANINE_SIDE:
        return None
    return Size(*(_whole_blocks(side) for side in scaled_to(facts.size, MEZZANINE_SIDE, MEZZANINE_SIDE)))


def _whole_blocks(side: int) -> int:
    return round_side(Fraction(side, BLOCK)) * BLOCK


def mezzanine_format(facts: Facts) -> str:
    """Without loss where there is transparency: a JPEG has none."""
    return "webp" if facts.alpha else "jpg"


def copy_will_do(plan: Plan, facts: Facts) -> bool:
    """Whether a resolved plan can be made from a decoded copy: in the size of the mezzanine, or whole when there is none."""
    if facts.animated or plan.images or any(operation.needs_original() for operation in plan.operations):
        return False
    return mezzanine_size(facts) is None or mezzanine_will_do(plan, facts)


def mezzanine_will_do(plan: Plan, facts: Facts) -> bool:
    """Whether a resolved plan can be made from the mezzanine: at most half its size, and nothing in it needs the original."""
    size = mezzanine_size(facts)
    if size is None or any(operation.needs_original() for operation in plan.operations):
        return False
    return loading(plan, facts).needed.times(Fraction(SPARE)).within(size)
