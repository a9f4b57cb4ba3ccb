"""What the tests of the lab's page share: how it is opened, its runs and what it shows."""

from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.runs.records import Run
from pages.components.overfitting.form import START
from tests.support.app_tests import Open, figure, shown, wait_for

SMALL = {"dataset": "Tiny", "train_size": 40, "width": 8, "depth": 1, "train_iter": 30, "hold_out": False}


def open_lab(open_page: Open, **knobs: object) -> AppTest:
    """The lab on 40 images of Tiny, with a network of 8 units."""
    page = open_page()
    for name, value in (START | SMALL | knobs).items():
        page.session_state[f"lab.{name}"] = value
    page.query_params.clear()
    return shown(page.switch_page("overfitting.py").run())


def runs(page: AppTest) -> list[Run]:
    ids = [page.session_state["lab.run"], *page.session_state["lab.remedies"]]
    return [manager.shared_manager().get(run_id) for run_id in ids]


def finish(page: AppTest) -> AppTest:
    """Wait until all runs are over, and draw them."""
    return wait_for(page, lambda: all(run.status.is_over for run in runs(page)))


def train(page: AppTest) -> AppTest:
    shown(page.button(key="lab.start").click().run())
    return finish(page)


def texts(page: AppTest) -> str:
    return "\n".join(element.value for kind in (page.text, page.caption, page.markdown) for element in kind)


def tiles(page: AppTest) -> dict[str, str]:
    return {tile.label: tile.value for tile in page.metric}


def read_test_curves(page: AppTest) -> list[list[float | None]]:
    return [figure(page, key)["data"][1]["y"] for key in ("lab-loss", "lab-accuracy")]
