"""The run that a run was forked from."""

import sqlalchemy as sa
from alembic import op

revision = "15"
down_revision = "14"


def upgrade() -> None:
    op.add_column("runs", sa.Column("forked_from", sa.String(64), nullable=False, server_default=""))
