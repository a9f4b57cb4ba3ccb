"""The schema until version 11, before Alembic: numbered steps, recorded in the table schema_versions.

They are released, so they are never edited, and none is added: what comes next is a revision in `versions/`.
"""

import hashlib
import json
import time
from collections.abc import Callable

from sqlalchemy import (
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)

Step = Callable[[Connection], None]

SCHEMA = Table(
    "schema_versions",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False),
    Column("applied", Double, nullable=False),  # seconds since the epoch, UTC
)


def _keep_runs_and_evaluations(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "runs",
        metadata,
        Column("id", String(64), primary_key=True),
        Column("name", Text, nullable=False),
        Column("recipe", Text, nullable=False),  # JSON
        Column("status", String(20), nullable=False),
        Column("created", Double, nullable=False),
        Column("owner", String(255), nullable=False),
        Column("step", Integer, nullable=False),
        Column("seconds", Double, nullable=False),
        Column("device", Text, nullable=False),
        Column("versions", Text, nullable=False),  # JSON
        Column("message", Text, nullable=False),
        Column("traceback", Text, nullable=False),
        Column("server", String(255), nullable=False),  # the process that trains it: mlpcore.runs.servers
        Index("runs_by_created", "created", "id"),
        Index("runs_by_owner", "owner", "created", "id"),
        Index("runs_by_status", "status", "created", "id"),
    )
    Table(
        "evaluations",
        metadata,
        Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        Column("step", Integer, primary_key=True, autoincrement=False),
        Column("train_loss", Double, nullable=False),
        Column("train_eval_loss", Double, nullable=False),
        Column("train_acc", Double, nullable=False),
        Column("test_loss", Double, nullable=False),
        Column("test_acc", Double, nullable=False),
        Column("lr", Double, nullable=False),
        Column("seconds", Double, nullable=False),
        sqlite_with_rowid=False,  # evaluations of one run lie together on disk, ordered by step
    )
    metadata.create_all(connection, checkfirst=False)


