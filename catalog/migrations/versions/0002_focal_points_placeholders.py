"""Focal points and placeholders; variants of the first engine are forgotten, and what was stored is warmed anew.

A focal point is two shares in whole hundredths.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("image", sa.Column("focal_x", sa.SmallInteger, nullable=True))
    op.add_column("image", sa.Column("focal_y", sa.SmallInteger, nullable=True))
    op.add_column("image", sa.Column("thumbhash", sa.Text, nullable=True))
    op.add_column("image", sa.Column("colour", sa.String(7), nullable=True))
    op.add_column("image", sa.Column("placeholder", sa.Text, nullable=True))
    op.execute("DELETE FROM variant")
    op.execute(
        "INSERT INTO outbox (id, kind, subject, payload, created_at) "
        "SELECT 'warm-' || id, 'warm', id, '{}', created_at FROM image WHERE state = 'ready'"
    )


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE id LIKE 'warm-%'")
    for name in ("placeholder", "colour", "thumbhash", "focal_y", "focal_x"):
        op.drop_column("image", name)
