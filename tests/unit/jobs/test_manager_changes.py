"""A run whose hyperparameters are changed while it trains has the history of its recipe trained anew."""

import secrets
import threading

import pytest
from pydantic import ValidationError

from mlpcore.recipes.recipe import SGD, Change, RMSprop, StepLR
from mlpcore.runs.records import RunStatus
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
        recipes = [LONG.replace(seed=seed, **knobs) for seed in (1, 0)]
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
        assert run.recipe == recipes[0].replace(changes=run.recipe.changes)
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
        (run_id,) = submit(manager, SHORT.replace(train_iter=150, eval_every=1))
        pace = threading.Event()
        lrs = [number / 10_000 for number in range(1, 50)]
        refusals: set[bool] = set()
        while not manager.get(run_id).status.is_over:
            try:
                manager.change(run_id, owner=ME, lr=secrets.choice(lrs))
            except ValueError as error:  # its steps are made; the last may still be evaluated
                refusals.add("a change at step 150:" in str(error) or manager.get(run_id).status.is_over)
            pace.wait(0.002)
        assert False not in refusals
        (run,) = wait_for_end(manager, run_id)
        assert run.status is RunStatus.FINISHED
        assert timeless(run.evaluations) == train_alone(run.recipe, images)
        assert wait_for_end(manager, *submit(manager, SHORT))[0].status is RunStatus.FINISHED
