"""A run or a store that fails: said in a sentence, and no harm to other runs."""

import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.messages import explain_failure
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.device import list_devices
from tests.support.managers import (
    LONG,
    ME,
    SHORT,
    submit,
    timeless,
    train_alone,
    wait_for_end,
    wait_for_evaluations,
    wait_until,
)
from tests.support.present import present


class TestFailure:
    def test_a_run_that_diverges_says_so_and_the_next_is_unharmed(self, manager, images):
        wild = SHORT.replace(optimizer=SGD(lr=10.0, momentum=0.999, nesterov=False), train_iter=5000, dropout=0.0)
        diverging, beside = submit(manager, wild, SHORT.replace(train_iter=500))
        run, other = wait_for_end(manager, diverging, beside)
        assert run.status is RunStatus.DIVERGED
        assert 0 < run.step < 5000
        assert str(run.message) == (
            f"The loss became infinite or NaN at step {run.step:,}: the learning rate is probably too high. Lower it."
        )
        assert run.evaluations == manager.get(diverging).evaluations
        assert present(run.message).values == {"step": run.step}
        assert all(evaluation.step < run.step for evaluation in run.evaluations)
        assert timeless(other.evaluations) == train_alone(other.recipe, images)
        (following,) = wait_for_end(manager, *submit(manager, SHORT))
        assert timeless(following.evaluations) == train_alone(SHORT, images)

    def test_run_that_diverges_before_its_first_evaluation_keeps_the_losses_of_its_mini_batches(
        self, manager, store, images
    ):
        wild = SHORT.replace(optimizer=SGD(lr=10.0, momentum=0.999, nesterov=False), train_iter=5000, eval_every=5000)
        (run,) = wait_for_end(manager, *submit(manager, wild))
        assert (run.status, run.evaluations) == (RunStatus.DIVERGED, ())
        every_step = train_alone(wild.replace(eval_every=1), images)
        losses = [evaluation.train_loss for evaluation in every_step][: run.step - 1]
        assert losses[0] > 0
        assert len(run.last_losses) == run.step - 1  # without the one that is not finite
        assert list(run.last_losses[: len(losses)]) == losses[-len(run.last_losses) :]
        assert store.get(run.id).last_losses == run.last_losses

    @pytest.mark.parametrize(
        ("knobs", "message"),
        [
            ({"dataset": "nowhere"}, "dataset is nowhere: it must be one of "),
            ({"train_size": 41}, "train_size is 41: it must be from 1 to 40, the size of the training set."),
            ({"validation_size": 40}, "train_size is 0: it must be from 1 to 0, because 40 of 40 images are held out."),
            ({"batch_size": 41}, "batch_size is 41: it must be a whole number from 1 to 40."),
        ],
    )
    def test_a_run_that_cannot_be_trained_fails_in_a_sentence_while_others_go_on(self, knobs, message, manager, home):
        (going_on,) = submit(manager, LONG)
        (failing,) = submit(manager, SHORT.replace(**knobs))
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
        manager = RunManager(store, DatasetLoader(lambda: tmp_path / "data"))
        (run,) = wait_for_end(manager, *submit(manager, SHORT.replace(dataset="broken")))
        manager.shutdown()
        assert run.status is RunStatus.FAILED
        assert str(run.message).endswith("train/a/1.png is not a readable image: replace or remove it.")
        assert str(tmp_path) not in str(run.message)
        assert str(tmp_path) in run.traceback

    @pytest.mark.parametrize(
        ("error", "reason"),
        [(OSError(5, "Input/output error", "/srv/images/1.png"), "Input/output error"), (OSError(), "OSError")],
    )
    def test_images_that_cannot_be_read_say_why_without_a_path(self, error, reason):
        assert str(explain_failure(error)) == f"The images could not be read: {reason}."

    def test_an_error_that_was_not_written_for_people_is_not_shown_to_them(self, store, tmp_path):
        def find_home() -> Path:
            if threading.current_thread() is not threading.main_thread():
                raise ValueError(f"no home in {tmp_path}")
            return tmp_path

        manager = RunManager(store, DatasetLoader(find_home))
        (run,) = wait_for_end(manager, *submit(manager, SHORT))
        manager.shutdown()
        assert str(run.message) == ("The program failed during training. The server keeps the details with the run.")
        assert f"no home in {tmp_path}" in run.traceback

    def test_a_device_that_is_not_here_is_refused_before_anything_is_stored(self, manager, store):
        missing = next(name for name in ("mps", "xpu", "cuda") if name not in list_devices())
        with pytest.raises(SentenceError, match=f"^device is {missing}: this machine has "):
            submit(manager, SHORT, SHORT.replace(device=missing))
        assert store.count() == 0

    def test_of_runs_submitted_together_all_are_stored_or_none(self, manager, store, monkeypatch):
        (kept,) = wait_for_end(manager, *submit(manager, SHORT))
        ids = iter(["a submission", "a new one", kept.id])
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

    def test_training_does_not_wait_for_the_store(self, library, tmp_path):
        is_open = threading.Event()

        class SlowStore(RunStore):
            def update(self, *args: Any, **values: Any) -> None:
                is_open.wait()
                super().update(*args, **values)

        with closing(SlowStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
            manager = RunManager(store, library)
            (run_id,) = submit(manager, LONG.replace(train_iter=500))
            wait_until(lambda: manager.get(run_id).status is RunStatus.FINISHED)
            assert store.get(run_id).evaluations == ()
            is_open.set()
            (run,) = wait_for_end(manager, run_id)
            assert [evaluation.step for evaluation in run.evaluations] == list(range(50, 501, 50))
            manager.shutdown()

    def test_a_run_deleted_while_it_trains_stops_and_does_no_harm_to_the_next(self, manager, tmp_path, caplog):
        (run_id,) = submit(manager, LONG)
        wait_for_evaluations(manager, run_id, 1)
        with closing(sqlite3.connect(tmp_path / "runs.sqlite3", isolation_level=None)) as other:
            other.execute("PRAGMA foreign_keys = ON")
            other.execute("DELETE FROM runs")
        wait_until(lambda: manager.list_active() == [])
        assert caplog.text.count(f"Run {run_id} was deleted or ended by another program") == 1
        assert wait_for_end(manager, *submit(manager, SHORT))[0].status is RunStatus.FINISHED
