"""The readings of synthetic histories: each rule fires where it must, at the right step, and nowhere else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import recipes

from mlpcore.insight import Reading, ReadingKind, read_history
from mlpcore.mends import find_planned_drops
from mlpcore.recipe import SGD, Adam, Change, Constant, CosineAnnealingLR, MultiStepLR, Recipe, StepLR
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.schedules import find_drops, preview_rates
from mlpcore.trends import Gap, measure_gap

KINDS = ReadingKind
FLAT = Recipe(train_iter=3000, eval_every=100, scheduler=Constant())
Curve = Callable[[float], float]


def evaluation(step: int, **measured: float) -> Evaluation:
    plain = {"train_loss": 1.0, "train_eval_loss": 1.0, "train_acc": 0.5, "test_loss": 1.0, "test_acc": 0.5, "lr": 0.01}
    return Evaluation(step=step, seconds=1.0, **plain | measured)


def run(evaluations: Sequence[Evaluation] = (), recipe: Recipe = FLAT, **known: object) -> Run:
    """A finished run of these evaluations, unless something else is known."""
    known = {"status": RunStatus.FINISHED, "step": recipe.train_iter} | known
    return Run(id="1", name="one", recipe=recipe, created=0.0, evaluations=tuple(evaluations), **known)


def history(
    train: Curve,
    test: Curve | None = None,
    *,
    points: int = 30,
    train_iter: int = 3000,
    noise: float = 0.0,
    rate: Curve = lambda _step: 0.01,
) -> list[Evaluation]:
    """Sample curves of the eval-mode losses at equal distances; the noise is a share of each value."""
    rng = np.random.default_rng(0)
    evaluations = []
    for index in range(1, points + 1):
        step = index * train_iter // points
        losses = [curve(step) * (1 + noise * rng.standard_normal()) for curve in (train, test or train)]
        measured = {
            "train_loss": losses[0] + 0.3,
            "train_eval_loss": losses[0],
            "test_loss": losses[1],
            "lr": rate(step),
        }
        evaluations.append(evaluation(step, **measured))
    return evaluations


def told(one: Run, *, classes: int = 10) -> list[tuple[ReadingKind, int | None]]:
    return [(reading.kind, reading.step) for reading in read_history(one, classes=classes)]


def only(one: Run) -> Reading:
    (reading,) = read_history(one)
    return reading


def healthy(step: float) -> float:
    return 0.6 + 1.7 * math.exp(-step / 700)


def flat_from(start: float, level: float = 0.8) -> Curve:
    return lambda step: level + max(0.0, (start - step) / start) * (2.3 - level)


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


def test_a_start_at_ln_10_is_no_reading_until_a_quarter_of_the_run() -> None:
    stuck = history(lambda step: math.log(10) + 0.005 * math.sin(step))
    running = {"status": RunStatus.RUNNING, "step": 800}
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
    reading = only(run(history(lambda step: math.log(10) + 0.005 * math.sin(step)), sigmoid))
    assert reading.kind is KINDS.VANISHING
    assert reading.suggested == FLAT.model_copy(update={"activation": "relu"})


@pytest.mark.parametrize(("test_acc", "expected"), [(0.5, "The test accuracy has held"), (0.4, "kept 10.0 points")])
def test_overfitting_says_what_it_cost(test_acc: float, expected: str) -> None:
    *before, last = history(falling, rising_from(1200))
    assert expected in str(only(run([*before, replace(last, test_acc=test_acc)])).what)


@pytest.mark.parametrize(
    ("test_images", "lost", "is_told"),
    [(10_000, 0.013, False), (10_000, 0.015, True), (200, 0.09, False), (200, 0.11, True)],
)
def test_loss_of_accuracy_that_so_many_test_images_cannot_tell_is_none(
    test_images: int, lost: float, is_told: bool
) -> None:
    *before, last = history(falling, rising_from(1200))
    overfitted = run([*before, replace(last, test_acc=0.5 - lost)])
    (reading,) = read_history(overfitted, test_images=test_images)
    assert ("optimistic, for the step is read off the test images" in str(reading.what)) == is_told
    assert (f"as far as {test_images:,} test images tell" in str(reading.what)) == (not is_told)


def test_diverged_run_says_where_and_offers_a_tenth_of_its_rate() -> None:
    reading = only(run(history(healthy)[:3], status=RunStatus.DIVERGED, step=345))
    assert (reading.kind, reading.step) == (KINDS.DIVERGED, 345)
    assert str(reading.what).startswith("The run diverged at step 345:")
    assert reading.suggested.optimizer.lr == 0.001
    assert str(reading.mend) == "Set lr to 0.001"


def test_slow_run_is_offered_a_higher_rate_and_a_stuck_one_a_lower() -> None:
    assert only(run(history(lambda step: 2.302 - step * 1e-6))).suggested.optimizer.lr == 0.1
    assert only(run(history(lambda step: 2.3 - step / 2500))).suggested.optimizer.lr == 0.03
    assert only(run(history(zigzag))).suggested.optimizer.lr == 0.001


def test_no_rate_is_offered_where_none_is_left_or_edits_have_set_it() -> None:
    slow = history(lambda step: 2.302 - step * 1e-6)
    for recipe in (
        Recipe(optimizer=SGD(lr=5.0), scheduler=Constant()),
        Recipe(scheduler=Constant(), changes=(Change(step=10, lr=0.02),)),
    ):
        reading = only(run(slow, recipe))
        assert (reading.kind, reading.mend, reading.suggested) == (KINDS.TOO_LOW, None, None)


def test_rule_and_numbers_stand_in_the_sentences() -> None:
    reading = only(run(history(lambda step: 2.3 - step / 2500)))
    assert "still fell from 1.40 to 1.10, 25% of its whole fall" in str(reading.what)
    assert "holds 15% or more of the fall of the train loss from ln(classes) = 2.30 (a straight line: 25%)" in str(
        reading.rule
    )


def test_fall_that_a_drop_of_the_rate_brought_is_no_sign_of_a_low_rate() -> None:
    late = history(lambda step: 2.0 if step <= 2300 else 1.2, rate=lambda step: 0.1 if step <= 2300 else 0.01)
    assert KINDS.TOO_LOW not in dict(told(run(late)))
    late = history(lambda step: 2.0 if step <= 2300 else 1.2)
    assert KINDS.TOO_LOW in dict(told(run(late)))


class TestPlateau:
    @pytest.mark.parametrize("points", [15, 30, 300, 5000])
    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_it_is_found_within_a_tenth_of_the_run_however_often_one_looks(self, points: int, noise: float) -> None:
        evaluations = history(flat_from(6000), points=points, train_iter=15_000, noise=noise)
        recipe = Recipe(train_iter=15_000, eval_every=15_000 // points, scheduler=Constant())
        ((kind, step),) = told(run(evaluations, recipe))
        assert kind is KINDS.PLATEAU
        assert abs(step - 6000) <= 1500

    @pytest.mark.parametrize(
        ("scheduler", "milestones", "gamma"),
        [
            (Constant(), (1500,), 0.1),
            (MultiStepLR(milestones=(500, 2500), gamma=0.2), (500, 1500), 0.2),
            (StepLR(step_size=700, gamma=0.5), (700, 1400, 1500), 0.5),
            (StepLR(step_size=700, gamma=1.0), (1500,), 0.1),
            (CosineAnnealingLR(T_max=1_000_000), (1500,), 0.1),
            (Constant(warmup_iters=200), (1300,), 0.1),
        ],
    )
    def test_suggestion_lowers_the_rate_there_and_keeps_what_came_before(
        self, scheduler: Constant, milestones: tuple[int, ...], gamma: float
    ) -> None:
        recipe = Recipe(scheduler=scheduler)
        reading = only(run(history(flat_from(1500)), recipe))
        assert reading.suggested.scheduler == MultiStepLR(
            milestones=milestones, gamma=gamma, warmup_iters=scheduler.warmup_iters
        )
        assert reading.suggested.model_copy(update={"scheduler": scheduler}) == recipe
        assert str(reading.mend) == "Lower the rate at step 1,500"

    def test_none_is_suggested_where_no_milestone_fits(self) -> None:
        for scheduler in (StepLR(step_size=50, gamma=0.5), Constant(warmup_iters=2000)):
            reading = only(run(history(flat_from(1500)), Recipe(scheduler=scheduler)))
            assert (reading.kind, reading.mend, reading.suggested) == (KINDS.PLATEAU, None, None)

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
        (drop,) = [reading for reading in read_history(run(evaluations)) if reading.kind is KINDS.DROP]
        assert str(drop.what) == (
            "Drop of the rate to 0.01 between steps 400 and 500: train loss from 0.9 to 0.4, test accuracy +10.0 "
            "points."
        )

    @pytest.mark.parametrize(
        ("knobs", "place", "said"),
        [
            ({"scheduler": MultiStepLR(milestones=(1000,))}, 1000, "at step 1,000:"),
            ({"scheduler": StepLR(step_size=800, warmup_iters=200)}, 1000, "at step 1,000:"),
            ({"scheduler": Constant(), "changes": (Change(step=1000, lr=0.01),)}, 1000, "at step 1,000:"),
            ({"scheduler": Constant()}, 900, "between steps 900 and 1,200:"),  # from elsewhere: who knows
            ({"scheduler": MultiStepLR(milestones=(1000, 1100))}, 900, "between steps 900 and 1,200:"),
        ],
    )
    def test_it_is_where_the_recipe_lowers_the_rate_or_between_two_evaluations(
        self, knobs: dict[str, object], place: int, said: str
    ) -> None:
        evaluations = history(healthy, points=10, rate=lambda step: 0.1 if step <= 1000 else 0.01)
        readings = read_history(run(evaluations, Recipe(train_iter=3000, eval_every=300, **knobs)))
        (drop,) = [reading for reading in readings if reading.kind is KINDS.DROP]
        assert f"Drop of the rate to 0.01 {said}" in str(drop.what)
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


class TestGap:
    def test_without_evaluations_there_is_none(self) -> None:
        assert measure_gap(()) is None

    def test_it_is_that_of_the_end_and_the_best_step_is_the_first_of_the_highest(self) -> None:
        evaluations = [
            evaluation(100, test_acc=0.25),
            evaluation(200, test_acc=0.5),
            evaluation(300, test_acc=0.5),
            evaluation(400, test_acc=0.375, train_acc=0.875, test_loss=2.5, train_eval_loss=0.25),
        ]
        assert measure_gap(evaluations) == Gap(best_step=200, final_test_acc=0.375, kept=12.5, acc_gap=50.0)

    def test_a_run_that_ends_at_its_best_has_lost_nothing(self) -> None:
        gap = measure_gap([evaluation(100, test_acc=0.25), evaluation(200, test_acc=0.5)])
        assert (gap.best_step, gap.kept) == (200, pytest.approx(0.0))


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
def test_any_history_has_readings_whose_sentences_format_and_whose_recipes_are_others(
    recipe: Recipe, measured: list[dict[str, float]], status: RunStatus, classes: int
) -> None:
    every = max(recipe.train_iter // 40, 1)
    evaluations = [evaluation(every * (index + 1), **values) for index, values in enumerate(measured)]
    one = run(evaluations, recipe, status=status, step=min(every * len(measured), recipe.train_iter))
    readings = read_history(one, classes=classes)
    assert readings
    for reading in readings:
        text = f"{reading.what} {reading.rule} {reading.mend or ''}"
        assert not {"nan", "inf"} & set(text.replace(",", " ").replace(".", " ").split())
        assert len(text) < 800
        assert (reading.mend is None) == (reading.suggested is None)
        if reading.suggested is not None:
            assert Recipe.model_validate(reading.suggested.model_dump()) == reading.suggested != recipe


def test_adam_is_offered_a_rate_of_its_own() -> None:
    reading = only(run(history(zigzag), Recipe(optimizer=Adam(lr=0.07), scheduler=Constant())))
    assert reading.suggested.optimizer == Adam(lr=0.007)
