"""Where a history lies flat, what each drop of its rate brought, and the gap that it ends with."""

import math
from typing import Any

import pytest

from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.schedule_checks import find_drops
from mlpcore.analysis.diagnoses.suggestions import find_planned_drops
from mlpcore.analysis.diagnoses.trends import Gap, Losses, falls_steadily, measure_gap, measure_late_fall
from mlpcore.analysis.diagnoses.wording import describe_finding, describe_suggestion
from mlpcore.recipes.recipe import Change, CosineAnnealingLR, MultiStepLR, NoScheduler, Recipe, StepLR
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.training.schedules import preview_rates
from tests.support.histories import KINDS, evaluation, flat_from, healthy, history, only, run, told
from tests.support.present import present


class TestPlateau:
    @pytest.mark.parametrize("points", [15, 30, 300, 5000])
    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_it_is_found_within_a_tenth_of_the_run_however_often_one_looks(self, points: int, noise: float) -> None:
        evaluations = history(flat_from(6000), points=points, train_iter=15_000, noise=noise)
        recipe = Recipe(train_iter=15_000, eval_every=15_000 // points, scheduler=NoScheduler())
        ((kind, step),) = told(run(evaluations, recipe))
        assert kind is KINDS.PLATEAU
        assert abs(present(step) - 6000) <= 1500

    @pytest.mark.parametrize(
        ("scheduler", "milestones", "gamma"),
        [
            (NoScheduler(), (1500,), 0.1),
            (MultiStepLR(milestones=(500, 2500), gamma=0.2), (500, 1500), 0.2),
            (StepLR(step_size=700, gamma=0.5), (700, 1400, 1500), 0.5),
            (StepLR(step_size=700, gamma=1.0), (1500,), 0.1),
            (CosineAnnealingLR(T_max=1_000_000), (1500,), 0.1),
            (NoScheduler(warmup_iters=200), (1300,), 0.1),
        ],
    )
    def test_suggestion_lowers_the_rate_there_and_keeps_what_came_before(
        self, scheduler: NoScheduler, milestones: tuple[int, ...], gamma: float
    ) -> None:
        recipe = Recipe(scheduler=scheduler)
        diagnosis = only(run(history(flat_from(1500)), recipe))
        suggestion = present(diagnosis.suggestion)
        assert suggestion.scheduler == MultiStepLR(
            milestones=milestones, gamma=gamma, warmup_iters=scheduler.warmup_iters
        )
        assert suggestion.model_copy(update={"scheduler": scheduler}) == recipe
        assert str(describe_suggestion(diagnosis)) == "Lower the rate at step 1,500"

    def test_none_is_suggested_where_no_milestone_fits(self) -> None:
        for scheduler in (StepLR(step_size=50, gamma=0.5), NoScheduler(warmup_iters=2000)):
            diagnosis = only(run(history(flat_from(1500)), Recipe(scheduler=scheduler)))
            assert (diagnosis.kind, diagnosis.suggestion) == (KINDS.PLATEAU, None)

    def test_five_evaluations_are_enough(self) -> None:
        assert told(run(history(lambda _step: 0.8, points=5))) == [(KINDS.PLATEAU, 600)]

    def test_it_begins_after_the_last_drop_of_the_rate(self) -> None:
        lowered = history(lambda _step: 0.8, rate=lambda step: 0.1 if step <= 1000 else 0.01)
        assert told(run(lowered)) == [(KINDS.PLATEAU, 1100), (KINDS.DROP, 1000)]

    def test_curve_of_a_rate_that_is_being_lowered_has_none(self) -> None:
        cosine = history(lambda _step: 0.8, rate=lambda step: 0.005 * (1 + math.cos(math.pi * step / 3000)) + 1e-9)
        assert told(run(cosine)) == [(KINDS.HEALTHY, None)]


class TestDrops:
    def test_gain_is_that_of_three_evaluations_on_each_side(self) -> None:
        rates = [0.1] * 4 + [0.01] * 4
        losses = [9.0, 1.0, 0.9, 0.8, 0.5, 0.4, 0.3, 0.3]
        accuracies = [0.0, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.9]
        rows = zip(rates, losses, accuracies, strict=True)
        evaluations = [
            evaluation(100 * index, lr=lr, train_eval_loss=loss, test_acc=accuracy)
            for index, (lr, loss, accuracy) in enumerate(rows, 1)
        ]
        (drop,) = [
            diagnosis for diagnosis in diagnose(run(evaluations), test_images=10_000) if diagnosis.kind is KINDS.DROP
        ]
        assert str(describe_finding(drop)) == (
            "The rate drops to 0.01 between steps 400 and 500: the train loss goes from 0.9 to 0.4, and test accuracy "
            "changes by +10.0 percentage points."
        )

    @pytest.mark.parametrize(
        ("knobs", "place", "said"),
        [
            ({"scheduler": MultiStepLR(milestones=(1000,))}, 1000, "at step 1,000:"),
            ({"scheduler": StepLR(step_size=800, warmup_iters=200)}, 1000, "at step 1,000:"),
            ({"scheduler": ReduceLROnPlateau()}, 900, "at step 900:"),  # right after the evaluation
            ({"scheduler": NoScheduler()}, 900, "between steps 900 and 1,200:"),  # from elsewhere: who knows
            ({"scheduler": MultiStepLR(milestones=(1000, 1100))}, 900, "between steps 900 and 1,200:"),
        ],
    )
    def test_it_is_where_the_recipe_lowers_the_rate_or_between_two_evaluations(
        self, knobs: dict[str, Any], place: int, said: str
    ) -> None:
        evaluations = history(healthy, points=10, rate=lambda step: 0.1 if step <= 1000 else 0.01)
        diagnoses = diagnose(run(evaluations, Recipe(train_iter=3000, eval_every=300, **knobs)), test_images=10_000)
        (drop,) = [diagnosis for diagnosis in diagnoses if diagnosis.kind is KINDS.DROP]
        assert f"The rate drops to 0.01 {said}" in str(describe_finding(drop))
        assert drop.step == place

    @pytest.mark.parametrize(
        "scheduler",
        [
            StepLR(step_size=70, gamma=0.5),
            StepLR(step_size=70, gamma=0.5, warmup_iters=33),
            MultiStepLR(milestones=(50, 120, 299), gamma=0.5),
            MultiStepLR(milestones=(50, 120), gamma=0.5, warmup_iters=33),
        ],
    )
    def test_planned_drops_are_those_of_torchs_scheduler(self, scheduler: StepLR | MultiStepLR) -> None:
        recipe = Recipe(train_iter=300, scheduler=scheduler, changes=(Change(step=100, lr=1e-3),))
        drops = [step - 1 for step in find_drops(preview_rates(recipe))]
        assert find_planned_drops(recipe, 0, 300) == drops
        assert find_planned_drops(recipe, drops[1], drops[-1]) == drops[1:-1]

    def test_five_are_told(self) -> None:
        many = history(healthy, points=100, rate=lambda step: 0.1 * 0.5 ** (step // 301))
        assert [step for kind, step in told(run(many)) if kind is KINDS.DROP] == [300, 600, 900, 1200, 1500]


@pytest.mark.parametrize(
    ("losses", "is_steady"),
    [
        ([2.0, 1.8, 1.7, 1.5, 1.4], True),
        ([2.0, 1.5, 1.8, 1.3, 1.6, 1.1], False),  # up and down
        ([1.0, 2.0, *[1.9 - 0.02 * place for place in range(20)]], False),  # ends above where it began
        ([2.0, 2.0, 2.0], False),
    ],
)
def test_a_loss_falls_steadily_if_it_hardly_ever_rises_and_ends_lower(losses: list[float], is_steady: bool) -> None:
    evaluations = [evaluation(step, train_eval_loss=loss) for step, loss in enumerate(losses, 1)]
    assert falls_steadily(Losses(evaluations)) is is_steady


class TestGap:
    def test_it_is_that_of_the_end_and_the_best_step_is_the_first_of_the_highest(self) -> None:
        evaluations = [
            evaluation(100, test_acc=0.25),
            evaluation(200, test_acc=0.5),
            evaluation(300, test_acc=0.5),
            evaluation(400, test_acc=0.375, train_acc=0.875, test_loss=2.5, train_eval_loss=0.25),
        ]
        assert measure_gap(evaluations) == Gap(
            best_step=200, test_acc=0.375, early_stop_gain=12.5, train_over_test=50.0
        )

    def test_a_run_that_ends_at_its_best_has_lost_nothing(self) -> None:
        gap = measure_gap([evaluation(100, test_acc=0.25), evaluation(200, test_acc=0.5)])
        assert (gap.best_step, gap.early_stop_gain) == (200, pytest.approx(0.0))


def test_a_cycle_of_the_rate_that_ends_where_it_began_is_no_unchanged_rate() -> None:
    cycling = history(lambda step: 2.3 - step / 2500, rate=lambda step: 0.1 if step % 750 else 0.001)
    assert not measure_late_fall(Losses(cycling), start=2.3).has_same_rate
    assert measure_late_fall(Losses(history(healthy)), start=2.3).has_same_rate
