"""Runs on a folder of images whose name became that of a data set of points: "Spiral" is "Spiral folder" now."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "13"
down_revision = "12"

TAKEN = ("Moons", "Circles", "Spiral", "Checkerboard", "Blobs")


def upgrade() -> None:
    connection = op.get_bind()
    named = sa.text("SELECT id, recipe FROM runs WHERE dataset IN :taken").bindparams(
        sa.bindparam("taken", TAKEN, expanding=True)
    )
    for run_id, recipe in connection.execute(named).all():
        renamed = _rename(json.loads(recipe))
        values = {"id": run_id, "recipe": json.dumps(renamed), "dataset": renamed["dataset"]}
        connection.execute(sa.text("UPDATE runs SET recipe = :recipe, dataset = :dataset WHERE id = :id"), values)
    for sweep_id, definition in connection.execute(sa.text("SELECT id, definition FROM sweeps")).all():
        if any(f'"{name}"' in definition for name in TAKEN):
            whole = json.loads(definition)
            whole["rows"] = [_rename(row) for row in whole["rows"]]
            values = {"id": sweep_id, "definition": json.dumps(whole)}
            connection.execute(sa.text("UPDATE sweeps SET definition = :definition WHERE id = :id"), values)


def _rename(recipe: dict[str, Any]) -> dict[str, Any]:
    is_folder = recipe.get("dataset") in TAKEN and "points" not in recipe
    return recipe | {"dataset": f"{recipe['dataset']} folder"} if is_folder else recipe
