"""Signs of too low a rate where the schedule, and not lr, made it too low."""

import pytest

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, Symptom
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.wording import describe_finding, describe_rule, describe_suggestion
from mlpcore.recipes.optimizers import Rprop
from mlpcore.recipes.recipe import (
    AnyScheduler,
    Change,
    CosineAnnealingLR,
    ExponentialLR,
    MultiStepLR,
    NoScheduler,
    OneCycleLR,
    Recipe,
    StepLR,
)
from mlpcore.recipes.schedulers import ConstantLR, LinearLR, ReduceLROnPlateau
from mlpcore.training.schedules import preview_rates
from tests.support.histories import FLAT, Curve, history, run
from tests.support.present import present

COSINE = FLAT.replace(scheduler=CosineAnnealingLR(T_max=3000))


def barely(step: float) -> float:
    return 2.25 - step * 1e-6


def soon_gone(step: float) -> float:
    return 0.01 if step <= 500 else 0.0004


def first(recipe: Recipe, rate: Curve) -> Diagnosis:
    return diagnose(run(history(barely, rate=rate), recipe), test_images=10_000)[0]


def scheduled(scheduler: AnyScheduler) -> Diagnosis:
    """What is said of a run that barely learned at the rates that torch computes for a schedule."""
    recipe = FLAT.replace(scheduler=scheduler)
    rates = [present(rate) for rate in preview_rates(recipe)]
    return first(recipe, lambda step: rates[int(step) - 1])


@pytest.mark.parametrize(
    ("scheduler", "step"),
    [
        (ExponentialLR(gamma=0.99), 300),
        (StepLR(step_size=300, gamma=0.1), 600),
        (MultiStepLR(milestones=(1000, 1400)), 1400),
        (LinearLR(end_factor=0.0, total_iters=1000), 900),
    ],
)
def test_a_schedule_that_soon_leaves_nothing_of_the_rate_is_blamed_for_it(scheduler: AnyScheduler, step: int) -> None:
    found = scheduled(scheduler)
    assert (found.symptom, found.step, found.suggestion) == (Symptom.ENDED_EARLY, step, COSINE)
    assert f"too early: after step {step:,} it was below 5% of its highest value" in str(describe_finding(found))
    assert "for the last 50% of the steps or longer" in str(describe_rule(found))
    assert str(describe_suggestion(found)) == "Use CosineAnnealingLR"


def test_so_are_losses_that_lowered_the_rate_too_soon_and_the_warmup_stays() -> None:
    found = first(FLAT.replace(scheduler=ReduceLROnPlateau(patience=0, warmup_iters=100)), soon_gone)
    assert (found.symptom, found.step) == (Symptom.ENDED_EARLY, 500)
    assert found.suggestion == FLAT.replace(scheduler=CosineAnnealingLR(T_max=2900, warmup_iters=100))


@pytest.mark.parametrize(
    "scheduler",
    [
        NoScheduler(),
        CosineAnnealingLR(T_max=3000),
        OneCycleLR(),
        StepLR(step_size=1000, gamma=0.1),
        MultiStepLR(milestones=(1000,)),
        ConstantLR(factor=0.01, total_iters=2000),
    ],
)
def test_lr_is_blamed_where_the_rate_is_used_for_half_of_the_run_or_at_its_end(scheduler: AnyScheduler) -> None:
    found = scheduled(scheduler)
    assert (found.symptom, present(found.suggestion).optimizer.lr) == (Symptom.BARELY_LEARNING, 0.1)


def test_no_schedule_is_blamed_where_there_is_none_lr_was_changed_or_it_is_read_once() -> None:
    scheduler = StepLR(step_size=300)
    for recipe in (
        FLAT,
        FLAT.replace(scheduler=scheduler, changes=(Change(step=500, lr=0.0004),)),
        FLAT.replace(scheduler=scheduler, optimizer=Rprop(), train_size=64),
    ):
        assert first(recipe, soon_gone).symptom is not Symptom.ENDED_EARLY
