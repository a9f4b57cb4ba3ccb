"""The manager with its real thread, a real store on disk and a real folder of images."""
# ruff: noqa: F811  a fixture is an argument of the name that is imported

import errno
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from managing import (  # noqa: F401  fixtures are used by their names
    LONG,
    ME,
    SHORT,
    STRANGER,
    home,
    images,
    library,
    manager,
    store,
    submit,
    timeless,
    train_alone,
    vary,
    wait_for_end,
    wait_for_evaluations,
    wait_until,
)
from pydantic import ValidationError

from mlpcore import manager as manager_module
from mlpcore.batches import DeviceImages
from mlpcore.cohort import Offers
from mlpcore.device import list_devices
from mlpcore.library import ImageLibrary
from mlpcore.manager import MAX_QUEUED, RunManager
from mlpcore.members import Group, Member, Roster
from mlpcore.messages import SentenceError
from mlpcore.recipe import SGD, Adam, Change, CosineAnnealingLR, Recipe, RMSprop, StepLR
from mlpcore.rounds import train_on
from mlpcore.runs import Run, RunStatus
from mlpcore.store import RunStore


@pytest.fixture
def lone_manager(store, home) -> Iterator[RunManager]:
    """One that trains a single cohort at a time."""
    manager = RunManager(store, ImageLibrary(lambda: home), max_active=1)
    yield manager
    manager.shutdown()


