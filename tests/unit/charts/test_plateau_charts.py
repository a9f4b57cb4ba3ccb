"""A rate that follows losses: what is known of it before training, and its drops where a run recorded them."""

from dataclasses import replace

import pytest

from mlpcore.analysis.diagnoses.schedule_checks import find_reductions
from mlpcore.charts.compare import Series, compare_chart
from mlpcore.charts.run import run_chart
from mlpcore.charts.schedule import schedule_chart, trace_rates
from mlpcore.charts.traces import Figure, Json
from mlpcore.recipes.recipe import Change, Recipe
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from tests.support.histories import evaluation, run


def trace(figure: Figure, uid: str) -> Json:
    found: Json = next(trace for trace in figure["data"] if trace["uid"] == uid)
    return found


def test_what_losses_decide_is_dashed_as_in_the_last_run_of_the_recipe():
    recipe = Recipe(scheduler=ReduceLROnPlateau(patience=0), train_iter=1000, eval_every=100)
    evaluations = [evaluation(step, lr=0.01 if step <= 300 else 0.001) for step in range(100, 801, 100)]  # stopped
    stopped = run(evaluations, recipe)
    figure = schedule_chart([0.01] * 200, batch_size=64, train_size=640, train_iter=1000, last_run=stopped)
    assert figure["layout"]["xaxis"]["range"] == [0, 1000]
    assert trace(figure, "schedule")["x"][-1] == 200
    dashed = trace(figure, "last-run")
    drawn = dict(zip(dashed["x"], dashed["y"], strict=True))
    assert (drawn[200], drawn[300], drawn[301], drawn[800]) == (0.01, 0.01, 0.001, 0.001)
    assert (min(drawn), max(drawn), dashed["line"]["dash"], dashed["customdata"][0]) == (200, 800, "dash", 20)


@pytest.mark.parametrize(("val_loss", "name"), [(None, "train loss in eval mode"), (1.5, "validation loss")])
def test_each_drop_that_losses_caused_is_marked_with_its_loss(val_loss, name):
    recipe = Recipe(scheduler=ReduceLROnPlateau(patience=0), train_iter=3000, eval_every=100)
    evaluations = [evaluation(step, lr=0.01 if step <= 300 else 0.001) for step in range(100, 801, 100)]
    evaluations = [replace(each, val_loss=val_loss) for each in evaluations]
    figure = run_chart(
        evaluations,
        planned_rates=[0.01] * 200,
        train_iter=3000,
        steps_per_epoch=100.0,
        reductions=find_reductions(recipe, evaluations),
    )
    marks = trace(figure, "reductions")
    assert (marks["x"], marks["y"], marks["customdata"]) == ([300], [0.001], [val_loss or 1.0])
    assert marks["name"] == name
    followed = trace(figure, "followed")
    drawn = dict(zip(followed["x"], followed["y"], strict=True))
    assert (drawn[300], drawn[301], drawn[400]) == (0.01, 0.001, 0.001)
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    assert f"lr (▼: the {name} had stopped falling)" in notes


def test_a_drop_and_a_change_between_two_evaluations_are_two_jumps():
    changes = (Change(step=150, lr=0.005),)
    recipe = Recipe(scheduler=ReduceLROnPlateau(patience=0), train_iter=400, eval_every=100, changes=changes)
    evaluations = [evaluation(100), evaluation(200, lr=0.0005), evaluation(300, lr=0.0005)]
    steps, rates = trace_rates(evaluations, [0.01] * 100, changes, find_reductions(recipe, evaluations))
    drawn = dict(zip(steps.tolist(), rates.tolist(), strict=True))
    assert [drawn[step] for step in (100, 101, 150, 151, 200)] == pytest.approx([0.01, 0.001, 0.001, 0.0005, 0.0005])


def test_the_curves_of_a_fork_have_no_mark_before_they_begin():
    recipe = Recipe(scheduler=ReduceLROnPlateau(patience=0), train_iter=400, eval_every=100)
    evaluations = [evaluation(100), *(evaluation(step, lr=0.001) for step in (200, 300)), evaluation(400, lr=0.0001)]
    reductions = find_reductions(recipe, evaluations)
    assert [drop.step for drop in reductions] == [100, 300]
    planned = [0.01] * 200
    figure = run_chart(
        evaluations[1:], reductions=reductions, planned_rates=planned, train_iter=400, steps_per_epoch=100.0
    )
    assert trace(figure, "reductions")["x"] == [300]
    assert trace(figure, "followed")["x"][0] == 200


def test_compared_runs_drop_each_after_its_own_evaluation():
    recipe = Recipe(scheduler=ReduceLROnPlateau(patience=0), train_iter=400, eval_every=100)
    early, late = (
        [evaluation(step, lr=0.01 if step <= end else 0.002) for step in (100, 200, 300)] for end in (100, 200)
    )
    alone = trace(compare_chart([Series("one", 0, [run(early, recipe)])]), "lr-0")
    assert dict(zip(alone["x"], alone["y"], strict=True)) == {100: 0.01, 101: 0.002, 200: 0.002, 300: 0.002}
    both = trace(compare_chart([Series("both", 0, [run(early, recipe), run(late, recipe.replace(seed=1))])]), "lr-0")
    drawn = dict(zip(both["x"], both["y"], strict=True))
    assert drawn == pytest.approx({100: 0.01, 101: 0.006, 200: 0.006, 201: 0.002, 300: 0.002})