def _keep_validation_norms_notes_and_stars(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE evaluations ADD COLUMN weight_norms TEXT NOT NULL DEFAULT '[]'"))  # JSON
    connection.execute(text("ALTER TABLE evaluations ADD COLUMN val_loss DOUBLE PRECISION"))
    connection.execute(text("ALTER TABLE evaluations ADD COLUMN val_acc DOUBLE PRECISION"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN starred INTEGER NOT NULL DEFAULT 0"))
    # History sorts and filters by these; kept beside the run, so that a list reads no evaluations
    connection.execute(text("ALTER TABLE runs ADD COLUMN dataset TEXT NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN optimizer TEXT NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN best_acc DOUBLE PRECISION"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN last_acc DOUBLE PRECISION"))
    for name in ("best_acc", "last_acc", "seconds", "name"):
        connection.execute(text(f"CREATE INDEX runs_by_{name} ON runs ({name}, id)"))
    best = "SELECT max(test_acc) FROM evaluations WHERE run_id = runs.id"
    last = "SELECT test_acc FROM evaluations WHERE run_id = runs.id ORDER BY step DESC LIMIT 1"
    connection.execute(text(f"UPDATE runs SET best_acc = ({best}), last_acc = ({last})"))
    for run_id, recipe in connection.execute(text("SELECT id, recipe FROM runs")).all():
        try:
            loaded = json.loads(recipe)
            values = {"id": run_id, "dataset": loaded["dataset"], "optimizer": loaded["optimizer"]["name"]}
        except (ValueError, KeyError, TypeError):  # a recipe that this version cannot read is left out of lists anyway
            continue
        connection.execute(text("UPDATE runs SET dataset = :dataset, optimizer = :optimizer WHERE id = :id"), values)


def _find_data_sets_by_an_index(connection: Connection) -> None:
    connection.execute(text("CREATE INDEX runs_by_dataset ON runs (dataset)"))


def _keep_messages_as_template_and_values(connection: Connection) -> None:
    for run_id, message in connection.execute(text("SELECT id, message FROM runs WHERE message <> ''")).all():
        template = message.replace("{", "{{").replace("}", "}}")
        values = {"id": run_id, "message": json.dumps({"template": template, "values": {}})}
        connection.execute(text("UPDATE runs SET message = :message WHERE id = :id"), values)


def _keep_what_a_run_continues(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE runs ADD COLUMN continues VARCHAR(64) NOT NULL DEFAULT ''"))


def _hash_the_tokens_of_browsers(connection: Connection) -> None:
    tokens = text("SELECT DISTINCT owner FROM runs WHERE owner <> '' AND owner NOT LIKE 'person:%'")
    for token in connection.scalars(tokens).all():
        values = {"owner": "browser:" + hashlib.sha256(token.encode()).hexdigest(), "token": token}
        connection.execute(text("UPDATE runs SET owner = :owner WHERE owner = :token"), values)


def _keep_effective_learning_rates(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE evaluations ADD COLUMN effective_lr DOUBLE PRECISION"))


def _keep_submissions_lessons_and_deleted_runs(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE runs ADD COLUMN submission VARCHAR(64) NOT NULL DEFAULT ''"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN lesson VARCHAR(100) NOT NULL DEFAULT ''"))
    for name in ("submission", "lesson"):
        connection.execute(text(f"CREATE INDEX runs_by_{name} ON runs ({name}, created, id)"))
    # a table of its own: it is small, and the indexes that lists are read off stay in use
    run_id = "run_id VARCHAR(64) PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE"
    connection.execute(text(f"CREATE TABLE deleted_runs ({run_id}, deleted DOUBLE PRECISION NOT NULL)"))


def _keep_last_losses(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE runs ADD COLUMN last_losses TEXT NOT NULL DEFAULT '[]'"))


def _keep_sweeps_and_their_trials(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "sweeps",
        metadata,
        Column("id", String(64), primary_key=True),
        Column("name", Text, nullable=False),
        Column("owner", String(255), nullable=False),
        Column("created", Double, nullable=False),
        Column("status", String(20), nullable=False),
        Column("definition", Text, nullable=False),  # JSON
        Column("server", String(255), nullable=False),  # the process that goes on with it
        Index("sweeps_by_created", "created", "id"),
    )
    Table(
        "trials",
        metadata,
        Column("sweep_id", String(64), ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("point", Text, nullable=False),  # JSON
        Column("is_fresh", Integer, nullable=False),  # 0 or 1
        Column("run_ids", Text, nullable=False),  # JSON
        Column("result", Text, nullable=False),  # JSON, "" until all its runs are over
    )
    metadata.create_all(connection)


def _keep_the_names_and_quotas_of_people(connection: Connection) -> None:
    people = Table(
        "people",
        MetaData(),
        Column("owner", String(255), primary_key=True),
        Column("name", Text, nullable=False),  # as the provider of the account says; "" for a browser
        Column("quota", Double),  # bytes, if an admin has set another one than everybody's
    )
    people.create(connection)


STEPS: tuple[Step, ...] = (
    _keep_runs_and_evaluations,
    _keep_validation_norms_notes_and_stars,
    _find_data_sets_by_an_index,
    _keep_messages_as_template_and_values,
    _keep_what_a_run_continues,
    _hash_the_tokens_of_browsers,
    _keep_effective_learning_rates,
    _keep_submissions_lessons_and_deleted_runs,
    _keep_last_losses,
    _keep_sweeps_and_their_trials,
    _keep_the_names_and_quotas_of_people,
)


ALEMBIC = len(STEPS) + 1  # a step that versions before Alembic do not know, so that they leave the database alone


def apply_missing(connection: Connection) -> None:
    """Apply the steps that a database lacks, and record that Alembic goes on from there."""
    SCHEMA.create(connection, checkfirst=True)
    for number, apply in enumerate(STEPS, start=1):
        if number > read_version(connection):
            apply(connection)
            _record(connection, number, apply.__name__.strip("_"))
    _record(connection, ALEMBIC, "managed_by_alembic")


def read_version(connection: Connection) -> int:
    """Return the number of the newest step that a database has; 0 if it has none."""
    return connection.scalar(select(func.max(SCHEMA.c.number))) or 0


def _record(connection: Connection, number: int, name: str) -> None:
    connection.execute(insert(SCHEMA).values(number=number, name=name, applied=time.time()))
