"""What the tests of the sweep page share: set-ups of the smallest sweeps, and what the page shows."""

from typing import TYPE_CHECKING

from mlpcore.sweeps.manager import shared_sweeps
from mlpcore.sweeps.trials import Sweep
from tests.support.app_tests import Open, says, shown, texts, wait_for
from tests.support.present import present

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest


def reads(page: "AppTest", text: str) -> bool:
    words = [*texts(page), *(element.value for element in page.markdown)]
    return says(page, text) or any(text in one for one in words)


def find_sweep(page: "AppTest") -> Sweep:
    return present(shared_sweeps().get(page.session_state["sweep.shown"]))


def open_sweep(open_page: Open) -> "AppTest":
    """The page with the shortest possible runs on the small data set."""
    page = open_page("sweep.py")
    page.selectbox(key="sweep.dataset").select("Tiny").run()
    return shown(page.number_input(key="sweep.train_iter").set_value(20).run())


def finish(page: "AppTest", button: str) -> Sweep:
    shown(page.button(key=button).click().run())
    wait_for(page, lambda: find_sweep(page).status.is_over)
    return find_sweep(page)


def set_space(page: "AppTest", *rows: dict[str, object]) -> "AppTest":
    empty = {"values": "", "low": None, "high": None, "log": False}
    page.session_state["sweep.space"] = [empty | row for row in rows]
    return shown(page.segmented_control(key="sweep.kind").set_value("search").run())
