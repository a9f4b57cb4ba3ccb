"""The manager with its real thread, a real store on disk and a real folder of images."""

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from mlpcore import manager as manager_module
from mlpcore.batches import DeviceImages, place_images
from mlpcore.cohort import train_cohort
from mlpcore.data import load_data
from mlpcore.device import list_devices
from mlpcore.library import ImageLibrary
from mlpcore.manager import MAX_QUEUED, RunManager
from mlpcore.messages import SentenceError
from mlpcore.recipe import SGD, Adam, Change, Constant, CosineAnnealingLR, Recipe, RMSprop, StepLR
from mlpcore.runs import Evaluation, Run, RunStatus
from mlpcore.store import RunStore

CPU = torch.device("cpu")
ME, STRANGER = "me", "stranger"
SHORT = Recipe(
    dataset="stripes",
    hidden_sizes=(16,),
    batch_size=16,
    train_iter=30,
    eval_every=10,
    optimizer=SGD(lr=0.01),
    scheduler=Constant(),
    device="cpu",
)
LONG = Recipe.model_validate(SHORT.model_dump() | {"train_iter": 200_000, "eval_every": 50})


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder of images: 40 to train on and 12 to test with, in 4 classes of coloured noise."""
    home = tmp_path_factory.mktemp("data")
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 10), ("test", 3)):
        for label in range(4):
            folder = home / "stripes" / split / f"class {label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(60 * label, 60 * label + 70, (32, 32, 3), generator=generator)
                Image.fromarray(pixels.to(torch.uint8).numpy()).save(folder / f"{number}.png")
    return home


@pytest.fixture(scope="module")
def images(home) -> DeviceImages:
    return place_images(*load_data("stripes", home), CPU)


@pytest.fixture
def store(tmp_path) -> Iterator[RunStore]:
    with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
        yield store


@pytest.fixture
def manager(store, home) -> Iterator[RunManager]:
    manager = RunManager(store, ImageLibrary(lambda: home))
    yield manager
    manager.shutdown()


@pytest.fixture
def lone_manager(store, home) -> Iterator[RunManager]:
    """One that trains a single cohort at a time."""
    manager = RunManager(store, ImageLibrary(lambda: home), max_active=1)
    yield manager
    manager.shutdown()


def wait_until(predicate: Callable[[], object], timeout: float = 30.0) -> None:
    """Look every 5 ms until it is so."""
    pace, deadline = threading.Event(), time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        pace.wait(0.005)


def vary(recipe: Recipe, **knobs: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | knobs)


def submit(manager: RunManager, *recipes: Recipe) -> list[str]:
    return manager.submit(recipes, owner=ME, names=["a run"] * len(recipes))


def wait_for_end(manager: RunManager, *run_ids: str) -> list[Run]:
    """The runs as they are stored once they are over."""
    wait_until(lambda: all(manager.get(run_id).status.is_over for run_id in run_ids))
    wait_until(lambda: all(manager.store.get(run_id).status.is_over for run_id in run_ids))
    return [manager.store.get(run_id) for run_id in run_ids]


def wait_for_evaluations(manager: RunManager, run_id: str, count: int) -> Run:
    """The run once it has this many evaluations more than now."""
    aim = len(manager.get(run_id).evaluations) + count
    wait_until(lambda: len(manager.get(run_id).evaluations) >= aim)
    return manager.get(run_id)


def timeless(evaluations: tuple[Evaluation, ...]) -> list[Evaluation]:
    return [replace(evaluation, seconds=0.0) for evaluation in evaluations]


def train_alone(recipe: Recipe, images: DeviceImages, *, until: int = 10**9) -> list[Evaluation]:
    """The history of a recipe on its own, up to an iteration."""
    found = []
    for item in train_cohort([recipe], images, device=CPU):
        if item.step > until:
            break
        found += item.evaluations.values()
    return timeless(tuple(evaluation for evaluation in found if evaluation.step <= until))


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

    def test_the_shared_manager_is_one_and_a_new_one_after_its_shutdown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_HOME", str(tmp_path))
        first = manager_module.shared_manager()
        assert manager_module.shared_manager() is first
        manager_module.shutdown()
        manager_module.shutdown()
        second = manager_module.shared_manager()
        assert second is not first
        manager_module.shutdown()
