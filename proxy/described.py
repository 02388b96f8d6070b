"""What a picture is, as JSON: the answer to any picture's URL with `.json` added."""

from proxy.schemas import Schema
from services.values import KnownImage
from transforms.formats import FORMATS
from transforms.plan import Resolved


class PictureOut(Schema):
    """`url` is the canonical one of these bytes; `plan` is what the plan came down to, null for the original as it was uploaded.

    Sizes are pixels of one frame; `warnings` are sentences about what is not as one might expect.
    """

    url: str
    width: int
    height: int
    bytes: int
    media_type: str
    format: str
    frames: int
    plan: str | None
    warnings: list[str]


def original_out(url: str, image: KnownImage) -> PictureOut:
    facts = image.facts
    return PictureOut(
        url=url,
        width=facts.width,
        height=facts.height,
        bytes=image.bytes,
        media_type=FORMATS[facts.format].media_type,
        format=facts.format,
        frames=facts.frames,
        plan=None,
        warnings=[],
    )


def variant_out(url: str, resolved: Resolved, length: int) -> PictureOut:
    """`length` is the number of bytes."""
    format = FORMATS[resolved.plan.format]
    return PictureOut(
        url=url,
        width=resolved.size.width,
        height=resolved.size.height,
        bytes=length,
        media_type=format.media_type,
        format=format.name,
        frames=resolved.frames,
        plan=str(resolved.plan),
        warnings=list(resolved.warnings),
    )
