"""Which engine made a variant. The default is for rows of before, and for code that does not know of it and works beside newer code."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("variant", sa.Column("engine", sa.Integer, server_default=sa.text("2"), nullable=False))


def downgrade() -> None:
    op.drop_column("variant", "engine")
