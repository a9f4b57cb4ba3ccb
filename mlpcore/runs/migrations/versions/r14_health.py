"""The health of each layer at every evaluation: norms of gradients, sizes of updates, stuck units."""

import sqlalchemy as sa
from alembic import op

revision = "14"
down_revision = "13"


def upgrade() -> None:
    for name in ("gradient_norms", "update_ratios", "stuck_units"):
        op.add_column("evaluations", sa.Column(name, sa.Text, nullable=False, server_default="[]"))  # JSON
