"""The health of a run's layers on its page."""

from dataclasses import replace

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import NoScheduler, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, figure, is_over, show_insight, texts, wait_for

TINY = Recipe(dataset="Tiny", train_iter=60, eval_every=5, batch_size=4, hidden_sizes=(8, 4))
OLD = Evaluation(300, 1.0, 1.0, 0.5, 1.0, 0.5, 0.01, 1.0)


def test_every_layer_of_a_run_has_a_strip_of_each_measure(open_page: Open) -> None:
    (run_id,) = manager.shared_manager().submit([TINY], owner="somebody", names=["a run"])
    page = open_page(run=run_id)
    wait_for(page, is_over(run_id))
    show_insight(page, "health")
    strips = {
        name: figure(page, f"health.{name}")["data"] for name in ("update_ratios", "gradient_norms", "stuck_units")
    }
    assert {name: len(each) for name, each in strips.items()} == {
        "update_ratios": 3, "gradient_norms": 3, "stuck_units": 2,
    }  # fmt: skip
    assert {tuple(strip["x"]) for each in strips.values() for strip in each} == {tuple(range(5, 61, 5))}
    assert "###### Dead units" in [markdown.value for markdown in page.markdown]


def test_a_run_of_an_older_version_says_that_it_was_not_measured(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([Run("a", "a", TINY, RunStatus.FINISHED, 1.0, step=60, evaluations=(OLD,))])
    page = show_insight(open_page(run="a"), "health")
    assert any(text.startswith("This run is from a version that did not measure this.") for text in texts(page))


def test_dead_units_are_diagnosed_beside_the_curves_with_the_rate_to_try(open_page: Open, page_store: RunStore) -> None:
    recipe = Recipe(dataset="Tiny", train_iter=3000, eval_every=300, scheduler=NoScheduler())
    measured = [replace(OLD, step=300 * n, stuck_units=(0.0, 0.25 if n < 4 else 0.75)) for n in range(1, 11)]
    page_store.create_many([Run("a", "a", recipe, RunStatus.FINISHED, 1.0, step=3000, evaluations=tuple(measured))])
    page = open_page(run="a")
    told = [element.value for element in page.markdown]
    assert any("75% of the units in layer 2 have been dead since step 1,200" in text for text in told)
    assert page.button(key="diagnosis.0").label == "Set lr to 0.001"
