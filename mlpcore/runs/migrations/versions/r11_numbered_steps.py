"""The eleven numbered steps from before Alembic: a database that has some of them takes the others."""

from alembic import op

from mlpcore.runs.migrations import numbered

revision = "11"
down_revision = None


def upgrade() -> None:
    numbered.apply_missing(op.get_bind())
