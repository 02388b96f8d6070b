"""What the API takes and returns. The catalog's records become these here, and nowhere else."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from catalog.columns import checked_price
from catalog.records import ImageRecord, ProductRecord, VariantRecord
from proxy.image_path import path_of
from services.ids import ID_LENGTH
from services.stage import Upload
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.plan import NOTHING

SHOWN_WIDTHS = (256, 512)
MAX_IMAGES = 100
PRICE = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
PRICE_EXPECTED = 'a price is a decimal string like "12.50", from 0 to 9999999999.99, with at most two places'


def _decimal(value: object) -> Decimal:
    """A price as it is written: text, or a JSON number, which the reader of the body leaves as a Decimal."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(PRICE_EXPECTED)  # noqa: TRY004  pydantic makes answers of ValueErrors only
    # Written out, 1e999999 would fill the memory.
    text = f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < 12 else str(value)
    if not PRICE.fullmatch(text):
        raise ValueError(PRICE_EXPECTED)
    return checked_price(Decimal(text))


Price = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(lambda price: f"{price:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{PRICE.pattern}$", "examples": ["12.50"]}),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"], description="ISO 4217 code")]
# PostgreSQL stores no NUL, and control characters have no place in a name.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=PRINTABLE)]
ImageId = Annotated[str, StringConstraints(pattern=rf"^[a-z2-7]{{{ID_LENGTH}}}$")]
ImageIds = Annotated[list[ImageId], Field(max_length=MAX_IMAGES)]


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StagedOut(Schema):
    """An upload that arrived whole. Sizes are pixels as shown; `frames` is 1 unless the picture moves."""

    id: str
    width: int
    height: int
    format: str
    media_type: str
    bytes: int
    frames: int
    expires_at: datetime | None = Field(description="when it will be forgotten; null once it is stored")
    url: str


class UploadsOut(Schema):
    images: list[StagedOut]
    id: str | None = Field(default=None, description="the id of the picture, when there is just one")


class UploadOut(StagedOut):
    state: Literal["staged", "committed"] = Field(description="committed: the original is stored")


class RenditionOut(Schema):
    """One way in which a picture is shown. `bytes` is unknown until it is `ready`."""

    url: str
    width: int
    height: int
    bytes: int | None
    ready: bool


class VariantOut(Schema):
    url: str
    plan: str
    format: str
    width: int
    height: int
    bytes: int


class ImageOut(Schema):
    id: str
    url: str
    width: int
    height: int
    format: str
    media_type: str
    bytes: int
    frames: int
    created_at: datetime
    variants: list[VariantOut]


class ImagesOut(Schema):
    images: list[ImageOut]
    next: str | None = Field(default=None, description="the URL of the next page, or null on the last")


class StoredOut(Schema):
    images: list[ImageOut]
    id: str | None = Field(default=None, description="the id of the picture, when there is just one")


class ProductIn(Schema):
    name: Name
    price: Price
    currency: Currency | None = None
    images: ImageIds = []


class ProductPatch(Schema):
    """What is left out stays as it is; `images` is the whole ordered list."""

    name: Name | None = None
    price: Price | None = None
    currency: Currency | None = None
    images: ImageIds | None = None


class ProductOut(Schema):
    """`image`, `image_256` and `image_512` are the first picture: the original and its two warm variants."""

    id: str
    name: str
    price: Price
    currency: str
    created_at: datetime
    images: list[ImageOut]
    image: RenditionOut | None
    image_256: RenditionOut | None
    image_512: RenditionOut | None


class ProductsOut(Schema):
    products: list[ProductOut]
    next: str | None = Field(default=None, description="the URL of the next page, or null on the last")


class DeletedOut(Schema):
    """The images that went with it."""

    images: list[str]


class OperationOut(Schema):
    """A parameter of plans. `default` holds when it is left out (null: nothing); `formats` are those that know an output option."""

    name: str
    summary: str
    expected: str
    default: str | None
    example: str
    formats: list[str] | None


class FormatOut(Schema):
    """`reads`: taken as an upload here; `writes`: can be asked for; `quality`: the default of a lossy one."""

    name: str
    media_type: str
    reads: bool
    writes: bool
    alpha: bool
    animation: bool
    quality: int | None


class TransformsOut(Schema):
    operations: list[OperationOut]
    formats: list[FormatOut]


class EarlierUploadOut(Schema):
    id: str
    msg: str = "ok"


class EarlierFormOut(Schema):
    id: str


@dataclass(frozen=True, kw_only=True)
class Presenter:
    """Makes answers out of records; `base` goes before every path (empty: URLs relative to the host)."""

    base: str = ""

    def url(self, image_id: str, plan: str = NOTHING, format: str = "") -> str:
        return self.base + path_of(image_id, plan, format)

    def upload(self, upload: Upload) -> StagedOut:
        return StagedOut(**self._upload(upload))

    def staged(self, upload: Upload) -> UploadOut:
        return UploadOut(**self._upload(upload), state="staged")

    def committed(self, image: ImageRecord) -> UploadOut:
        stored = self.image(image, ()).model_dump(exclude={"variants", "created_at"})
        return UploadOut(**stored, expires_at=None, state="committed")

    def _upload(self, upload: Upload) -> dict[str, Any]:
        facts, staged = upload.facts, upload.staged
        return {
            "id": staged.image_id,
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
            "media_type": FORMATS[facts.format].media_type,
            "bytes": staged.bytes,
            "frames": facts.frames,
            "expires_at": staged.expires_at,
            "url": self.url(staged.image_id),
        }

    def image(self, image: ImageRecord, variants: Sequence[VariantRecord]) -> ImageOut:
        return ImageOut(
            id=image.id,
            url=self.url(image.id),
            width=image.facts.width,
            height=image.facts.height,
            format=image.facts.format,
            media_type=FORMATS[image.facts.format].media_type,
            bytes=image.bytes,
            frames=image.facts.frames,
            created_at=image.created_at,
            variants=[self._variant(variant) for variant in variants],
        )

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
            image=first and self._original(first),
            **shown,
        )

    def _original(self, image: ImageRecord) -> RenditionOut:
        return RenditionOut(url=self.url(image.id), width=image.facts.width, height=image.facts.height, bytes=image.bytes, ready=True)

    def _warm(self, image: ImageRecord, width: int, variants: Sequence[VariantRecord]) -> RenditionOut:
        """Its dimensions are known before it is built: plans are exact."""
        resolved = parse(f"w{width}", "webp").resolve(image.facts)
        row = next((row for row in variants if (row.plan, row.format) == (str(resolved.plan), "webp")), None)
        url = self.url(image.id, f"w{width}", "webp")
        return RenditionOut(url=url, width=resolved.size.width, height=resolved.size.height, bytes=row and row.bytes, ready=row is not None)
