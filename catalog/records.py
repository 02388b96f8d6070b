"""The values that go into the catalog and come out of it; the rows of the tables never leave it."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, Literal, TypeVar

from uuid_utils import uuid7

from catalog.columns import checked_price
from transforms.geometry import Size
from transforms.operations.gravity import Point
from transforms.values import Facts, Placeholders

T = TypeVar("T")


# `pending` until the bytes are proven to lie in the store; only what is `ready` is shown; `deleting` until the bytes are gone.
State = Literal["pending", "ready", "deleting"]

# commit: a commit is to be finished (the subject is the product's id, or empty when there is none); warm: variants are to be made,
# erase: objects are to be removed, and edges to be told (the subject is the image's id).
Kind = Literal["commit", "warm", "erase"]


def new_product_id() -> str:
    """A UUIDv7: unique without asking the database, and in the order of time."""
    return str(uuid7())


def folded(text: str) -> str:
    """The text as it is compared without regard to case; databases disagree about anything outside ASCII."""
    return unicodedata.normalize("NFC", text).casefold()


@dataclass(frozen=True, kw_only=True)
class Original:
    """An original that is to be committed: its size in bytes, its hex SHA-256, and the store key where it would lie."""

    id: str
    facts: Facts
    bytes: int
    sha256: str
    place: str


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """A committed (or pending, or vanishing) original. `place` is its store key; `standalone` keeps it without a product.

    `focal` is the point that somebody chose; `placeholders` are None until the picture was warmed.
    """

    id: str
    owner: str
    state: State
    facts: Facts
    bytes: int
    sha256: str
    place: str
    standalone: bool
    created_at: datetime
    focal: Point | None = None
    placeholders: Placeholders | None = None


@dataclass(frozen=True, kw_only=True)
class VariantRecord:
    """A stored variant: `plan` is the canonical resolved plan, `size` is one frame's in pixels, `etag` is unquoted."""

    image_id: str
    plan: str
    format: str
    size: Size
    bytes: int
    etag: str


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """The image that was found at a URL when its host was last asked, at `checked_at`, and what the host said of its bytes.

    `etag` and `last_modified` are as the host wrote them, empty when it said nothing.
    """

    url: str
    image_id: str
    etag: str = ""
    last_modified: str = ""
    fresh_until: datetime
    checked_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProductDraft:
    """A product that is to be committed; its maker chooses its id by `new_product_id`. ValueError when the price is none.

    `idempotency_key` is unique among all products; `request_digest` tells the same request from another with the same key.
    """

    id: str
    name: str
    price: Decimal
    currency: str
    idempotency_key: str | None = None
    request_digest: str | None = None

    def __post_init__(self) -> None:
        checked_price(self.price)


@dataclass(frozen=True, kw_only=True)
class ProductRecord:
    """A product with its images in their order; `price` has two places, `currency` three letters."""

    id: str
    name: str
    price: Decimal
    currency: str
    created_at: datetime
    images: tuple[ImageRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A commit under way, from `reserve` to `confirm`; `outbox_id` is None when nothing is left to do.

    `images` are the rows as they stand now, in the order of the product: their `place` is where the bytes must lie. `repeated`
    says that an earlier request with the same key made the product.
    """

    outbox_id: str | None
    product_id: str | None
    images: tuple[ImageRecord, ...]
    standalone: bool = False
    repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class OutboxMessage:
    """Work that was decided in a transaction and must be done after it, at least once."""

    id: str
    kind: Kind
    subject: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some of many, and the cursor of the next ones unless these were the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None
