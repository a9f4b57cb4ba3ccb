"""What the tests of the history's page share: made-up runs, how it is opened and what it lists."""

from dataclasses import replace
from typing import Any

from streamlit.testing.v1 import AppTest

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from tests.support.app_tests import Open, shown

ME, ANN = "my own token", "ann's token"


def make_run(run_id: str, *, owner: str = ME, test_acc: float = 0.5, created: float = 1.0, **values: Any) -> Run:
    points = tuple(Evaluation(step, 2.0, 1.9, 0.4, 2.1, test_acc, 0.01, step / 100) for step in (100, 200))
    made = Run(run_id, f"run {run_id}", Recipe(dataset="Tiny"), RunStatus.FINISHED, created, owner=owner, step=200)
    return replace(made, evaluations=points, **values)


def open_history(open_page: Open, *chosen: str, owner: str = ME, **query: str) -> AppTest:
    page = open_page("history.py", **query)
    page.session_state["owner"] = owner
    page.session_state["history.chosen"] = list(chosen)
    return shown(page.run())


def names(page: AppTest) -> list[str]:
    frames = [element.value for element in page.dataframe if "mine" in element.value.columns]
    return list(frames[0]["name"]) if frames else []


def import_file(page: AppTest, content: bytes) -> AppTest:
    page.file_uploader(key="history.file").set_value(("runs.json", content, "application/json"))
    return shown(page.run())
