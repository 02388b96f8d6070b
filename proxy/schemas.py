"""What the API takes and returns."""

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from catalog.columns import CENT, checked_price
from services.ids import ID_LENGTH
from transforms.operations.gravity import Point

MAX_IMAGES = 100
PRICE = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
FOCAL_EXPECTED = "a focal point is two numbers from 0 to 1, the shares of width and height like [0.3, 0.7], or null for none"
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


def _focal(value: object) -> Point:
    """The shares of width and height in hundredths, halves up, as URLs spell them; JSON numbers come as int and Decimal."""
    if not isinstance(value, list) or len(value) != 2 or not all(type(share) in (int, Decimal) and 0 <= share <= 1 for share in value):
        raise ValueError(FOCAL_EXPECTED)
    return Point(*(Decimal(share).copy_abs().quantize(CENT, ROUND_HALF_UP) for share in value))


Focal = Annotated[
    Point,
    BeforeValidator(_focal),
    WithJsonSchema(
        {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 2, "maxItems": 2, "examples": [[0.3, 0.7]]}
    ),
]
Price = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(lambda price: f"{price:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{PRICE.pattern}$", "examples": ["12.50"]}),
]


def _matching(pattern: str, expected: str) -> AfterValidator:
    """What pydantic says of a pattern that does not match is the pattern."""

    def check(text: str) -> str:
        if not re.search(pattern, text) or text.endswith("\n"):
            raise ValueError(expected)
        return text

    return AfterValidator(check)


CODE, CODE_EXPECTED = r"^[A-Z]{3}$", "a currency is three capital letters (ISO 4217) like EUR"
Currency = Annotated[
    str, _matching(CODE, CODE_EXPECTED), Field(examples=["EUR"], description="ISO 4217 code", json_schema_extra={"pattern": CODE})
]
# PostgreSQL stores no NUL, and control characters have no place in a name.
PRINTABLE, PRINTABLE_EXPECTED = r"^[^\x00-\x1f\x7f]*$", "a name has no control characters, so no line breaks and no tabs"
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    _matching(PRINTABLE, PRINTABLE_EXPECTED),
    Field(json_schema_extra={"pattern": PRINTABLE}),
]
ID, ID_EXPECTED = rf"^[a-z2-7]{{{ID_LENGTH}}}$", f"an id is {ID_LENGTH} characters of a to z and 2 to 7, as the answer to an upload has it"
ImageId = Annotated[str, _matching(ID, ID_EXPECTED), Field(json_schema_extra={"pattern": ID})]
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
    focal: tuple[float, float] | None = Field(description="what crops by `g_focal` keep: shares of width and height; null when none is set")
    thumbhash: str | None = Field(description="base64; null, like `colour` and `placeholder`, until it is made right after the commit")
    colour: str | None = Field(description="the dominant colour, `#rrggbb`", examples=["#f5c542"])
    placeholder: str | None = Field(description="a picture of at most 16 pixels as a data URI")
    srcset: dict[str, str] = Field(description="by format, the text of an HTML `srcset`: variants in several widths, none enlarged")
    variants: list[VariantOut]


class ImagePatch(Schema):
    focal: Focal | None = Field(description="the shares of width and height, rounded to two places; null clears it")


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


class ErasedOut(Schema):
    """What became of an image that is deleted: a receipt. What is not `done` yet is finished by `progimage purge`."""

    id: str
    objects: int = Field(description="originals, facts and variants that were removed from the store")
    edges: dict[str, bool] = Field(description="the nginx servers in front: whether each has confirmed that it forgets it")
    done: bool


class DeletedOut(Schema):
    """The images that went with it."""

    images: list[str]
    erased: list[ErasedOut] = Field(description="for each of them, what became of it")


class ProductChangedOut(ProductOut):
    erased: list[ErasedOut] = Field(description="the images that nothing refers to any more: what became of each")


class OperationOut(Schema):
    """A parameter of plans. `default` holds when it is left out (null: nothing); `formats` are those that know an output option.

    `minimum` and `maximum` are those of a value that is one number.
    """

    name: str
    summary: str
    expected: str
    minimum: float | None
    maximum: float | None
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
