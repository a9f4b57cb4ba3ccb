"""What ticks sends no more than a size that is stated, however long a run goes on."""

import json
import random

import pytest

from mlpcore.charts.compare import Series, compare_chart
from mlpcore.charts.run import path_chart, run_chart
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

EVERY = 20  # iterations between two evaluations
ONE_RUN, ONE_ROW = 70_000, 65_000  # bytes


def draw_history(count: int) -> tuple[Evaluation, ...]:
    """Evaluations of pure noise, the curves that thinning can do least about."""
    draw = random.Random(0).random
    return tuple(
        Evaluation(EVERY * number, draw(), draw(), draw(), draw(), draw(), draw(), 0.1 * number, (draw(),) * 3)
        for number in range(1, count + 1)
    )


def measure(*figures: dict) -> int:
    return sum(len(json.dumps(figure, separators=(",", ":"))) for figure in figures)


@pytest.mark.parametrize("count", [499, 500, 501, 1_000, 10_000])
def test_a_run_s_curves_and_path_stay_below_70_kb(count: int) -> None:
    evaluations, iterations = draw_history(count), EVERY * count
    rates = [random.Random(step).random() for step in range(iterations)]
    curves = run_chart(evaluations, planned_rates=rates, train_iter=iterations, steps_per_epoch=781.25, smoothing=0.9)
    assert 10_000 < measure(curves, path_chart(evaluations, train_iter=iterations)) < ONE_RUN


@pytest.mark.parametrize(("rows", "seeds"), [(4, 1), (16, 5)])
@pytest.mark.parametrize("count", [500, 1_000])
def test_a_comparison_stays_below_65_kb_a_row(rows: int, seeds: int, count: int) -> None:
    evaluations = draw_history(count)
    runs = [
        Run(f"r{seed}", "a run", Recipe(), RunStatus.RUNNING, created=1e9, step=EVERY * count, evaluations=evaluations)
        for seed in range(seeds)
    ]
    figure = compare_chart([Series(f"row {place}", place, runs) for place in range(rows)])
    assert 10_000 * rows < measure(figure) < ONE_ROW * rows
