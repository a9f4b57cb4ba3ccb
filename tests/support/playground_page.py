"""What the tests of the playground's page share: what it says, and its Start."""

from streamlit.testing.v1 import AppTest

from tests.support.app_tests import figure, sentences, shown


def says(page: AppTest, text: str) -> bool:
    return any(text in sentence for sentence in [*sentences(page), *(element.value for element in page.text)])


def planned_rate(page: AppTest, step: int) -> float:
    """The rate that the schedule's preview draws at `step`, the step being one it draws a point for."""
    curve = figure(page, "preview")["data"][0]
    return dict(zip(curve["x"], curve["y"], strict=True))[step]


def press_start(page: AppTest) -> str:
    """Start what the knobs say; the id of the run."""
    shown(page.button(key="start").click().run())
    return page.session_state["run"]
