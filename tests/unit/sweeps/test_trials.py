"""What a trial comes to, by its runs."""

from dataclasses import replace

from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.sweeps.definition import Point
from mlpcore.sweeps.trials import TrialResult, best_trial, come_to_nothing, judge, read_trial, write_trial
from tests.support.managers import SHORT
from tests.support.sweeps import trial


def run(*measured: tuple[int, float, float], status: RunStatus = RunStatus.FINISHED, held_out: int = 500) -> Run:
    """A run with these steps, validation accuracies and test accuracies."""
    evaluations = tuple(
        Evaluation(step, 2.0, 1.9, 0.2, 2.1, test_acc, 0.01, 0.5, val_acc=val_acc)
        for step, val_acc, test_acc in measured
    )
    return Run("a", "a", SHORT.replace(validation_size=held_out), status, 0.0, evaluations=evaluations)


class TestJudging:
    def test_each_run_is_judged_at_the_step_that_its_held_out_images_choose(self):
        first = run((10, 0.25, 0.5), (20, 0.75, 0.25), (30, 0.5, 0.75))
        second = run((10, 0.25, 0.125), (20, 0.125, 0.25), (30, 0.25, 0.5))
        result = judge([first, second])
        assert result == TrialResult(
            statuses=("finished", "finished"),
            steps=(10, 20, 30),
            val_curves=((0.25, 0.75, 0.5), (0.25, 0.125, 0.25)),
            val_accs=(0.75, 0.25),
            test_accs=(0.25, 0.125),
            chosen_steps=(20, 10),
        )
        assert (result.val_acc, result.test_acc, result.step, result.status) == (0.5, 0.1875, 15.0, "finished")

    def test_with_few_held_out_images_each_run_is_judged_at_its_last_step(self):
        result = judge([run((10, 0.75, 0.5), (20, 0.5, 0.25), held_out=499)])
        assert (result.val_acc, result.test_acc, result.step) == (0.5, 0.25, 20.0)

    def test_a_seed_that_diverged_or_failed_leaves_no_accuracy(self):
        good, bad = run((10, 0.5, 0.5)), run((10, 0.5, 0.5), status=RunStatus.DIVERGED)
        result = judge([good, bad])
        assert (result.val_accs, result.val_acc, result.test_acc, result.step) == ((0.5, None), None, None, None)
        assert (result.status, result.is_diverged) == ("diverged", True)
        assert judge([run(status=RunStatus.FAILED), bad]).status == "failed"

    def test_a_stopped_run_counts_as_far_as_it_came(self):
        assert judge([run((10, 0.5, 0.25), status=RunStatus.STOPPED)]).val_acc == 0.5
        assert judge([run(status=RunStatus.STOPPED)]).val_acc is None

    def test_only_steps_that_all_seeds_have_are_kept(self):
        assert judge([run((10, 0.5, 0.5), (20, 0.5, 0.5)), run((10, 0.25, 0.5))]).steps == (10,)

    def test_steps_to_an_accuracy_are_the_mean_over_seeds_that_all_reached_it(self):
        result = judge([run((10, 0.25, 0.5), (20, 0.75, 0.5)), run((10, 0.5, 0.5), (20, 0.5, 0.5))])
        assert (result.steps_to(0.25), result.steps_to(0.5), result.steps_to(0.75)) == (10.0, 15.0, None)
        assert come_to_nothing("refused").steps_to(0.0) is None


def test_the_best_trial_is_the_first_with_the_highest_accuracy():
    trials = [trial(0, {"lr": 0.1}, None), trial(1, {"lr": 0.2}, 0.5), trial(2, {"lr": 0.3}, 0.5)]
    assert best_trial(trials) == trials[1]
    assert best_trial([*trials, replace(trials[1], result=None)]) == trials[1]
    assert best_trial(trials[:1]) is None
    assert [one.score for one in trials] == [0.0, 0.5, 0.5]


def test_a_trial_comes_back_from_the_store_as_it_was():
    point: Point = {"row": 1, "lr": 0.1, "batch_size": 64, "betas": (0.9, 0.99), "nesterov": True, "optimizer": "SGD"}
    for one in (trial(3, point, 0.5, None, is_fresh=True), replace(trial(3, point), result=None)):
        read = read_trial(write_trial(one))
        assert read == one
        assert [type(value) for value in read.point.values()] == [type(value) for value in point.values()]
