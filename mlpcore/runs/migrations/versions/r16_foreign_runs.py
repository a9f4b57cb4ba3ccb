"""Runs of other programs that visitors brought to compare with."""

import sqlalchemy as sa
from alembic import op

revision = "16"
down_revision = "15"


def upgrade() -> None:
    op.create_table(
        "foreign_runs",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("curves", sa.Text, nullable=False),  # JSON
    )
