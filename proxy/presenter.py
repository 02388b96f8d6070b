"""The catalog's records become what the API returns here, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from catalog.records import ImageRecord, ProductRecord, VariantRecord
from proxy.image_path import path_of
from proxy.schemas import ImageOut, ProductOut, RenditionOut, StagedOut, UploadOut, VariantOut
from proxy.signing import Signer
from services.stage import Upload
from transforms.errors import ImpossibleOutput
from transforms.formats import FORMATS
from transforms.geometry import scaled_to
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.plan import NOTHING
from transforms.values import Facts

SHOWN_WIDTHS = (256, 512)


@dataclass(frozen=True, kw_only=True)
class Presenter:
    """Makes answers out of records; `base` goes before every path (empty: URLs relative to the host), which the `signer` signs if it must.

    `widths`, ascending, are those that a `srcset` offers where the limits allow them.
    """

    base: str
    widths: tuple[int, ...]
    limits: Limits
    signer: Signer

    def url(self, image_id: str, plan: str = NOTHING, format: str = "") -> str:
        return self.base + self.signer.address(path_of(image_id, plan, format))

    def thumbnail(self, image_id: str) -> str:
        """What our own pages show of an image."""
        return self.url(image_id, "w256", "webp")

    def upload(self, upload: Upload) -> StagedOut:
        return StagedOut(**self._upload(upload))

    def staged(self, upload: Upload) -> UploadOut:
        return UploadOut(**self._upload(upload), state="staged")

    def committed(self, image: ImageRecord) -> UploadOut:
        return UploadOut(**self._original(image.id, image.facts, image.bytes), expires_at=None, state="committed")

    def _upload(self, upload: Upload) -> dict[str, Any]:
        staged = upload.staged
        return {**self._original(staged.image_id, upload.facts, staged.bytes), "expires_at": staged.expires_at}

    def _original(self, image_id: str, facts: Facts, length: int) -> dict[str, Any]:
        """What is said of every original, stored or not."""
        return {
            "id": image_id,
            "url": self.url(image_id),
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
            "media_type": FORMATS[facts.format].media_type,
            "bytes": length,
            "frames": facts.frames,
        }

    def image(self, image: ImageRecord, variants: Sequence[VariantRecord]) -> ImageOut:
        shown = image.placeholders
        return ImageOut(
            **self._original(image.id, image.facts, image.bytes),
            created_at=image.created_at,
            focal=image.focal and (float(image.focal.x), float(image.focal.y)),
            thumbhash=shown and shown.thumbhash,
            colour=shown and shown.colour,
            placeholder=shown and shown.data_uri,
            srcset=self._srcset(image),
            variants=[self._variant(variant) for variant in variants],
        )

    def _srcset(self, image: ImageRecord) -> dict[str, str]:
        offered = _offered(self.widths, self.limits, image.facts)
        return {
            format: ", ".join(f"{self.url(image.id, plan, format)} {width}w" for width, plan in plans.items())
            for format, plans in offered.items()
        }

    def _variant(self, row: VariantRecord) -> VariantOut:
        url = self.url(row.image_id, row.plan, row.format)
        return VariantOut(url=url, plan=row.plan, format=row.format, width=row.size.width, height=row.size.height, bytes=row.bytes)

    def product(self, product: ProductRecord, variants: Mapping[str, Sequence[VariantRecord]]) -> ProductOut:
        first = product.images[0] if product.images else None
        shown = {f"image_{width}": first and self._warm(first, width, variants.get(first.id, ())) for width in SHOWN_WIDTHS}
        return ProductOut(
            id=product.id,
            name=product.name,
            price=product.price,
            currency=product.currency,
            created_at=product.created_at,
            images=[self.image(image, variants.get(image.id, ())) for image in product.images],
            image=first and self._stored(first),
            **shown,
        )

    def _stored(self, image: ImageRecord) -> RenditionOut:
        return RenditionOut(url=self.url(image.id), width=image.facts.width, height=image.facts.height, bytes=image.bytes, ready=True)

    def _warm(self, image: ImageRecord, width: int, variants: Sequence[VariantRecord]) -> RenditionOut:
        """Its dimensions are known before it is built: plans are exact."""
        resolved = parse(f"w{width}", "webp").resolve(image.facts)
        row = next((row for row in variants if (row.plan, row.format) == (str(resolved.plan), "webp")), None)
        url = self.url(image.id, f"w{width}", "webp")
        return RenditionOut(url=url, width=resolved.size.width, height=resolved.size.height, bytes=row and row.bytes, ready=row is not None)


# Many pictures have the same size, and a page of products may show thousands.
@lru_cache(maxsize=4096)
def _offered(widths: tuple[int, ...], limits: Limits, facts: Facts) -> Mapping[str, Mapping[int, str]]:
    """By format, the best first: plans by the width that comes out. An animation is offered as what moves.

    Nothing is enlarged: whatever asks for as much as the picture has, or more, is its full size, once.
    """
    plans = {min(width, facts.width): f"w{width}" if width < facts.width else NOTHING for width in widths}
    formats = ("webp", "gif") if facts.animated else ("avif", "webp", "png" if facts.alpha else "jpg")
    offered = {name: {width: plan for width, plan in plans.items() if _possible(limits, facts, width, name)} for name in formats}
    return {name: possible for name, possible in offered.items() if possible}


def _possible(limits: Limits, facts: Facts, width: int, format: str) -> bool:
    try:
        limits.check_output(scaled_to(facts.size, width, None), FORMATS[format], enlarged=False, frames=facts.frames)
    except ImpossibleOutput:
        return False
    return True