class TestLife:
    def test_a_submitted_run_finishes_with_its_evaluations_stored(self, manager, images):
        (run_id,) = submit(manager, SHORT)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert (run.step, run.device, run.message, run.traceback) == (30, "cpu", None, "")
        assert (run.recipe, run.name, run.owner) == (SHORT, "a run", ME)
        assert run.versions["torch"] == torch.__version__
        assert [evaluation.step for evaluation in run.evaluations] == [10, 20, 30]
        assert timeless(run.evaluations) == train_alone(SHORT, images)
        wait_until(lambda: manager.list_active() == [])
        assert manager.get(run_id) == run

    def test_a_run_that_goes_on_is_listed_and_its_record_is_never_changed(self, manager):
        (run_id,) = submit(manager, LONG)
        first = wait_for_evaluations(manager, run_id, 1)
        kept = replace(first)
        later = wait_for_evaluations(manager, run_id, 2)
        assert first == kept
        assert later.evaluations[: len(first.evaluations)] == first.evaluations
        assert [run.id for run in manager.list_active()] == [run_id]
        wait_until(lambda: manager.pace(run_id) > 0)

    def test_what_was_measured_is_soon_on_disk_while_the_run_goes_on(self, manager, store):
        (run_id,) = submit(manager, LONG)
        measured = wait_for_evaluations(manager, run_id, 1)
        wait_until(lambda: len(store.get(run_id).evaluations) >= len(measured.evaluations), timeout=5)
        assert store.get(run_id).status is RunStatus.RUNNING

    def test_runs_of_one_cohort_and_of_others_all_have_the_history_they_have_alone(self, manager, images):
        recipes = [
            vary(SHORT, optimizer=Adam()),
            vary(SHORT, seed=3, train_iter=17, scheduler=CosineAnnealingLR(T_max=17)),
            vary(SHORT, hidden_sizes=(13, 5), dropout=0.0),
            vary(SHORT, batch_size=7, label_noise=0.5, train_size=20),
        ]
        for recipe, run in zip(recipes, wait_for_end(manager, *submit(manager, *recipes)), strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_more_cohorts_than_train_at_a_time_wait_and_all_finish(self, lone_manager):
        (first,) = submit(lone_manager, LONG)
        others = [submit(lone_manager, vary(SHORT, seed=seed))[0] for seed in range(4)]
        wait_for_evaluations(lone_manager, first, 2)
        assert [lone_manager.get(run_id).status for run_id in others] == [RunStatus.QUEUED] * 4
        assert [lone_manager.get(run_id).step for run_id in others] == [0] * 4
        lone_manager.stop(first, owner=ME)
        assert [run.status for run in wait_for_end(lone_manager, *others)] == [RunStatus.FINISHED] * 4

    def test_cohorts_take_turns(self, manager):
        ids = [submit(manager, vary(LONG, seed=seed))[0] for seed in range(3)]
        wait_until(lambda: all(manager.get(run_id).evaluations for run_id in ids))
        assert [manager.get(run_id).status for run_id in ids] == [RunStatus.RUNNING] * 3

    def test_a_run_of_a_dead_process_cannot_be_confused_with_one_that_goes_on(self, manager, store):
        (run_id,) = submit(manager, LONG)
        assert store.mark_interrupted() == []
        assert not manager.get(run_id).status.is_over

    def test_too_many_runs_are_refused_and_none_of_them_is_stored(self, manager, store):
        with pytest.raises(SentenceError, match=r"^200 runs are waiting already: try again when some are over\.$"):
            submit(manager, *[SHORT] * (MAX_QUEUED + 1))
        assert store.count() == 0


class TestPause:
    def test_a_paused_run_stands_still_until_it_is_resumed(self, manager, images):
        (run_id,) = submit(manager, vary(LONG, train_iter=1000))
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        assert manager.get(run_id).status is RunStatus.PAUSED
        (other,) = submit(manager, SHORT)
        wait_for_end(manager, other)  # the slice that was going on is over by then
        stopped_at = manager.get(run_id)
        wait_for_end(manager, submit(manager, vary(SHORT, train_iter=300))[0])
        assert manager.get(run_id).step == stopped_at.step < 1000
        assert manager.get(run_id).seconds == stopped_at.seconds
        manager.resume(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert timeless(run.evaluations) == train_alone(run.recipe, images)

    def test_pausing_shows_in_the_store(self, manager, store):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        wait_until(lambda: store.get(run_id).status is RunStatus.PAUSED)

    def test_a_run_paused_before_it_began_begins_when_it_is_resumed(self, lone_manager):
        (first,) = submit(lone_manager, LONG)
        (second,) = submit(lone_manager, SHORT)
        lone_manager.pause(second, owner=ME)
        lone_manager.stop(first, owner=ME)
        wait_for_end(lone_manager, first)
        assert lone_manager.get(second).step == 0
        lone_manager.resume(second, owner=ME)
        assert wait_for_end(lone_manager, second)[0].status is RunStatus.FINISHED

    def test_a_paused_run_can_be_stopped(self, manager):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        manager.pause(run_id, owner=ME)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.STOPPED
        assert run.evaluations


class TestStop:
    def test_a_stopped_run_keeps_its_evaluations(self, manager, images):
        (run_id,) = submit(manager, LONG)
        measured = wait_for_evaluations(manager, run_id, 2)
        manager.stop(run_id, owner=ME)
        (run,) = wait_for_end(manager, run_id)
        assert (run.status, run.message) == (RunStatus.STOPPED, None)
        assert run.evaluations[:2] == measured.evaluations[:2]
        assert timeless(run.evaluations) == train_alone(LONG, images, until=run.step)

    def test_a_run_that_waits_is_stopped_without_having_begun(self, lone_manager):
        submit(lone_manager, LONG)
        (second,) = submit(lone_manager, SHORT)
        lone_manager.stop(second, owner=ME)
        (run,) = wait_for_end(lone_manager, second)
        assert (run.status, run.step, run.evaluations) == (RunStatus.STOPPED, 0, ())

    def test_stopping_one_of_a_cohort_that_waits_leaves_the_others_their_whole_history(self, lone_manager, images):
        (first,) = submit(lone_manager, LONG)
        recipes = [vary(SHORT, seed=seed) for seed in range(3)]
        waiting = submit(lone_manager, *recipes)
        lone_manager.stop(waiting[0], owner=ME)
        wait_for_end(lone_manager, waiting[0])
        lone_manager.stop(first, owner=ME)
        for recipe, run in zip(recipes[1:], wait_for_end(lone_manager, *waiting[1:]), strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_stopping_one_of_a_cohort_leaves_the_others_their_whole_history(self, manager, images):
        recipes = [vary(LONG, seed=seed, train_iter=1000) for seed in (2, 0, 1)]
        ids = submit(manager, *recipes)
        wait_for_evaluations(manager, ids[0], 1)
        manager.stop(ids[0], owner=ME)
        stopped, *others = wait_for_end(manager, *ids)
        assert stopped.status is RunStatus.STOPPED
        for recipe, run in zip(recipes[1:], others, strict=True):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(recipe, images)

    def test_only_its_owner_stops_pauses_or_changes_a_run(self, manager):
        (run_id,) = submit(manager, LONG)
        for ask in (manager.stop, manager.pause, manager.resume, lambda *a, **k: manager.change(*a, lr=0.1, **k)):
            with pytest.raises(SentenceError, match=r"^Only the person who started this run can do that\.$"):
                ask(run_id, owner=STRANGER)
        wait_for_evaluations(manager, run_id, 1)
        assert manager.get(run_id).status is RunStatus.RUNNING
        assert manager.get(run_id).recipe == LONG

    @pytest.mark.parametrize("run_id", ["unknown", None])
    def test_a_run_that_is_over_takes_nothing_any_more(self, manager, run_id):
        run_id = run_id or wait_for_end(manager, *submit(manager, SHORT))[0].id
        for ask in (manager.stop, manager.pause, manager.resume, lambda *a, **k: manager.change(*a, lr=0.1, **k)):
            with pytest.raises(SentenceError, match=r"^This run is over already\.$"):
                ask(run_id, owner=ME)


class TestChange:
    @pytest.mark.parametrize(
        "knobs",
        [
            {"optimizer": SGD(lr=0.01)},
            {"optimizer": RMSprop(lr=1e-3, momentum=0.0), "scheduler": StepLR(step_size=70, warmup_iters=30)},
        ],
        ids=["SGD", "RMSprop"],
    )
    def test_a_run_edited_while_it_went_on_is_its_recipe_trained_again_bit_for_bit(self, knobs, manager, images):
        recipes = [vary(LONG, seed=seed, **knobs) for seed in (1, 0)]
        edited, untouched = submit(manager, *recipes)
        manager.change(edited, owner=ME, weight_decay=0.01)  # perhaps before its first iteration
        wait_for_evaluations(manager, edited, 2)
        manager.change(edited, owner=ME, lr=0.002)
        manager.change(edited, owner=ME, momentum=0.7)  # at once: most often the same iteration
        wait_for_evaluations(manager, edited, 2)
        manager.pause(edited, owner=ME)
        manager.change(edited, owner=ME, lr=0.005)
        wait_until(lambda: manager.get(edited).recipe.changes[-1].lr == 0.005)
        manager.resume(edited, owner=ME)
        wait_for_evaluations(manager, edited, 3)
        manager.stop(edited, owner=ME)
        manager.stop(untouched, owner=ME)
        run, other = wait_for_end(manager, edited, untouched)

        assert run.recipe.changes
        assert {knob for change in run.recipe.changes for knob in change.values} == {"lr", "momentum", "weight_decay"}
        assert run.recipe == vary(recipes[0], changes=run.recipe.changes)
        assert timeless(run.evaluations) == train_alone(run.recipe, images, until=run.step)
        assert other.recipe == recipes[1]
        assert timeless(other.evaluations) == train_alone(recipes[1], images, until=other.step)

    def test_a_change_reaches_the_store_with_the_run(self, manager, store):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        manager.change(run_id, owner=ME, lr=0.5)
        wait_until(lambda: manager.get(run_id).recipe.changes)
        (change,) = manager.get(run_id).recipe.changes
        assert change == Change(step=change.step, lr=0.5)
        wait_until(lambda: store.get(run_id).recipe.changes == (change,))

    def test_a_run_that_waits_can_be_changed(self, lone_manager, images):
        (first,) = submit(lone_manager, LONG)
        (second,) = submit(lone_manager, SHORT)
        lone_manager.change(second, owner=ME, lr=0.2)
        lone_manager.change(second, owner=ME, lr=0.1, momentum=0.5)
        lone_manager.stop(first, owner=ME)
        (run,) = wait_for_end(lone_manager, second)
        assert run.recipe.changes == (Change(step=0, lr=0.1, momentum=0.5),)
        assert timeless(run.evaluations) == train_alone(run.recipe, images)

    @pytest.mark.parametrize(
        "knobs", [{"lr": 11.0}, {"lr": float("nan")}, {"momentum": 0.0}, {"seed": 3}, {"lr": "0.1"}, {}]
    )
    def test_a_change_that_does_not_fit_is_refused_and_changes_nothing(self, manager, knobs):
        (run_id,) = submit(manager, LONG)
        with pytest.raises(ValidationError):
            manager.change(run_id, owner=ME, **knobs)
        wait_for_evaluations(manager, run_id, 1)
        assert manager.get(run_id).recipe == LONG

    def test_changes_asked_for_until_the_very_end_leave_the_thread_alive(self, manager, images):
        (run_id,) = submit(manager, vary(SHORT, train_iter=150, eval_every=1))
        pace = threading.Event()
        lrs = [number / 10_000 for number in range(1, 50)]
        while not manager.get(run_id).status.is_over:
            try:
                manager.change(run_id, owner=ME, lr=secrets.choice(lrs))
            except ValueError:
                assert manager.get(run_id).step == 150
            pace.wait(0.002)
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert timeless(run.evaluations) == train_alone(run.recipe, images)
        assert wait_for_end(manager, *submit(manager, SHORT))[0].status is RunStatus.FINISHED


class TestFailure:
    def test_a_run_that_diverges_says_so_and_the_next_is_unharmed(self, manager, images):
        wild = vary(SHORT, optimizer=SGD(lr=10.0, momentum=0.999, nesterov=False), train_iter=5000, dropout=0.0)
        diverging, beside = submit(manager, wild, vary(SHORT, train_iter=500))
        run, other = wait_for_end(manager, diverging, beside)
        assert run.status is RunStatus.DIVERGED
        assert 0 < run.step < 5000
        assert str(run.message) == (
            f"The loss left the range of numbers at step {run.step:,}: the learning rate is probably too high. "
            "Try a tenth of it."
        )
        assert run.evaluations == manager.get(diverging).evaluations
        assert run.message.values == {"step": run.step}
        assert all(evaluation.step < run.step for evaluation in run.evaluations)
        assert timeless(other.evaluations) == train_alone(other.recipe, images)
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)

    @pytest.mark.parametrize(
        ("knobs", "message"),
        [
            ({"dataset": "nowhere"}, "dataset is nowhere: it must be one of "),
            ({"train_size": 41}, "train_size is 41: it must be from 1 to 40, the size of the training set."),
            ({"validation_size": 40}, "train_size is 0: it must be from 1 to 0, of 40 images 40 held out."),
            ({"batch_size": 41}, "batch_size is 41: it must be a whole number from 1 to 40."),
        ],
    )
    def test_a_run_that_cannot_be_trained_fails_in_a_sentence_while_others_go_on(self, knobs, message, manager, home):
        (going_on,) = submit(manager, LONG)
        (failing,) = submit(manager, vary(SHORT, **knobs))
        (run,) = wait_for_end(manager, failing)
        assert run.status is RunStatus.FAILED
        assert str(run.message).startswith(message)
        assert str(home) not in str(run.message)
        assert run.traceback.startswith("Traceback (most recent call last)")
        assert run.evaluations == ()
        wait_for_evaluations(manager, going_on, 1)
        assert manager.get(going_on).status is RunStatus.RUNNING

    def test_a_broken_image_is_named_without_a_path_of_the_server(self, store, tmp_path):
        for split in ("train", "test"):
            for label in ("a", "b"):
                folder = tmp_path / "data" / "broken" / split / label
                folder.mkdir(parents=True)
                (folder / "1.png").write_bytes(b"no image")
        manager = RunManager(store, ImageLibrary(lambda: tmp_path / "data"))
        (run,) = wait_for_end(manager, *submit(manager, vary(SHORT, dataset="broken")))
        manager.shutdown()
        assert run.status is RunStatus.FAILED
        assert str(run.message).endswith("train/a/1.png is not a readable image: replace or remove it.")
        assert str(tmp_path) not in str(run.message)
        assert str(tmp_path) in run.traceback

    def test_an_error_that_was_not_written_for_people_is_not_shown_to_them(self, store, tmp_path):
        def find_home() -> Path:
            raise ValueError(f"no home in {tmp_path}")

        manager = RunManager(store, ImageLibrary(find_home))
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        manager.shutdown()
        assert str(run.message) == (
            "Something went wrong in the program while this run trained; the details are kept with the run."
        )
        assert f"no home in {tmp_path}" in run.traceback

    def test_a_device_that_is_not_here_is_refused_before_anything_is_stored(self, manager, store):
        missing = next(name for name in ("mps", "xpu", "cuda") if name not in list_devices())
        with pytest.raises(SentenceError, match=f"^device is {missing}: this machine has "):
            submit(manager, SHORT, vary(SHORT, device=missing))
        assert store.count() == 0

    def test_of_runs_submitted_together_all_are_stored_or_none(self, manager, store, monkeypatch):
        (kept,) = wait_for_end(manager, *submit(manager, SHORT))
        ids = iter(["a new one", kept.id])
        monkeypatch.setattr(secrets, "token_hex", lambda _: next(ids))
        with pytest.raises(ValueError, match=f"id is '{kept.id}'"):
            submit(manager, SHORT, SHORT)
        assert store.count() == 1
        wait_until(lambda: manager.list_active() == [])


def raise_of_memory() -> None:
    torch.empty(10**15)


def raise_memory_error() -> None:
    bytearray(2**60)


def raise_error(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


MEMORY = "The device ran out of memory: try a smaller batch, a smaller network or fewer runs at a time."
DEVICE = (
    "The device failed while this run trained: start it again, on the CPU if it fails again; "
    "some devices work again only after the server has been restarted."
)
PROGRAM = "Something went wrong in the program while this run trained; the details are kept with the run."


class TestSurvival:
    """Whatever happens to one run, the manager goes on and the next run works."""

    @pytest.mark.parametrize(
        ("fail", "message"),
        [
            (raise_of_memory, MEMORY),
            (raise_memory_error, MEMORY),
            (raise_error(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")), MEMORY),
            (raise_error(torch.AcceleratorError("CUDA error: device-side assert triggered")), DEVICE),
            (raise_error(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")), DEVICE),
            (raise_error(RuntimeError("shape '[3]' is invalid for input of size 4")), PROGRAM),
            (raise_error(SystemExit(1)), PROGRAM),
            (raise_error(KeyboardInterrupt()), PROGRAM),
        ],
    )
    def test_a_training_that_raises_fails_its_own_run_alone(self, fail, message, store, library, images):
        def train(recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> Offers[None]:
            for progress in train_on(recipes, images, device):
                if recipes[0].seed == 13 and progress.step >= 10:
                    fail()
                yield progress

        manager = RunManager(store, library, train=train)
        (beside,) = submit(manager, vary(SHORT, train_iter=500))
        (failed,) = wait_for_end(manager, *submit(manager, vary(SHORT, seed=13, train_iter=2000)))
        assert (failed.status, str(failed.message)) == (RunStatus.FAILED, message)
        assert failed.traceback.startswith("Traceback (most recent call last)")
        assert failed.step < 2000
        following = wait_for_end(manager, beside, *submit(manager, SHORT))
        assert [timeless(run.evaluations) for run in following] == [
            train_alone(run.recipe, images) for run in following
        ]
        manager.shutdown()

    def test_a_defect_of_the_thread_itself_fails_what_it_had_in_hand_and_it_goes_on(self, store, library, images):
        is_broken = threading.Event()

        def read_clock() -> float:
            if is_broken.is_set() and threading.current_thread() is not threading.main_thread():
                is_broken.clear()
                raise ArithmeticError("the clock stands still")
            return time.monotonic()

        manager = RunManager(store, library, clock=read_clock)
        ids = [submit(manager, vary(LONG, seed=seed))[0] for seed in range(6)]
        wait_for_evaluations(manager, ids[0], 1)
        is_broken.set()
        for run in wait_for_end(manager, *ids):
            assert (run.status, str(run.message)) == (RunStatus.FAILED, PROGRAM)
            assert "the clock stands still" in run.traceback
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_a_loading_thread_that_dies_fails_the_runs_that_wait_for_it(self, store, home, images):
        def find_home() -> Path:
            if threading.current_thread().name == "load Shapes":
                raise SystemExit(1)
            return home

        manager = RunManager(store, ImageLibrary(find_home))
        (failed,) = wait_for_end(manager, *submit(manager, vary(SHORT, dataset="Shapes")))
        assert (failed.status, str(failed.message)) == (RunStatus.FAILED, PROGRAM)
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_images_that_vanish_while_their_run_waits_fail_it_and_no_other(self, store, home, tmp_path, images):
        data = tmp_path / "data"
        shutil.copytree(home / "stripes", data / "stripes")
        shutil.copytree(home / "stripes", data / "gone")
        manager = RunManager(store, ImageLibrary(lambda: data), max_active=1)
        (first,) = submit(manager, LONG)
        (second,) = submit(manager, vary(SHORT, dataset="gone"))
        shutil.rmtree(data / "gone")
        manager.stop(first, owner=ME)
        (failed,) = wait_for_end(manager, second)
        assert failed.status is RunStatus.FAILED
        assert str(failed.message).startswith("dataset is gone: it must be one of ")
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)
        manager.shutdown()

    def test_what_cannot_be_kept_is_left_out_and_the_next_run_is_stored(self, store, library, caplog):
        def train(recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> Offers[None]:
            for progress in train_on(recipes, images, device):
                if recipes[0].seed == 13:
                    broken = {place: replace(one, weight_norms=None) for place, one in progress.evaluations.items()}
                    progress = replace(progress, evaluations=broken)
                yield progress

        manager = RunManager(store, library, train=train)
        (broken,) = submit(manager, vary(LONG, seed=13))
        wait_for_evaluations(manager, broken, 1)
        wait_until(lambda: f"Run {broken} can no longer be stored." in caplog.text)
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert len(following.evaluations) == 3
        manager.shutdown()

    def test_a_run_whose_last_measures_cannot_be_kept_ends_in_the_store_all_the_same(self, store, library):
        def train(recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> Offers[None]:
            for progress in train_on(recipes, images, device):
                last = {place: replace(one, weight_norms=None) for place, one in progress.evaluations.items()}
                yield replace(progress, evaluations=last) if progress.over else progress

        manager = RunManager(store, library, train=train)
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        assert (run.status, str(run.message)) == (
            RunStatus.FINISHED,
            "What this run measured last could not be stored; what was stored before is kept.",
        )
        wait_until(lambda: manager._roster.members == {})
        manager.shutdown()

    def test_a_run_that_is_submitted_while_groups_are_counted_breaks_no_count(self):
        """As a thread that counts them comes to a run, another one adds a run, if it may."""
        roster = Roster()
        runs = [Run(str(number), "one", SHORT, RunStatus.RUNNING, 0.0) for number in range(3)]

        def add(member: Member) -> None:
            if roster.lock.acquire(blocking=False):
                roster.members[member.run.id] = member
                roster.lock.release()

        class Watched(Member):
            def __getattribute__(self, name: str) -> object:
                if name == "run":
                    adding = threading.Thread(target=add, args=(late,))
                    adding.start()
                    adding.join()
                return super().__getattribute__(name)

        group = Group()
        late = Member(runs[2], group, position=2)
        group.members = [Watched(run, group, position) for position, run in enumerate(runs[:2])]
        roster.members = {run.id: member for run, member in zip(runs, group.members, strict=False)}
        assert roster.groups() == [group]
        assert list(roster.members) == ["0", "1"]

    def test_a_full_disk_takes_one_line_of_the_log_for_a_picture(self, store, library, caplog):
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "/srv/runs/sights")

        store.sights.write = refuse
        manager = RunManager(store, library)
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        manager.shutdown()
        (record,) = [record for record in caplog.records if "sees" in record.message]
        assert record.message == f"What run {run.id} sees could not be stored: No space left on device"
        assert record.exc_info is None


class TestContinuing:
    def interrupt(self, url: str, library: ImageLibrary, *recipes: Recipe) -> list[Run]:
        """The runs of a server that was shut down while they went on."""
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            ids = submit(manager, *recipes)
            for run_id in ids:
                wait_for_evaluations(manager, run_id, 2)
            manager.shutdown()
            return [store.get(run_id) for run_id in ids]

    def test_an_interrupted_run_comes_to_the_history_of_one_that_never_was(self, library, images, tmp_path):
        url = f"sqlite:///{tmp_path / 'runs.sqlite3'}"
        recipes = [vary(LONG, train_iter=2000, seed=seed, changes=(Change(step=70, lr=0.003),)) for seed in (1, 0)]
        interrupted = self.interrupt(url, library, *recipes)
        assert [run.status for run in interrupted] == [RunStatus.INTERRUPTED] * 2
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            manager = RunManager(store, library)
            ids = manager.continue_runs([run.id for run in interrupted], owner=STRANGER)
            for before, run in zip(interrupted, wait_for_end(manager, *ids), strict=True):
                assert run.status is RunStatus.FINISHED
                assert timeless(run.evaluations) == train_alone(before.recipe, images)
                kept = timeless(before.evaluations)
                assert 2 <= len(kept) < 40
                assert timeless(run.evaluations)[: len(kept)] == kept
                assert (run.recipe, run.name, run.owner) == (before.recipe, before.name, STRANGER)
                assert run.continues == before.id
                assert store.get(before.id) == before
            manager.shutdown()

    def test_a_stopped_run_goes_on_with_the_changes_that_were_made(self, manager, images):
        (first,) = submit(manager, vary(LONG, train_iter=2000))
        wait_for_evaluations(manager, first, 1)
        manager.change(first, owner=ME, lr=0.003)
        wait_until(lambda: manager.get(first).recipe.changes)
        manager.stop(first, owner=ME)
        (stopped,) = wait_for_end(manager, first)
        (run,) = wait_for_end(manager, *manager.continue_runs([first], owner=ME))
        assert run.recipe == stopped.recipe
        assert timeless(run.evaluations) == train_alone(stopped.recipe, images)
        assert timeless(run.evaluations)[: len(stopped.evaluations)] == timeless(stopped.evaluations)

    def test_asking_twice_begins_one_run_and_another_persons_asking_another(self, manager, store):
        (first,) = submit(manager, LONG)
        wait_for_evaluations(manager, first, 1)
        manager.stop(first, owner=ME)
        wait_for_end(manager, first)
        once, again = (manager.continue_runs([first], owner=ME) for _ in range(2))
        assert once == again
        assert manager.continue_runs([first], owner=STRANGER) != once
        assert store.count() == 3

    def test_a_run_that_goes_on_or_came_to_its_end_is_not_continued(self, manager, store):
        (going_on,) = submit(manager, LONG)
        (finished,) = wait_for_end(manager, *submit(manager, SHORT))
        for run_id in (going_on, finished.id):
            with pytest.raises(SentenceError, match=r"^Only a run that was stopped or interrupted can be continued\.$"):
                manager.continue_runs([run_id], owner=ME)
        assert store.count() == 2

    def test_a_run_of_another_program_on_the_same_runs_is_left_to_it(self, manager, library, tmp_path):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as second_store:
            assert second_store.mark_interrupted() == []
            second = RunManager(second_store, library)
            with pytest.raises(SentenceError, match="goes on in another program"):
                second.stop(run_id, owner=ME)
            with pytest.raises(SentenceError, match="Only a run that was stopped or interrupted"):
                second.continue_runs([run_id], owner=ME)
            second.shutdown()
        wait_until(lambda: manager.store.get(run_id).status is RunStatus.RUNNING)

    @pytest.mark.parametrize("ask", ["stop", "pause", "resume", "change"])
    def test_asking_for_a_run_that_is_not_here_keeps_nobody_waiting_for_the_store(self, ask, library, tmp_path):
        looked: list[bool] = []

        class WatchedStore(RunStore):
            def read_status(self, run_id: str) -> RunStatus | None:
                reader = threading.Thread(target=manager.list_active, daemon=True)  # needs the roster's lock
                reader.start()
                reader.join(10)
                looked.append(not reader.is_alive())
                return super().read_status(run_id)

            def get(self, run_id: str) -> Run:
                raise AssertionError(f"all evaluations of run {run_id} are read")

        with closing(WatchedStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            with pytest.raises(SentenceError, match=r"^This run is over already\.$"):
                getattr(manager, ask)("none", owner=ME)
            manager.shutdown()
        assert looked == [True]


class TestStoreTrouble:
    def test_training_goes_on_while_the_store_refuses_and_is_stored_afterwards(self, manager, store, tmp_path):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        with closing(sqlite3.connect(tmp_path / "runs.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            wait_until(lambda: manager.trouble is not None)
            assert str(manager.trouble).startswith("Another program keeps the database of the runs locked")
            stored = len(store.get(run_id).evaluations)
            measured = wait_for_evaluations(manager, run_id, 2)
            assert len(store.get(run_id).evaluations) == stored < len(measured.evaluations)
            manager.stop(run_id, owner=ME)
            wait_until(lambda: manager.get(run_id).status is RunStatus.STOPPED)
            other.execute("ROLLBACK")
        (run,) = wait_for_end(manager, run_id)
        wait_until(lambda: manager.trouble is None)
        assert run.evaluations[: len(measured.evaluations)] == measured.evaluations
        assert [evaluation.step for evaluation in run.evaluations] == list(range(50, run.step + 1, 50))

    def test_training_does_not_wait_for_the_store(self, library, tmp_path):
        is_open = threading.Event()

        class SlowStore(RunStore):
            def update(self, *args: object, **values: object) -> None:
                is_open.wait()
                super().update(*args, **values)

        with closing(SlowStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, vary(LONG, train_iter=500))
            wait_until(lambda: manager.get(run_id).status is RunStatus.FINISHED)
            assert store.get(run_id).evaluations == ()
            is_open.set()
            (run,) = wait_for_end(manager, run_id)
            assert [evaluation.step for evaluation in run.evaluations] == list(range(50, 501, 50))
            manager.shutdown()

    def test_a_run_deleted_under_way_does_no_harm_to_the_next(self, manager, tmp_path):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        with closing(sqlite3.connect(tmp_path / "runs.sqlite3", isolation_level=None)) as other:
            other.execute("PRAGMA foreign_keys = ON")
            other.execute("DELETE FROM runs")
        manager.stop(run_id, owner=ME)
        wait_until(lambda: manager.list_active() == [])
        assert wait_for_end(manager, *submit(manager, SHORT))[0].status is RunStatus.FINISHED


class TestShutdown:
    def test_runs_are_interrupted_with_what_they_had(self, store, home, images):
        manager = RunManager(store, ImageLibrary(lambda: home), max_active=1)
        going_on, waiting = submit(manager, LONG)[0], submit(manager, SHORT)[0]
        measured = wait_for_evaluations(manager, going_on, 2)
        manager.shutdown()
        run, queued = store.get(going_on), store.get(waiting)
        assert (run.status, queued.status) == (RunStatus.INTERRUPTED, RunStatus.INTERRUPTED)
        assert str(run.message) == "The server was shut down; what was measured is kept."
        assert run.evaluations[:2] == measured.evaluations[:2]
        assert timeless(run.evaluations) == train_alone(LONG, images, until=run.step)
        assert queued.evaluations == ()

    def test_four_cohorts_are_marked_though_one_of_them_does_not_come_back(self, store, library):
        is_stuck, may_go_on = threading.Event(), threading.Event()

        def train(recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> Offers[None]:
            for progress in train_on(recipes, images, device):
                yield progress
                if recipes[0].seed == 3 and progress.evaluations:
                    is_stuck.set()
                    may_go_on.wait()

        manager = RunManager(store, library, train=train)
        ids = [submit(manager, vary(LONG, seed=seed))[0] for seed in range(4)]
        assert is_stuck.wait(30)
        measured = [manager.get(run_id) for run_id in ids]
        manager.shutdown()
        stored = [store.get(run_id) for run_id in ids]
        assert [run.status for run in stored] == [RunStatus.INTERRUPTED] * 4
        assert [run.evaluations for run in stored] == [run.evaluations for run in measured]
        assert measured[3].evaluations
        may_go_on.set()

    def test_with_the_database_locked_the_next_start_marks_them(self, library, tmp_path):
        url, file = f"sqlite:///{tmp_path / 'runs.sqlite3'}", tmp_path / "runs.sqlite3"
        with closing(RunStore(url)) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, LONG)
            measured = wait_for_evaluations(manager, run_id, 1)
            wait_until(lambda: store.get(run_id).evaluations)
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                manager.shutdown()
                assert manager.trouble is not None
                assert not store.get(run_id).status.is_over
        with closing(RunStore(url)) as store:
            store.mark_interrupted()
            assert store.get(run_id).status is RunStatus.INTERRUPTED
            assert store.get(run_id).evaluations[:1] == measured.evaluations[:1]

    def test_the_shared_manager_is_one_and_a_new_one_after_its_shutdown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path))
        first = manager_module.shared_manager()
        assert manager_module.shared_manager() is first
        manager_module.shutdown()
        manager_module.shutdown()
        second = manager_module.shared_manager()
        assert second is not first
        manager_module.shutdown()
