"""Which trials are hopeless: Optuna's MedianPruner is the reference; real sweeps stop them, and always the same."""

import random
import time
from collections.abc import Iterator

import optuna
import pytest

from mlpcore.jobs.manager import RunManager
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from mlpcore.sweeps.manager import SweepManager
from mlpcore.sweeps.pruning import find_hopeless_step, list_earlier
from mlpcore.sweeps.samplers import sobol
from mlpcore.sweeps.trials import Trial, TrialResult, write_trial
from tests.support.managers import LONG, ME
from tests.support.present import present
from tests.support.sweeps import define, measured, run_to_end, wait_for_sweep

ENDLESS = LONG.replace(validation_size=8)
SPACE = {"lr": {"low": 1e-4, "high": 1.0}}


@pytest.fixture
def sweeps(manager: RunManager) -> Iterator[SweepManager]:
    sweeps = SweepManager(manager)
    yield sweeps
    sweeps.shutdown()


def curve(*accuracies: float, status: str = "finished") -> TrialResult:
    steps = tuple(range(10, 10 * len(accuracies) + 1, 10))
    return TrialResult((status,), steps, (accuracies,), accuracies[-1:], accuracies[-1:], steps[-1:])


def number(*results: TrialResult) -> list[Trial]:
    return [Trial(at, {"lr": 0.1}, (f"{at}",), False, result) for at, result in enumerate(results)]


class TestRule:
    def test_it_is_optunas_median_rule(self):
        rng = random.Random(0)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruned = 0
        for _ in range(50):
            before = [curve(*(rng.random() for _step in range(4))) for _trial in range(rng.randint(3, 9))]
            own = curve(*(rng.random() for _step in range(4)))
            study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=5))
            for one in before:
                values = dict(zip(one.steps, one.val_curves[0], strict=True))
                study.add_trial(optuna.trial.create_trial(value=one.val_accs[0], intermediate_values=values))
            trial, expected = study.ask(), None
            for step, accuracy in zip(own.steps, own.val_curves[0], strict=True):
                trial.report(accuracy, step)
                if trial.should_prune():
                    expected = step
                    break
            assert find_hopeless_step(own, number(*before)) == expected
            pruned += expected is not None
        assert 10 < pruned < 50

    def test_with_several_seeds_their_mean_counts(self):
        before = number(*[curve(0.5, 0.5)] * 5)
        equal = TrialResult(("running",) * 2, (10, 20), ((0.75, 0.75), (0.25, 0.0)), (), ())
        lower = TrialResult(("running",) * 2, (10, 20), ((0.5, 0.75), (0.25, 0.0)), (), ())
        assert (find_hopeless_step(equal, before), find_hopeless_step(lower, before)) == (None, 10)

    def test_trials_that_did_not_finish_set_no_standard(self):
        before = [curve(0.75)] * 4 + [curve(0.75, status="pruned"), curve(0.75, status="diverged")]
        assert find_hopeless_step(curve(0.25), number(*before)) is None
        assert find_hopeless_step(curve(0.25), number(*before, curve(0.75))) == 10

    def test_a_trial_is_compared_only_with_those_that_cannot_have_been_in_its_batch(self):
        trials = number(*[curve(0.5)] * 40)
        assert [one.number for one in list_earlier(trials[17], trials)] == [0, 1]
        assert list_earlier(trials[15], trials) == []


class TestSweeps:
    def test_the_same_sweep_prunes_the_same_trials_at_the_same_steps(self, sweeps):
        definition = define(space=SPACE, sampler="sobol", trials=32, prune=True)
        first, second = run_to_end(sweeps, definition), run_to_end(sweeps, definition)
        assert measured(first) == measured(second)
        pruned = [trial for trial in first.trials if present(trial.result).status == "pruned"]
        assert pruned
        assert min(trial.number for trial in pruned) >= 20
        for trial in pruned:
            result = present(trial.result)
            assert result.steps[-1] == find_hopeless_step(result, list_earlier(trial, first.trials))

    def test_a_hopeless_trial_is_stopped_long_before_its_end(
        self, sweeps: SweepManager, manager: RunManager, store: RunStore
    ) -> None:
        definition = define(ENDLESS, space=SPACE, sampler="sobol", trials=20, prune=True)
        steps = tuple(range(ENDLESS.eval_every, 50 * ENDLESS.eval_every, ENDLESS.eval_every))
        best = TrialResult(("finished",), steps, ((1.0,) * len(steps),), (1.0,), (1.0,), steps[-1:])
        trials = [Trial(at, dict(point), (f"{at}",), False, best) for at, point in enumerate(sobol(definition))]
        text, now = definition.model_dump_json(), time.time()
        stored = StoredSweep("s", "a sweep", ME, now, SweepStatus.FINISHED, text, tuple(map(write_trial, trials)))
        store.sweeps.create(stored)
        sweeps.extend("s", definition.replace(trials=21), owner=ME)
        last = wait_for_sweep(sweeps, "s").trials[20]
        assert present(last.result).status == "pruned"
        assert present(last.result).steps[-1] in steps
        assert manager.get(last.run_ids[0]).status is RunStatus.STOPPED
