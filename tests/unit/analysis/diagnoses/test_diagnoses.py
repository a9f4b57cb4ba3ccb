"""The diagnoses of synthetic histories: each rule fires where it must, at the right step, and nowhere else."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mlpcore.analysis.diagnoses.diagnosis import Symptom
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.wording import (
    FINDINGS,
    RULES,
    describe_finding,
    describe_rule,
    describe_suggestion,
)
from mlpcore.recipes.recipe import SGD, Adam, Change, NoScheduler, Recipe
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.runs.records import Evaluation, Run, RunStatus
from tests.support.histories import FLAT, KINDS, Curve, evaluation, flat_from, healthy, history, only, run, told
from tests.support.present import present
from tests.support.recipes import recipes


def suggested_lr(one: Run) -> float:
    return present(only(one).suggestion).optimizer.lr


def rising_from(start: float) -> Curve:
    return lambda step: 1.0 + max(start - step, 0.0) / start + max(step - start, 0.0) / 2000


def falling(step: float) -> float:
    return 2.2 * math.exp(-step / 600) + 0.01


def zigzag(step: float) -> float:
    return 1.2 if step % 200 else 0.8


def stepwise(step: float) -> float:
    return 0.1 if step <= 1000 else 0.01 if step <= 2000 else 0.001


def revived(step: float) -> float:
    """Nothing is learned at the first rate, and little at the next."""
    return 2.302 + 0.002 * math.sin(step) if step <= 1000 else 2.3 - step / 20_000


def falling_in_steps(step: float) -> float:
    """Slower and slower at each rate, with a fall of 0.3 where the rate drops."""
    return 0.5 + 1.7 * math.exp(-step / 1200) + 0.3 * ((step <= 1000) + (step <= 2000))


SHAPES = {
    "healthy": (history(healthy), [(KINDS.HEALTHY, None)]),
    "healthy with noise": (history(healthy, noise=0.03), [(KINDS.HEALTHY, None)]),
    "a straight line": (history(lambda step: 2.3 - step / 2500), [(KINDS.TOO_LOW, 3000)]),
    "hardly moving": (history(lambda step: 2.302 - step * 1e-6), [(KINDS.TOO_LOW, 3000)]),
    "up and down": (history(zigzag), [(KINDS.TOO_HIGH, None)]),
    "at ln 10": (history(lambda step: math.log(10) + 0.005 * math.sin(step)), [(KINDS.TOO_HIGH, None)]),
    "above ln 10": (history(lambda step: 2.36 + 0.04 * math.sin(step)), [(KINDS.TOO_HIGH, None)]),
    "dead first, then slow": (
        history(revived, rate=stepwise),
        [(KINDS.TOO_HIGH, None), (KINDS.DROP, 1000), (KINDS.DROP, 2000)],
    ),
    "near ln 10, unsteadily": (history(lambda step: 2.18 + 0.05 * math.sin(step)), [(KINDS.TOO_HIGH, None)]),
    "overfitting": (history(falling, rising_from(1200)), [(KINDS.OVERFITTING, 1200)]),
    "overfitting with noise": (history(falling, rising_from(1200), noise=0.01), [(KINDS.OVERFITTING, 1200)]),
    "plateau": (history(flat_from(1500)), [(KINDS.PLATEAU, 1500)]),
    "plateau from the start": (history(lambda _step: 1.0), [(KINDS.PLATEAU, 100)]),
    "both losses rising": (history(lambda step: 1 + step / 3000), [(KINDS.PLATEAU, 100)]),
    "memorised": (history(lambda _step: 0.001, lambda _step: 1.0), [(KINDS.HEALTHY, None)]),
    "a plateau that is short": (history(flat_from(2600)), [(KINDS.HEALTHY, None)]),
    "drops": (
        history(falling_in_steps, rate=stepwise),
        [(KINDS.HEALTHY, None), (KINDS.DROP, 1000), (KINDS.DROP, 2000)],
    ),
    "nothing": ([], [(KINDS.TOO_FEW, None)]),
    "one": (history(healthy, points=1), [(KINDS.TOO_FEW, None)]),
    "four": (history(healthy, points=4), [(KINDS.TOO_FEW, None)]),
    "five": (history(healthy, points=5), [(KINDS.HEALTHY, None)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_rule_fires_where_it_must_and_nowhere_else(name: str) -> None:
    evaluations, expected = SHAPES[name]
    assert told(run(evaluations)) == expected


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.STOPPED])
def test_what_is_read_at_the_end_is_not_read_before(status: RunStatus) -> None:
    line = history(lambda step: 2.3 - step / 2500)[:15]
    assert told(run(line, status=status, step=1500)) == [(KINDS.SO_FAR, None)]


def test_a_start_at_ln_10_is_no_diagnosis_until_a_quarter_of_the_run() -> None:
    stuck = history(lambda step: math.log(10) + 0.005 * math.sin(step))
    running: dict[str, Any] = {"status": RunStatus.RUNNING, "step": 800}
    assert told(run(stuck[:7], **running))[0][0] is not KINDS.TOO_HIGH
    assert told(run(stuck[:8], **running)) == [(KINDS.TOO_HIGH, None)]


def test_guessing_among_two_classes_costs_less_than_among_ten() -> None:
    coin = run(history(lambda step: math.log(2) + 0.005 * math.sin(step)))
    assert told(coin, classes=2) == [(KINDS.TOO_HIGH, None)]
    assert KINDS.TOO_HIGH not in dict(told(coin, classes=10))


def test_random_labels_leave_nothing_to_learn_and_the_rate_is_not_blamed() -> None:
    noisy = FLAT.model_copy(update={"label_noise": 1.0})
    stuck = history(lambda step: math.log(10) + 0.005 * math.sin(step))
    assert not {KINDS.TOO_HIGH, KINDS.TOO_LOW} & dict(told(run(stuck, noisy))).keys()


def test_sigmoids_at_ln_10_are_blamed_rather_than_the_rate() -> None:
    sigmoid = FLAT.model_copy(update={"activation": "sigmoid"})
    diagnosis = only(run(history(lambda step: math.log(10) + 0.005 * math.sin(step)), sigmoid))
    assert diagnosis.kind is KINDS.VANISHING
    assert diagnosis.suggestion == FLAT.model_copy(update={"activation": "relu"})
    assert str(describe_suggestion(diagnosis)) == "Use relu"


@pytest.mark.parametrize(("test_acc", "expected"), [(0.5, "did not fall measurably"), (0.4, "kept 10.0 percentage")])
def test_overfitting_says_what_it_cost(test_acc: float, expected: str) -> None:
    *before, last = history(falling, rising_from(1200))
    said = str(describe_finding(only(run([*before, replace(last, test_acc=test_acc)]))))
    assert "from 0.308 to 0.0248" in said  # the train loss
    assert expected in said


@pytest.mark.parametrize(
    ("test_images", "lost", "is_told"),
    [(10_000, 0.013, False), (10_000, 0.015, True), (200, 0.09, False), (200, 0.11, True)],
)
def test_loss_of_accuracy_that_so_many_test_images_cannot_tell_is_none(
    test_images: int, lost: float, is_told: bool
) -> None:
    *before, last = history(falling, rising_from(1200))
    overfitted = run([*before, replace(last, test_acc=0.5 - lost)])
    (diagnosis,) = diagnose(overfitted, test_images=test_images)
    assert ("optimistic because the test examples chose the step" in str(describe_finding(diagnosis))) == is_told
    assert (f"on {test_images:,} test examples" in str(describe_finding(diagnosis))) == (not is_told)


def test_diverged_run_says_where_and_offers_a_tenth_of_its_rate() -> None:
    diagnosis = only(run(history(healthy)[:3], status=RunStatus.DIVERGED, step=345))
    assert (diagnosis.kind, diagnosis.step) == (KINDS.DIVERGED, 345)
    assert str(describe_finding(diagnosis)).startswith("At step 345 a loss became infinite or not a number:")
    assert present(diagnosis.suggestion).optimizer.lr == 0.001
    assert str(describe_suggestion(diagnosis)) == "Set lr to 0.001"


def test_slow_run_is_offered_a_higher_rate_and_a_stuck_one_a_lower() -> None:
    assert suggested_lr(run(history(lambda step: 2.302 - step * 1e-6))) == 0.1
    assert suggested_lr(run(history(lambda step: 2.3 - step / 2500))) == 0.03
    assert suggested_lr(run(history(zigzag))) == 0.001


def test_no_rate_is_offered_where_none_is_left_or_edits_have_set_it() -> None:
    slow = history(lambda step: 2.302 - step * 1e-6)
    for recipe in (
        Recipe(optimizer=SGD(lr=5.0), scheduler=NoScheduler()),
        Recipe(scheduler=NoScheduler(), changes=(Change(step=10, lr=0.02),)),
    ):
        diagnosis = only(run(slow, recipe))
        assert (diagnosis.kind, diagnosis.suggestion) == (KINDS.TOO_LOW, None)


def test_rule_and_numbers_stand_in_the_sentences() -> None:
    diagnosis = only(run(history(lambda step: 2.3 - step / 2500)))
    assert "still fell from 1.40 to 1.10, which is 25% of its whole fall" in str(describe_finding(diagnosis))
    rule = (
        "brought at least 15% of the fall of the train loss from ln(classes) = 2.30 (a straight line would bring 25%)"
    )
    assert rule in str(describe_rule(diagnosis))


def test_fall_that_a_drop_of_the_rate_brought_is_no_sign_of_a_low_rate() -> None:
    late = history(lambda step: 2.0 if step <= 2300 else 1.2, rate=lambda step: 0.1 if step <= 2300 else 0.01)
    assert KINDS.TOO_LOW not in dict(told(run(late)))
    late = history(lambda step: 2.0 if step <= 2300 else 1.2)
    assert KINDS.TOO_LOW in dict(told(run(late)))


LOSSES = st.floats(0.0, 1e308) | st.floats(0.0, 5.0)
MEASURED = st.fixed_dictionaries(
    {"train_eval_loss": LOSSES, "test_loss": LOSSES, "train_acc": st.floats(0, 1), "test_acc": st.floats(0, 1)}
    | {"lr": st.floats(0.0, 10.0) | st.sampled_from([0.1, 0.01])}
)


@settings(max_examples=300, deadline=None)
@given(
    recipe=recipes(max_iter=2000),
    measured=st.lists(MEASURED, max_size=40),
    status=st.sampled_from(RunStatus),
    classes=st.integers(1, 1000),
)
def test_any_history_has_diagnoses_whose_sentences_format_and_whose_recipes_are_others(
    recipe: Recipe, measured: list[dict[str, float]], status: RunStatus, classes: int
) -> None:
    every = max(recipe.train_iter // 40, 1)
    evaluations = [evaluation(every * (index + 1), **values) for index, values in enumerate(measured)]
    one = run(evaluations, recipe, status=status, step=min(every * len(measured), recipe.train_iter))
    diagnoses = diagnose(one, classes=classes, test_images=10_000)
    assert diagnoses
    for diagnosis in diagnoses:
        text = f"{describe_finding(diagnosis)} {describe_rule(diagnosis)} {describe_suggestion(diagnosis) or ''}"
        assert not {"nan", "inf"} & set(text.replace(",", " ").replace(".", " ").split())
        assert len(text) < 800
        assert (describe_suggestion(diagnosis) is None) == (diagnosis.suggestion is None)
        if diagnosis.suggestion is not None:
            assert Recipe.model_validate(diagnosis.suggestion.model_dump()) == diagnosis.suggestion != recipe


def test_adam_is_offered_a_rate_of_its_own() -> None:
    diagnosis = only(run(history(zigzag), Recipe(optimizer=Adam(lr=0.07), scheduler=NoScheduler())))
    assert present(diagnosis.suggestion).optimizer == Adam(lr=0.007)


def test_every_symptom_has_its_sentence_and_its_rule() -> None:
    assert set(FINDINGS) == set(RULES) == set(Symptom)


START = ((128 / 3) ** 0.5, (64 / 3) ** 0.5, (10 / 3) ** 0.5)  # the norms that torch's initial weights have


def grown(evaluations: list[Evaluation], factor: float) -> Run:
    """A run whose weights end with so many times their initial norm."""
    norms = tuple(factor * norm for norm in START)
    return run([replace(one, weight_norms=norms) for one in evaluations])


STUCK = history(lambda step: math.log(10) + 0.005 * math.sin(step))


@pytest.mark.parametrize(("growth", "kind"), [(1.0, KINDS.TOO_LOW), (1.1, KINDS.TOO_LOW), (1.3, KINDS.TOO_HIGH)])
def test_network_that_learns_nothing_has_too_low_a_rate_if_its_weights_have_not_moved(growth, kind) -> None:
    diagnosis = only(grown(STUCK, growth))
    assert diagnosis.kind is kind
    assert present(diagnosis.suggestion).optimizer.lr == (0.1 if kind is KINDS.TOO_LOW else 0.001)


def test_network_that_lost_what_it_had_learned_had_too_high_a_rate_though_its_weights_shrank() -> None:
    lost = history(lambda step: 2.2 - step / 1500 if step < 1500 else 2.3 + 0.01 * math.sin(step))
    assert "the train loss was 1.27 and is 2.3" in str(describe_finding(only(grown(lost, 0.9))))


@pytest.mark.parametrize(
    ("growth", "kind"), [(0.9, KINDS.HEALTHY), (1.0, KINDS.TOO_LOW), (1.04, KINDS.TOO_LOW), (1.06, KINDS.HEALTHY)]
)
def test_weights_that_end_near_their_start_are_a_sign_of_a_low_rate(growth: float, kind: object) -> None:
    diagnosis = only(grown(history(healthy), growth))
    assert diagnosis.kind is kind
    if kind is KINDS.TOO_LOW:
        assert present(diagnosis.suggestion).optimizer.lr == 0.03
        assert f"a norm of {growth:.2f} times the initial one" in str(describe_finding(diagnosis))


def test_sgd_that_learned_nothing_is_offered_a_hundred_times_its_rate_if_that_stays_moderate() -> None:
    slow = history(lambda step: 2.302 - step * 1e-6)
    for lr, momentum, suggested in ((1e-4, 0.9, 0.01), (1e-3, 0.0, 0.1), (1e-3, 0.9, 0.01), (0.01, 0.0, 0.1)):
        recipe = FLAT.model_copy(update={"optimizer": SGD(lr=lr, momentum=momentum, nesterov=False)})
        assert suggested_lr(run(slow, recipe)) == suggested
    adam = FLAT.model_copy(update={"optimizer": Adam(lr=1e-5)})
    assert suggested_lr(run(slow, adam)) == 1e-4


def test_sigmoids_that_barely_learn_are_blamed_rather_than_the_rate() -> None:
    sigmoid = FLAT.model_copy(update={"activation": "sigmoid"})
    diagnosis = only(run(history(lambda step: 2.302 - step * 1e-5), sigmoid))
    assert (diagnosis.kind, diagnosis.suggestion) == (KINDS.VANISHING, FLAT.model_copy(update={"activation": "relu"}))
    assert "the train loss is 2.27, and guessing costs 2.30." in str(describe_finding(diagnosis))
    assert "above 90% of ln(classes) = 2.30" in str(describe_rule(diagnosis))


def test_late_fall_of_the_train_loss_alone_is_no_sign_of_a_low_rate() -> None:
    assert told(run(history(lambda step: 2.3 - step / 2500, lambda _step: 1.5))) == [(KINDS.HEALTHY, None)]


def test_jumps_of_a_loss_near_zero_mean_nothing() -> None:
    assert KINDS.TOO_HIGH not in dict(told(run(history(lambda step: 0.15 * zigzag(step)))))


def test_rate_that_was_lowered_already_is_not_lowered_again_at_a_plateau() -> None:
    lowered = run(history(lambda _step: 0.8, rate=lambda step: 0.1 if step <= 1000 else 0.01))
    plateau = diagnose(lowered, test_images=10_000)[0]
    assert (plateau.kind, plateau.suggestion) == (KINDS.PLATEAU, None)
    by_itself = replace(lowered, recipe=lowered.recipe.replace(scheduler=ReduceLROnPlateau()))
    assert KINDS.PLATEAU not in dict(told(by_itself))
