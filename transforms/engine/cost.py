"""What carrying out a plan will take, from the same rules by which it is carried out. No pixel is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.engine import checked_size
from transforms.engine.save import encoder_options, searched
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.limits import Limits
from transforms.plan import Resolved
from transforms.shrink import decoded_size, loading
from transforms.values import Facts


@dataclass(frozen=True, kw_only=True)
class Cost:
    """`decoded` is the size of a frame as the decoder makes it, of `frames` frames, which are then brought to the size `begun`.

    `held` are the bytes of pixels that lie in memory as a whole, at the least: encoders hold more, each in its way. `encoder` is what
    the encoder is told.
    """

    decoded: Size
    begun: Size
    frames: int
    held: int
    encoder: Mapping[str, object]


def cost(resolved: Resolved, facts: Facts, whole: Size, limits: Limits) -> Cost:
    """Of a plan that was resolved for these facts, on a file with frames of size `whole`. ImpossibleOutput as `execute` has it."""
    plan, seen = resolved.plan, resolved.plan.seen(facts)
    output, loaded = FORMATS[plan.format], loading(plan, facts)
    made = checked_size(plan, facts, output, limits)
    held = loaded.size.area * seen.frames * _bands(facts.alpha) if loaded.steps or seen.animated else 0
    if searched(plan):
        held += made.area * seen.frames * _bands(plan.transparent(facts))
    return Cost(
        decoded=decoded_size(seen, whole, loaded.size),
        begun=loaded.size,
        frames=seen.frames,
        held=held,
        encoder={} if output.text else encoder_options(plan, made, seen.frames),
    )


def _bands(alpha: bool) -> int:
    return 4 if alpha else 3
