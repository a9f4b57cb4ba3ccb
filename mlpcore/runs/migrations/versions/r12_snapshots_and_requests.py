"""Several servers: snapshots that all of them see, and requests from one to another."""

import sqlalchemy as sa
from alembic import op

revision = "12"
down_revision = "11"


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("server", sa.String(255), nullable=False),  # the process that is asked
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),  # such as the id of a run
        sa.Column("arguments", sa.Text, nullable=False),  # JSON
        sa.Column("created", sa.Double, nullable=False),
        sqlite_autoincrement=True,  # a number never comes twice
    )
    op.create_index("requests_by_server", "requests", ["server", "number"])
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "snapshots",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("written", sa.BigInteger, nullable=False),  # changes when the snapshot does
        sa.Column("packed", sa.LargeBinary, nullable=False),  # an .npz file
    )
    op.execute("ALTER TABLE snapshots ALTER COLUMN packed SET STORAGE EXTERNAL")  # it hardly gets smaller
    # runs without an accuracy stand where they do in SQLite
    for name in ("best_acc", "last_acc"):
        op.drop_index(f"runs_by_{name}")
        op.create_index(f"runs_by_{name}", "runs", [sa.text(f"{name} NULLS FIRST"), "id"])
