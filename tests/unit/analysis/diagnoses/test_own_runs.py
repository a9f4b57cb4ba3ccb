"""A run beside other runs of the same person, and before and after a change: which did better is said, with numbers."""

from dataclasses import replace

import pytest

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, Symptom
from mlpcore.analysis.diagnoses.own_runs import OwnRun, diagnose_among, find_common_step, find_rivals
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.wording import describe_finding, describe_rule, describe_suggestion
from mlpcore.recipes.recipe import SGD, Adam, Change, Recipe
from mlpcore.runs.records import Run, RunStatus
from tests.support.histories import FLAT, KINDS, evaluation, healthy, history, run
from tests.support.present import present

IMAGES = 10_000


def at_lr(lr: float, **known: object) -> Recipe:
    return FLAT.replace(optimizer=SGD(lr=lr), **known)


def other(recipe: Recipe, accuracy: float, name: str = "other") -> OwnRun:
    return OwnRun(run((), recipe, id=name), accuracy)


def ended(accuracy: float, recipe: Recipe = FLAT) -> Run:
    *before, last = history(healthy)
    return run([*before, replace(last, test_acc=accuracy, train_acc=accuracy)], recipe)


def judge(one: Run, *others: OwnRun) -> tuple[Diagnosis, ...]:
    return diagnose_among(one, others, classes=10, test_images=IMAGES)


def test_better_run_with_another_rate_takes_the_place_of_healthy_and_is_offered() -> None:
    (diagnosis,) = judge(ended(0.35, at_lr(0.03)), other(at_lr(0.001), 0.40))
    assert str(describe_finding(diagnosis)) == (
        "Your run with lr 0.001 instead of lr 0.03 did better: it ended at 40.0%, this one at 35.0% (+5.0 pp)."
    )
    assert (str(describe_suggestion(diagnosis)), diagnosis.suggestion) == ("Use lr 0.001", at_lr(0.001))
    assert "A difference counts from 1.4 pp on, what 10,000 test examples can tell" in str(describe_rule(diagnosis))


@pytest.mark.parametrize(("accuracy", "symptom"), [(0.30, Symptom.OWN_WORSE), (0.355, Symptom.OWN_EQUAL)])
def test_run_that_is_not_beaten_stays_healthy_and_says_what_it_was_compared_with(
    accuracy: float, symptom: Symptom
) -> None:
    found = judge(ended(0.35, at_lr(0.03)), other(at_lr(0.001), accuracy))
    assert [one.kind for one in found] == [KINDS.HEALTHY, KINDS.OWN_RUN]
    assert (found[1].symptom, found[1].suggestion) == (symptom, None)


@pytest.mark.parametrize(
    "recipe",
    [
        at_lr(0.001, dropout=0.2),  # two differences
        at_lr(0.001, dataset="Other"),
        at_lr(0.001, train_iter=6000),
        at_lr(0.03, seed=7),  # none
    ],
)
def test_runs_that_differ_in_more_than_one_thing_or_in_none_are_not_compared(recipe: Recipe) -> None:
    assert find_rivals(ended(0.35, at_lr(0.03)), [other(recipe, 0.9)]) == {}


def test_another_optimizer_with_its_own_default_rate_is_one_difference() -> None:
    adam = FLAT.replace(optimizer=Adam())
    assert list(find_rivals(ended(0.35, FLAT.replace(optimizer=SGD())), [other(adam, 0.4)])) == ["optimizer"]


def test_best_of_the_runs_that_differ_in_the_same_hyperparameter_is_told() -> None:
    others = [other(at_lr(lr), accuracy, str(lr)) for lr, accuracy in ((0.001, 0.40), (0.003, 0.45), (0.1, 0.2))]
    found = judge(ended(0.35, at_lr(0.03)), *others)
    assert [describe_suggestion(one) and str(describe_suggestion(one)) for one in found] == ["Use lr 0.003"]


def test_rate_that_was_tried_without_doing_better_is_not_advised_again() -> None:
    slow = history(lambda step: 2.3 - step / 2500)
    one = run(slow, at_lr(0.01))
    assert [found.kind for found in judge(one)] == [KINDS.TOO_LOW]
    for accuracy, symptom in ((0.45, Symptom.OWN_WORSE), (one.evaluations[-1].test_acc + 0.01, Symptom.OWN_EQUAL)):
        found = judge(one, other(at_lr(0.03), accuracy))
        assert [(each.kind, each.symptom) for each in found] == [(KINDS.OWN_RUN, symptom)]


def test_diverged_run_is_offered_a_rate_at_which_the_same_person_saw_it_learn() -> None:
    diverged = run([], at_lr(10.0), status=RunStatus.DIVERGED, step=3)
    learned, told = judge(diverged, other(at_lr(0.02), 0.4), other(at_lr(1.0), 0.1))
    assert str(describe_finding(learned)) == "Your run with lr 0.02 instead of lr 10 learned: it ended at 40.0%."
    assert learned.suggestion == at_lr(0.02)
    assert (told.kind, told.suggestion) == (KINDS.DIVERGED, None)


@pytest.mark.parametrize(
    ("optimizer", "lr"),
    [(SGD(lr=10.0), 0.01), (SGD(lr=10.0, momentum=0.5), 0.05), (Adam(lr=1.0), 1e-3), (Adam(lr=2e-3), 2e-4)],
)
def test_diverged_run_is_offered_a_rate_that_was_seen_to_learn(optimizer: SGD | Adam, lr: float) -> None:
    diverged = run([], FLAT.model_copy(update={"optimizer": optimizer}), status=RunStatus.DIVERGED, step=3)
    assert present(judge(diverged)[0].suggestion).optimizer.lr == pytest.approx(lr)


