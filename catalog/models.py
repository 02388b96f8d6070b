"""The tables. catalog/migrations makes them; a test proves that both say the same on both databases.

Versions of ProgImage run beside each other while a deployment is rolled: a migration adds what older code need not know of, and takes
away only what no version needs that may still run.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData, String, Text, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from catalog.columns import Price, Share, UtcTime
from catalog.records import Kind, State

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(SQLModel):
    # Names of constraints must be known to be dropped in a later migration; SQLite gives none by itself.
    metadata = MetaData(naming_convention=NAMES)


class ImageRow(Table, table=True):
    __tablename__ = "image"
    __table_args__ = (
        Index(None, "state", "remote", "created_at", "id"),
        Index(None, "state", "remote", "format", "created_at", "id"),
    )

    id: str = Field(max_length=26, primary_key=True)
    owner: str = Field(default="", sa_type=Text)
    state: State = Field(sa_type=String(8))
    format: str = Field(max_length=8)
    width: int
    height: int
    frames: int
    orientation: int
    alpha: bool
    bytes: int = Field(sa_type=BigInteger)
    sha256: str = Field(max_length=64)
    place: str = Field(sa_type=Text)
    standalone: bool
    remote: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(sa_type=UtcTime)
    focal_x: Decimal | None = Field(default=None, sa_type=Share)
    focal_y: Decimal | None = Field(default=None, sa_type=Share)
    thumbhash: str | None = Field(default=None, sa_type=Text)
    colour: str | None = Field(default=None, max_length=7)
    placeholder: str | None = Field(default=None, sa_type=Text)


class VariantRow(Table, table=True):
    """`engine` is the version that made it. A newer engine's variant takes the place of an older one's."""

    __tablename__ = "variant"

    image_id: str = Field(max_length=26, primary_key=True, sa_column_args=[ForeignKey("image.id", ondelete="CASCADE")])
    plan: str = Field(sa_type=Text, primary_key=True)
    format: str = Field(max_length=8, primary_key=True)
    width: int
    height: int
    bytes: int = Field(sa_type=BigInteger)
    etag: str = Field(max_length=64)
    engine: int = Field(sa_column_kwargs={"server_default": text("2")})
    created_at: datetime = Field(sa_type=UtcTime)


class SourceRow(Table, table=True):
    """`id` is the hex SHA-256 of the URL, which is too long for an index of its own."""

    __tablename__ = "source"
    __table_args__ = (Index(None, "image_id"), Index(None, "checked_at"))

    id: str = Field(max_length=64, primary_key=True)
    url: str = Field(sa_type=Text)
    image_id: str = Field(max_length=26, sa_column_args=[ForeignKey("image.id", ondelete="CASCADE")])
    etag: str = Field(sa_type=Text)
    last_modified: str = Field(sa_type=Text)
    fresh_until: datetime = Field(sa_type=UtcTime)
    checked_at: datetime = Field(sa_type=UtcTime)


class ProductRow(Table, table=True):
    __tablename__ = "product"
    __table_args__ = (UniqueConstraint("idempotency_key"), Index(None, "state", "created_at", "id"))

    id: str = Field(max_length=36, primary_key=True)
    name: str = Field(sa_type=Text)
    name_folded: str = Field(sa_type=Text)
    price: Decimal = Field(sa_type=Price)
    currency: str = Field(max_length=3)
    state: State = Field(sa_type=String(8))
    idempotency_key: str | None = Field(default=None, sa_type=Text)
    request_digest: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=UtcTime)


class ProductImageRow(Table, table=True):
    __tablename__ = "product_image"
    __table_args__ = (UniqueConstraint("product_id", "image_id"), Index(None, "image_id"))

    product_id: str = Field(max_length=36, primary_key=True, sa_column_args=[ForeignKey("product.id", ondelete="CASCADE")])
    position: int = Field(primary_key=True)
    image_id: str = Field(max_length=26, sa_column_args=[ForeignKey("image.id")])


class OutboxRow(Table, table=True):
    """`payload` of a commit: `images` (their ids in order) and `standalone`, so that a sweeper can take it up again."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "kind", "created_at"), Index(None, "subject"))

    id: str = Field(max_length=36, primary_key=True)
    kind: Kind = Field(sa_type=String(16))
    subject: str = Field(sa_type=Text)
    payload: dict[str, object] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
