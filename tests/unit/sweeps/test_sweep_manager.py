"""Sweeps that train for real, on a few small images: what is stored, what people may do, and what is the same."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mlpcore.jobs import submission
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.writer import Writer
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Adam
from mlpcore.runs.records import RECORD_BYTES, RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.active import ActiveSweep
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.extension import add_trials
from mlpcore.sweeps.manager import SweepManager
from mlpcore.sweeps.trials import Sweep
from tests.support.managers import LONG, ME, STRANGER, timeless, train_alone, wait_until
from tests.support.present import present
from tests.support.sweeps import BASE, RATES, define, measured, run_to_end, wait_for_sweep

ENDLESS = LONG.replace(validation_size=8)
WIDE: dict[str, Any] = {
    "space": {"optimizer": ["SGD", "Adam"], "lr": {"low": 1e-4, "high": 1.0}, "momentum": {"low": 0.1, "high": 0.9}},
    "trials": 20,
    "seeds": 2,
    "fresh_seeds": 0,
}


@pytest.fixture
def sweeps(manager: RunManager) -> Iterator[SweepManager]:
    sweeps = SweepManager(manager)
    yield sweeps
    sweeps.shutdown()


def start(sweeps: SweepManager, definition: Definition, *, owner: str = ME) -> str:
    """Start a sweep, and wait until its first trials train."""
    sweep_id = sweeps.start(definition, owner=owner, name="a sweep")
    wait_until(lambda: present(sweeps.get(sweep_id)).trials)
    return sweep_id


def look(sweeps: SweepManager, sweep_id: str) -> Sweep:
    return present(sweeps.get(sweep_id))


class TestTraining:
    def test_every_trial_has_the_history_that_its_recipe_has_alone(self, sweeps, manager, images):
        definition = define(seeds=2)
        sweep = run_to_end(sweeps, definition)
        assert sweep.status is SweepStatus.FINISHED
        assert [trial.point for trial in sweep.trials] == [{"lr": rate} for rate in RATES]
        for trial in sweep.trials:
            runs = [manager.get(run_id) for run_id in trial.run_ids]
            assert [run.recipe for run in runs] == [definition.build_recipe(trial.point, seed) for seed in (0, 1)]
            assert [timeless(run.evaluations) for run in runs] == [train_alone(run.recipe, images) for run in runs]
            assert present(trial.result).val_accs == tuple(present(run.latest).val_acc for run in runs)

    def test_its_runs_are_one_submission_and_keep_no_snapshot(self, sweeps, store):
        sweep = run_to_end(sweeps, define(seeds=2, space={"lr": {"points": 10}, "dropout": [0.0, 0.5]}))
        ((*listed,),), count = store.search_submissions(limit=100)
        assert (len(listed), count) == (40, 1)
        assert {one.run.submission for one in listed} == {sweep.id}
        assert [one.run.id for one in listed if store.snapshots.read(one.run.id) is not None] == []

    def test_a_result_is_stored_only_after_the_runs_that_it_is_of(self, sweeps, manager, monkeypatch):
        may_write, write, look_at = threading.Event(), Writer._write_all, ActiveSweep._collect
        looks: list[ActiveSweep] = []
        monkeypatch.setattr(Writer, "_write_all", lambda writer: may_write.wait() and write(writer))

        def look_again(active: ActiveSweep) -> None:
            looks.append(active)
            look_at(active)

        monkeypatch.setattr(ActiveSweep, "_collect", look_again)
        sweep_id = start(sweeps, define())
        wait_until(lambda: manager.list_active() == [])
        looks.clear()
        wait_until(lambda: len(looks) > 1)
        assert [trial.result for trial in look(sweeps, sweep_id).trials] == [None] * len(RATES)
        may_write.set()
        assert wait_for_sweep(sweeps, sweep_id).status is SweepStatus.FINISHED

    def test_a_sweep_is_stored_and_read_as_it_was(self, sweeps, store, manager):
        sweep = run_to_end(sweeps, define(names=["mine"]))
        other = SweepManager(manager, resume_left=False)
        assert other.get(sweep.id) == sweep
        assert other.get("nothing") is None
        assert [stored.id for stored in store.sweeps.list_newest()] == [sweep.id]
        other.shutdown()

    @pytest.mark.parametrize("sampler", ["grid", "sobol", "tpe"])
    def test_the_same_sweep_twice_is_the_same(self, sweeps, sampler):
        definition = define(**(WIDE | {"sampler": sampler}))
        assert measured(run_to_end(sweeps, definition)) == measured(run_to_end(sweeps, definition))

    def test_a_trial_that_diverges_is_a_result(self, sweeps):
        wild = BASE.replace(optimizer=SGD(momentum=0.99), train_iter=2000, eval_every=500)
        sweep = run_to_end(sweeps, define(wild, space={"lr": [0.001, 10.0]}))
        assert [present(trial.result).status for trial in sweep.trials] == ["finished", "diverged"]
        assert present(sweep.trials[1].result).val_acc is None

    def test_values_that_do_not_fit_together_are_refused_and_the_rest_trains(self, sweeps):
        sweep = run_to_end(sweeps, define(space={"momentum": [0.0, 0.9]}, seeds=2))
        assert [(len(trial.run_ids), present(trial.result).status) for trial in sweep.trials] == [
            (0, "refused"),
            (2, "finished"),
        ]
        assert run_to_end(sweeps, define(space={"momentum": [0.0]})).status is SweepStatus.FINISHED

    def test_the_best_of_each_row_is_trained_with_fresh_seeds_by_itself(self, sweeps, store):
        rows = (BASE, BASE.replace(optimizer=Adam()))
        sweep = run_to_end(sweeps, define(*rows, seeds=1, fresh_seeds=3))
        fresh = [trial for trial in sweep.trials if trial.is_fresh]
        own = [trial for trial in sweep.trials if not trial.is_fresh]
        assert len(own) == 6
        for row, one in enumerate(fresh):
            best = max((trial for trial in own if trial.point["row"] == row), key=lambda trial: trial.score)
            assert one.point == best.point
            assert [store.get(run_id).recipe.seed for run_id in one.run_ids] == [1, 2, 3]
        assert [trial.point["row"] for trial in fresh] == [0, 1]


class TestRequests:
    def test_a_paused_sweep_finishes_what_trains_and_draws_no_more(self, sweeps):
        definition = define(BASE.replace(train_iter=300), space={"lr": {"points": 20}})
        sweep_id = start(sweeps, definition)
        sweeps.pause(sweep_id, owner=ME)
        wait_until(lambda: not look(sweeps, sweep_id).waiting)
        paused = look(sweeps, sweep_id)
        assert (paused.status, len(paused.trials)) == (SweepStatus.PAUSED, 16)
        sweeps.resume(sweep_id, owner=ME)
        assert len(wait_for_sweep(sweeps, sweep_id).trials) == 20

    def test_a_stopped_sweep_stops_its_runs_and_keeps_what_they_measured(self, sweeps, manager):
        sweep_id = start(sweeps, define(ENDLESS, space={"lr": [0.001, 0.01]}))
        run_ids = [run_id for trial in look(sweeps, sweep_id).trials for run_id in trial.run_ids]
        wait_until(lambda: all(manager.get(run_id).evaluations for run_id in run_ids))
        sweeps.stop(sweep_id, owner=ME)
        sweep = wait_for_sweep(sweeps, sweep_id)
        assert sweep.status is SweepStatus.STOPPED
        assert [present(trial.result).status for trial in sweep.trials] == ["stopped"] * 2
        assert all(present(trial.result).val_acc is not None for trial in sweep.trials)
        assert {manager.get(run_id).status for run_id in run_ids} == {RunStatus.STOPPED}
        with pytest.raises(SentenceError, match="This sweep is over"):
            sweeps.stop(sweep_id, owner=ME)

    def test_a_wider_grid_trains_only_what_is_new(self, sweeps):
        first = run_to_end(sweeps, define())
        sweeps.extend(first.id, define(space={"lr": [1e-4, *RATES]}), owner=ME)
        wider = wait_for_sweep(sweeps, first.id)
        assert wider.trials[:3] == first.trials
        assert [trial.point for trial in wider.trials[3:]] == [{"lr": 1e-4}]

    @pytest.mark.parametrize("sampler", ["sobol", "tpe"])
    def test_a_sweep_that_is_extended_is_the_longer_one(self, sweeps, sampler):
        short, long = (define(**(WIDE | {"sampler": sampler, "trials": trials, "seeds": 1})) for trials in (18, 35))
        sweep = run_to_end(sweeps, short)
        assert add_trials(sweep, 17) == long
        sweeps.extend(sweep.id, long, owner=ME)
        assert measured(wait_for_sweep(sweeps, sweep.id)) == measured(run_to_end(sweeps, long))

    def test_a_paused_sweep_that_is_extended_stays_paused(self, sweeps):
        sweep_id = start(sweeps, define(ENDLESS, sampler="sobol", trials=2))
        sweeps.pause(sweep_id, owner=ME)
        sweeps.extend(sweep_id, add_trials(look(sweeps, sweep_id), 3), owner=ME)
        assert (look(sweeps, sweep_id).status, look(sweeps, sweep_id).definition.trials) == (SweepStatus.PAUSED, 5)

    def test_a_sweep_that_was_stopped_gets_as_many_more_as_are_asked_for(self, sweeps):
        sweep_id = start(sweeps, define(ENDLESS, sampler="sobol", trials=40))
        sweeps.stop(sweep_id, owner=ME)
        assert add_trials(wait_for_sweep(sweeps, sweep_id), 8).trials == 24

    def test_more_trials_than_a_sweep_may_have_are_refused_in_a_sentence(self, sweeps):
        sweep = run_to_end(sweeps, define(sampler="sobol", trials=2))
        with pytest.raises(SentenceError, match="trials is 1001: it must be a whole number from 1 to 1,000"):
            add_trials(sweep, 999)
        with pytest.raises(SentenceError, match="A grid has a trial at each of its points"):
            add_trials(run_to_end(sweeps, define()), 1)

    def test_a_sweep_is_not_extended_into_another(self, sweeps):
        sweep = run_to_end(sweeps, define())
        for other in (define(seeds=2), define(BASE.replace(batch_size=8)), define(sampler="sobol")):
            with pytest.raises(SentenceError, match="its rows, sampler and seeds must stay"):
                sweeps.extend(sweep.id, other, owner=ME)

    def test_studies_are_not_extended_because_more_trials_would_come_between(self, sweeps):
        studies = define(sampler="sobol", trials=4, studies=2)
        sweep = run_to_end(sweeps, studies)
        with pytest.raises(SentenceError, match="A sweep is extended by trials or by values"):
            sweeps.extend(sweep.id, studies.replace(trials=8), owner=ME)

    def test_only_its_owner_may_ask_anything_of_a_sweep(self, sweeps):
        sweep_id = start(sweeps, define(ENDLESS))
        for ask in (sweeps.pause, sweeps.resume, sweeps.stop):
            with pytest.raises(SentenceError, match="Only the person who started this sweep can do that"):
                ask(sweep_id, owner=STRANGER)
        with pytest.raises(SentenceError, match="Only the person who started"):
            sweeps.extend(sweep_id, define(ENDLESS), owner=STRANGER)
        with pytest.raises(SentenceError, match="Only the person who started"):
            sweeps.stop("nothing", owner=ME)
        assert look(sweeps, sweep_id).status is SweepStatus.RUNNING

    def test_one_person_has_five_sweeps_at_a_time(self, sweeps):
        ids = [sweeps.start(define(ENDLESS, space={"lr": [0.01]}), owner=ME, name="a sweep") for _ in range(5)]
        with pytest.raises(SentenceError, match="5 of your sweeps are going on: wait until one ends, or stop one"):
            sweeps.start(define(), owner=ME, name="a sweep")
        assert run_to_end(sweeps, define(), owner=STRANGER).status is SweepStatus.FINISHED
        for sweep_id in ids[:2]:
            sweeps.stop(sweep_id, owner=ME)
        assert run_to_end(sweeps, define()).status is SweepStatus.FINISHED

    @pytest.mark.parametrize("name", ["", "<b>", "x" * 41])
    def test_a_name_that_no_run_may_have_is_refused(self, sweeps, store, name):
        with pytest.raises(SentenceError, match="it must be 1 to 40 letters"):
            sweeps.start(define(), owner=ME, name=name)
        assert store.sweeps.list_newest() == []

    def test_what_is_refused_is_said_and_tried_again_and_nothing_is_submitted_twice(
        self, sweeps, manager, store, monkeypatch
    ):
        total = manager._budget.total("cpu")
        monkeypatch.setattr(submission, "SHARE_OF_RECORDS", 2 * 4.5 * RECORD_BYTES / total)  # 4 runs per person
        sweep_id = sweeps.start(define(ENDLESS, seeds=2), owner=ME, name="a sweep")
        wait_until(lambda: look(sweeps, sweep_id).problem is not None)
        assert str(look(sweeps, sweep_id).problem).startswith("These are 3 runs, and the queue has room for 1 more")
        assert (look(sweeps, sweep_id).trials, store.count()) == ((), 3)
        monkeypatch.undo()
        wait_until(lambda: look(sweeps, sweep_id).trials)
        assert (look(sweeps, sweep_id).problem, store.count()) == (None, 6)

    def test_a_sweep_that_is_stopped_while_it_is_refused_stops_what_was_accepted(self, sweeps, manager, monkeypatch):
        total = manager._budget.total("cpu")
        monkeypatch.setattr(submission, "SHARE_OF_RECORDS", 2 * 4.5 * RECORD_BYTES / total)
        sweep_id = sweeps.start(define(ENDLESS, seeds=2), owner=ME, name="a sweep")
        wait_until(lambda: look(sweeps, sweep_id).problem is not None)
        sweeps.stop(sweep_id, owner=ME)
        wait_until(lambda: not manager.list_active())
        assert look(sweeps, sweep_id).status is SweepStatus.STOPPED


class TestTakingUp:
    @pytest.mark.parametrize("sampler", ["grid", "sobol", "tpe"])
    def test_a_sweep_that_a_shutdown_interrupted_goes_on_to_the_same_result(self, library, tmp_path, sampler):
        rows = (BASE.replace(train_iter=120, eval_every=40),)
        definition = define(*rows, **(WIDE | {"sampler": sampler}))
        url = f"sqlite:///{tmp_path / 'runs.sqlite3'}"
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            sweeps = SweepManager(manager)
            sweep_id = sweeps.start(definition, owner=ME, name="a sweep")
            wait_until(lambda: look(sweeps, sweep_id).waiting and manager.list_active())
            sweeps.shutdown()
            manager.shutdown()
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            manager = RunManager(store, library)
            sweeps = SweepManager(manager)
            taken_up = wait_for_sweep(sweeps, sweep_id)
            whole = run_to_end(sweeps, definition)
            sweeps.shutdown()
            manager.shutdown()
        assert taken_up.status is SweepStatus.FINISHED
        assert measured(taken_up) == measured(whole)

    def test_runs_that_were_deleted_are_trained_again(self, library, tmp_path):
        url = f"sqlite:///{tmp_path / 'runs.sqlite3'}"
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            sweeps = SweepManager(manager)
            sweep_id = start(sweeps, define(ENDLESS))
            gone = look(sweeps, sweep_id).trials[1].run_ids
            sweeps.shutdown()
            manager.shutdown()
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            store.delete(gone)
            manager = RunManager(store, library)
            sweeps = SweepManager(manager)
            wait_until(lambda: all(run_id not in gone for run_id in look(sweeps, sweep_id).trials[1].run_ids))
            assert look(sweeps, sweep_id).problem is None
            sweeps.shutdown()
            manager.shutdown()

    def test_a_command_leaves_the_sweeps_of_the_server_alone(self, store, library, manager):
        with closing(RunStore(str(store._engine.url))) as other:
            sweeps = SweepManager(RunManager(other, library))
            sweep_id = start(sweeps, define(ENDLESS))
            here = SweepManager(manager, resume_left=False)
            sweeps.shutdown()
            sweeps._runs.shutdown()
            here.shutdown()
        assert store.sweeps.claim_left() == [sweep_id]
