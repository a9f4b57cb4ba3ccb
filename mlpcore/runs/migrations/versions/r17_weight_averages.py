"""What an evaluation measured of averaged weights."""

import sqlalchemy as sa
from alembic import op

revision = "17"
down_revision = "16"


def upgrade() -> None:
    for name in ("avg_test_loss", "avg_test_acc"):
        op.add_column("evaluations", sa.Column(name, sa.Double))
