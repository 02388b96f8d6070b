"""Images that were fetched from other hosts, and the URLs that they were found at. Lists leave them out, so indexes tell them apart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LISTS = (("created_at", "id"), ("format", "created_at", "id"))


def upgrade() -> None:
    op.add_column("image", sa.Column("remote", sa.Boolean, server_default=sa.false(), nullable=False))
    _index_lists(before=["state"], now=["state", "remote"])
    op.create_table(
        "source",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("image_id", sa.String(26), nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("last_modified", sa.Text, nullable=False),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_source_image_id_image", ondelete="CASCADE"),
    )
    op.create_index("ix_source_image_id", "source", ["image_id"])
    op.create_index("ix_source_checked_at", "source", ["checked_at"])


def downgrade() -> None:
    op.drop_table("source")
    _index_lists(before=["state", "remote"], now=["state"])
    op.drop_column("image", "remote")


def _index_lists(*, before: list[str], now: list[str]) -> None:
    for rest in LISTS:
        op.drop_index(_name([*before, *rest]), "image")
        op.create_index(_name([*now, *rest]), "image", [*now, *rest])


def _name(columns: list[str]) -> str:
    return "_".join(["ix_image", *columns])
