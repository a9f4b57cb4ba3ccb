"""What the playground tells of a run under its curves."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, shown

RECIPE = Recipe(dataset="Tiny", scheduler=NoScheduler())


@pytest.fixture
def open_run(open_page: Open, page_store: RunStore) -> Callable[[list[float]], AppTest]:
    """Open the playground at a finished run whose losses are given, one each 300 iterations."""

    def open_run(losses: list[float]) -> AppTest:
        points = [
            Evaluation(300 * place, loss, loss, 0.5, loss, 0.5, 0.01, 1.0) for place, loss in enumerate(losses, 1)
        ]
        finished = Run("a", "run a", RECIPE, RunStatus.FINISHED, created=1.0, step=3000, evaluations=tuple(points))
        page_store.create_many([finished])
        return open_page(run="a")

    return open_run


def diagnoses(page: AppTest) -> str:
    return "\n".join(element.value for element in [*page.markdown, *page.caption])


def test_plateau_is_told_with_its_rule_and_one_click_puts_the_milestone_into_the_knobs(
    open_run: Callable[[list[float]], AppTest],
) -> None:
    page = open_run([0.6, 0.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    assert "From step 1,500 on, at lr 0.01, the train loss stopped falling and stays near 0.2." in diagnoses(page)
    assert "For the last 20% of the steps or longer, at an unchanged rate," in diagnoses(page)
    button = page.button(key="diagnosis.0")
    assert button.label == "Lower the rate at step 1,500"
    shown(button.click().run())
    assert page.selectbox(key="knob.scheduler").value == "MultiStepLR"
    assert page.text_input(key="knob.MultiStepLR.milestones").value == "1500"
    assert not page.button(key="start").disabled
    assert [toast.value for toast in page.toast] == ["The knobs are set. Press Start to try it."]


def test_guessing_is_among_the_classes_of_the_runs_own_images(open_run: Callable[[list[float]], AppTest]) -> None:
    page = open_run([0.69, 0.70, 0.69, 0.70, 0.69, 0.70, 0.69, 0.70, 0.69, 0.70])
    assert "the train loss is 0.70, and guessing costs 0.69." in diagnoses(page)


def test_short_history_says_how_to_make_it_longer(open_run: Callable[[list[float]], AppTest]) -> None:
    assert "That is too few to show a trend. Set a smaller eval_every to get more." in diagnoses(open_run([0.6, 0.5]))
