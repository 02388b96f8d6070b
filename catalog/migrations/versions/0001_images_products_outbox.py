"""Images with their variants, products, and the outbox.

Columns are spelled in plain types: a migration must stay true when the code that it was written beside has moved on. Prices are
whole hundredths.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_image()
    _create_variant()
    _create_product()
    _create_product_image()
    _create_outbox()


def _create_image() -> None:
    op.create_table(
        "image",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("orientation", sa.Integer, nullable=False),
        sa.Column("alpha", sa.Boolean, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("standalone", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
    )
    op.create_index("ix_image_state_created_at_id", "image", ["state", "created_at", "id"])
    op.create_index("ix_image_state_format_created_at_id", "image", ["state", "format", "created_at", "id"])


def _create_variant() -> None:
    op.create_table(
        "variant",
        sa.Column("image_id", sa.String(26), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "plan", "format", name="pk_variant"),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_variant_image_id_image", ondelete="CASCADE"),
    )


def _create_product() -> None:
    op.create_table(
        "product",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", sa.Text, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=True),
        sa.Column("request_digest", sa.Text, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
        sa.UniqueConstraint("idempotency_key", name="uq_product_idempotency_key"),
    )
    op.create_index("ix_product_state_created_at_id", "product", ["state", "created_at", "id"])


def _create_product_image() -> None:
    op.create_table(
        "product_image",
        sa.Column("product_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("image_id", sa.String(26), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "position", name="pk_product_image"),
        sa.UniqueConstraint("product_id", "image_id", name="uq_product_image_product_id_image_id"),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_product_image_product_id_product", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_product_image_image_id_image"),
    )
    op.create_index("ix_product_image_image_id", "product_image", ["image_id"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_kind_created_at", "outbox", ["kind", "created_at"])
    op.create_index("ix_outbox_subject", "outbox", ["subject"])


def downgrade() -> None:
    for table in ("outbox", "product_image", "product", "variant", "image"):
        op.drop_table(table)