def test_run_that_goes_on_is_not_compared() -> None:
    going = replace(ended(0.35, at_lr(0.03)), status=RunStatus.RUNNING)
    assert KINDS.OWN_RUN not in [one.kind for one in judge(going, other(at_lr(0.001), 0.40))]


def test_runs_meet_at_the_last_step_that_both_have() -> None:
    mine = run([evaluation(step, test_acc=0.3) for step in (100, 200, 300)])
    earlier = run([evaluation(step, test_acc=0.2) for step in (200, 400)])
    pair = find_common_step(mine, earlier)
    assert pair is not None
    assert [(one.step, one.test_acc) for one in pair] == [(200, 0.3), (200, 0.2)]
    assert find_common_step(mine, run([evaluation(150)])) is None


class TestChanges:
    @staticmethod
    def changed(accuracies: list[float], *changes: Change, status: RunStatus = RunStatus.RUNNING) -> Run:
        recipe = FLAT.replace(changes=changes)
        steps = range(100, 100 * len(accuracies) + 1, 100)
        loss = [1.5 - accuracy for accuracy in accuracies]
        points = [
            evaluation(step, test_acc=accuracy, train_eval_loss=value, lr=0.01 if step <= 400 else 0.05)
            for step, accuracy, value in zip(steps, accuracies, loss, strict=True)
        ]
        return run(points, recipe, status=status, step=100 * len(accuracies))

    def test_change_that_hurt_says_so_instead_of_no_problem_and_can_be_left_out(self) -> None:
        hurt = self.changed([0.38, 0.39, 0.40, 0.40, 0.21, 0.21], Change(step=400, lr=0.05))
        (diagnosis,) = diagnose(hurt, classes=10, test_images=IMAGES)
        assert str(describe_finding(diagnosis)) == (
            "lr 0.01 → 0.05 at step 400: test accuracy changed by -18.7 pp, and the train loss from 1.1 to 1.29."
        )
        assert (diagnosis.kind, diagnosis.step, diagnosis.suggestion) == (KINDS.CHANGE, 400, FLAT)

    def test_change_that_ended_all_learning_is_blamed_rather_than_the_first_rate(self) -> None:
        stuck = run(
            [
                evaluation(100 * place, test_acc=accuracy, train_eval_loss=loss, lr=0.05 if place > 10 else 0.01)
                for place, (accuracy, loss) in enumerate([(0.4, 1.6)] * 10 + [(0.1, 2.31), (0.1, 2.30)] * 5, 1)
            ],
            FLAT.replace(changes=(Change(step=1000, lr=0.05),)),
            status=RunStatus.STOPPED,
            step=2000,
        )
        assert [one.kind for one in diagnose(stuck, classes=10, test_images=IMAGES)] == [KINDS.CHANGE]

    def test_change_that_helped_is_told_after_the_rest(self) -> None:
        helped = self.changed([0.2, 0.2, 0.2, 0.2, 0.3, 0.3], Change(step=400, lr=0.05))
        found = diagnose(helped, classes=10, test_images=IMAGES)
        assert [one.kind for one in found] == [KINDS.SO_FAR, KINDS.CHANGE]
        assert found[1].suggestion is None

    def test_second_change_is_measured_from_the_first_on_and_told_first(self) -> None:
        changes = Change(step=300, lr=0.05), Change(step=500, lr=0.02, momentum=0.5)
        twice = self.changed([0.4, 0.4, 0.4, 0.2, 0.2, 0.3, 0.3], *changes)
        told = [one for one in diagnose(twice, classes=10, test_images=IMAGES) if one.kind is KINDS.CHANGE]
        assert [one.numbers["setting"] for one in told] == ["lr 0.01 → 0.05", "lr 0.05 → 0.02, momentum 0.9 → 0.5"]
        assert [round(float(one.numbers["gain"]), 1) for one in told] == [-20.0, 10.0]

    def test_changes_without_an_evaluation_between_them_count_as_one(self) -> None:
        passing = tuple(Change(step=400 + place, lr=lr) for place, lr in enumerate((0.02, 0.03, 0.05)))
        hurt = self.changed([0.38, 0.39, 0.40, 0.40, 0.21, 0.21], *passing)
        (diagnosis,) = diagnose(hurt, classes=10, test_images=IMAGES)
        assert (diagnosis.numbers["setting"], diagnosis.step) == ("lr 0.01 → 0.05", 402)
        assert diagnosis.suggestion == FLAT

    def test_lower_rate_set_by_a_person_is_told_once(self) -> None:
        lowered = history(healthy, points=10, rate=lambda step: 0.1 if step <= 1000 else 0.01)
        recipe = at_lr(0.1, changes=(Change(step=1000, lr=0.01),))
        kinds = [one.kind for one in diagnose(run(lowered, recipe), classes=10, test_images=IMAGES)]
        assert (kinds.count(KINDS.CHANGE), kinds.count(KINDS.DROP)) == (1, 0)


def test_loss_that_does_not_fall_is_not_said_to_fall() -> None:
    flat = history(lambda step: 1.0 + 0.0003 * step, lambda _step: 1.0)[:8]
    going = run(flat, status=RunStatus.RUNNING, step=800)
    (found,) = diagnose(going, classes=10, test_images=IMAGES)
    assert found.symptom in (Symptom.NOT_FALLING, Symptom.FLAT_LOSS)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [(1, "1 evaluation so far; advice starts at 5."), (2, "2 evaluations so far; advice starts at 5.")],
)
def test_few_evaluations_are_counted_in_plain_words(count: int, sentence: str) -> None:
    going = run(history(healthy)[:count], status=RunStatus.RUNNING, step=100 * count)
    assert [str(describe_finding(one)) for one in diagnose(going, classes=10, test_images=IMAGES)] == [sentence]
