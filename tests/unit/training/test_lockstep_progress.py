"""What a cohort yields while it trains, and what can be sent into it."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from torch import Tensor

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit, draw_training_set
from mlpcore.recipes.optimizers import ASGD, Rprop
from mlpcore.recipes.recipe import SGD, Adagrad, Adam, Change, NoScheduler, Recipe, StepLR, with_change
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.runs.records import RunStatus
from mlpcore.training.cohort_run import WeightAverage
from mlpcore.training.lockstep import ChangeRun, Progress, RemoveRun, train_cohort
from mlpcore.training.schedules import preview_rates
from tests.support.cohorts import CPU, MIXTURE, collect, numbers, recipe, train
from tests.support.recipes import EACH_SCHEDULE, after_warmup, optimizers, schedulers, with_optimizer


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


class TestSchedule:
    @pytest.mark.parametrize("warmup_iters", [0, 5, 30])
    @pytest.mark.parametrize("scheduler", EACH_SCHEDULE, ids=lambda knobs: knobs.name)
    @pytest.mark.parametrize("changes", [(), ({"step": 0, "lr": 0.5}, {"step": 9, "lr": 0.01, "weight_decay": 0.1})])
    def test_the_preview_is_the_rates_that_the_run_recorded(self, scheduler, warmup_iters, changes, images):
        if scheduler.name == "OneCycleLR":
            warmup_iters = min(warmup_iters, 10)
        run = recipe(
            scheduler=after_warmup(scheduler, warmup_iters), changes=changes, eval_every=1, optimizer=SGD(lr=0.05)
        )
        (history,) = train([run], images)
        rates = [evaluation.lr for evaluation in history]
        assert rates == preview_rates(run, {one.step: one.followed_loss for one in history})
        known = preview_rates(run)
        assert rates[: len(known)] == known
        assert (len(known) < run.train_iter) == (scheduler.name == "ReduceLROnPlateau" and warmup_iters < 24)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), train_iter=st.integers(1, 20))
    def test_the_preview_is_the_rates_that_a_run_of_random_knobs_recorded(self, data, train_iter, images):
        scheduler = data.draw(schedulers(train_iter, iterations=st.integers(1, 30)))
        steps = data.draw(st.lists(st.integers(0, train_iter - 1), max_size=3, unique=True))
        lrs = st.floats(1e-6, 0.01)
        changes = [Change(step=step, lr=data.draw(lrs)).model_dump() for step in sorted(steps)]
        optimizer = data.draw(optimizers()).model_copy(update={"lr": data.draw(lrs)})
        if optimizer.reads_lr_once:
            changes = []
        short = recipe(scheduler=scheduler, train_iter=train_iter, eval_every=1, changes=changes)
        run = with_optimizer(short, optimizer)
        (history,) = train([run], images)
        losses = {one.step: one.followed_loss for one in history}
        assert [evaluation.lr for evaluation in history] == preview_rates(run, losses)[: len(history)]
        assert history

    def test_no_schedule_does_anything_to_rprop_after_its_first_iteration(self, images):
        plain = with_optimizer(recipe(dropout=0.0), Rprop())
        (constant,), (stepped,) = train([plain], images), train([plain.replace(scheduler=StepLR(step_size=1))], images)
        assert [each.lr for each in stepped] == pytest.approx([0.01 * 0.5**step for step in (7, 15, 23)])
        assert [replace(each, lr=0.01) for each in stepped] == constant

    def test_a_run_records_the_rates_that_asgd_and_adagrad_made_of_the_schedules(self, images):
        knobs = {"scheduler": StepLR(step_size=9, gamma=0.1), "eval_every": 1}
        asgd, adagrad = train(
            [recipe(optimizer=kind, **knobs) for kind in (ASGD(lr=0.1, lambd=0.5), Adagrad(lr=0.1, lr_decay=0.2))],
            images,
        )
        lrs = [each.lr for each in asgd]
        made = [0.1, *(lr / (1 + 0.5 * lr * step) ** 0.75 for step, lr in enumerate(lrs[:-1], start=1))]
        assert [each.effective_lr for each in asgd] == pytest.approx(made, rel=1e-7)  # torch keeps it in float32
        assert [each.effective_lr for each in adagrad] == [lr / (1 + step * 0.2) for step, lr in enumerate(lrs)]

    @pytest.mark.parametrize("validation_size", [0, 30])
    def test_the_rate_follows_the_held_out_images_else_the_train_loss_and_never_the_test(self, validation_size, images):
        run = MIXTURE[-1].replace(validation_size=validation_size)
        other_tests = replace(images, test_labels=images.test_labels.flip(0))
        one, other = (train([run], where)[0] for where in (images, other_tests))
        assert [each.test_loss for each in one] != [each.test_loss for each in other]
        assert [each.lr for each in one] == [each.lr for each in other]
        for each in one:
            assert each.followed_loss == (each.val_loss if validation_size else each.train_eval_loss)
        rates = preview_rates(run, {each.step: each.followed_loss for each in one})
        assert [each.lr for each in one] == [rates[each.step - 1] for each in one]
        assert one[-1].lr < one[0].lr


class TestCommands:
    def drive(
        self, recipes: Sequence[Recipe], images: DeviceImages, at: dict[int, list[ChangeRun | RemoveRun]]
    ) -> list[Progress]:
        """Train, sending in what is given once that many iterations are done (every run is evaluated at each)."""
        training = train_cohort(recipes, images, device=CPU)
        items = [next(training)]
        while True:
            due = items[-1].evaluations or items[-1].over
            sent = at.pop(items[-1].step, None) if due else None
            try:
                items.append(training.send(sent))
            except StopIteration:
                return items

    @pytest.mark.parametrize("scheduler", [NoScheduler(), ReduceLROnPlateau(patience=1, threshold=0.9)])
    def test_an_edit_is_a_change_of_the_recipe_and_leaves_the_others_alone(self, scheduler, images):
        runs = [recipe(eval_every=1, seed=seed, optimizer=Adam(lr=0.01), scheduler=scheduler) for seed in (0, 0, 1)]
        items = self.drive(runs, images, {9: [ChangeRun(1, Change(step=9, lr=0.1))]})
        edited = with_change(runs[1], 9, {"lr": 0.1})
        assert [collect(items, position) for position in range(3)] == [
            train([run], images)[0] for run in (runs[0], edited, runs[2])
        ]

    def test_edits_sent_in_together_all_apply_at_the_next_step(self, images):
        runs = [recipe(eval_every=1, seed=seed) for seed in (0, 1)]
        sent: list[ChangeRun | RemoveRun] = [
            ChangeRun(0, Change(step=4, lr=0.2)),
            ChangeRun(1, Change(step=4, momentum=0.1)),
            ChangeRun(0, Change(step=4, momentum=0.2)),
        ]
        items = self.drive(runs, images, {4: sent})
        edited = [
            with_change(with_change(runs[0], 4, {"lr": 0.2}), 4, {"momentum": 0.2}),
            with_change(runs[1], 4, {"momentum": 0.1}),
        ]
        assert [collect(items, position) for position in range(2)] == train(edited, images)

    @pytest.mark.parametrize("hidden_sizes", [(32, 16), (13, 5)])
    def test_a_run_that_leaves_is_measured_no_more_and_the_others_go_on_as_alone(self, hidden_sizes, images):
        runs = [recipe(eval_every=1, seed=seed, hidden_sizes=hidden_sizes) for seed in (2, 0, 2, 1)]
        items = self.drive(runs, images, {5: [RemoveRun(2), RemoveRun(1)]})
        histories = [collect(items, position) for position in range(4)]
        assert [len(history) for history in histories] == [24, 5, 5, 24]
        for run, history in zip(runs, histories, strict=True):
            assert history == train([run], images)[0][: len(history)]

    def test_when_all_have_left_training_ends(self, images):
        items = self.drive([recipe(eval_every=1)], images, {3: [RemoveRun(0)]})
        assert items[-1].step == 3

    def test_what_is_sent_to_a_run_that_is_over_is_passed_over(self, images):
        runs = [recipe(eval_every=1, train_iter=5), recipe(eval_every=1)]
        items = self.drive(runs, images, {9: [RemoveRun(0), ChangeRun(0, Change(step=9, lr=0.1))]})
        assert collect(items, 1) == train([runs[1]], images)[0]


class TestEnds:
    def test_each_run_ends_at_its_own_last_iteration_with_an_evaluation(self, images):
        runs = [recipe(train_iter=5, eval_every=3), recipe(train_iter=8, eval_every=100)]
        items = list(train_cohort(runs, images, device=CPU))
        over = [(item.step, position, status) for item in items for position, status in item.over.items()]
        assert over == [(5, 0, RunStatus.FINISHED), (8, 1, RunStatus.FINISHED)]
        assert [each.step for each in collect(items, 0)] == [3, 5]
        assert [each.step for each in collect(items, 1)] == [8]

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_a_run_diverges_at_the_step_whose_loss_is_not_finite(self, activation, images):
        wild = SGD(lr=10.0, momentum=0.999, nesterov=False, weight_decay=1.0)
        runs = [
            recipe(optimizer=wild, activation=activation, train_iter=3000, eval_every=1, dropout=0.0),
            recipe(activation=activation, train_iter=40, eval_every=1),
        ]
        items = list(train_cohort(runs, images, device=CPU))
        ((diverged, where),) = [(item, item.step) for item in items if item.over.get(0) is RunStatus.DIVERGED]
        history = collect(items, 0)
        assert [each.step for each in history] == list(range(1, where))
        assert 0 not in diverged.evaluations
        for each in history:
            assert all(math.isfinite(value) for value in (each.train_loss, each.train_eval_loss, each.test_loss))
        assert collect(items, 1) == train([runs[1]], images)[0]

    def test_no_progress_is_ever_of_a_number_that_is_not_finite(self, images):
        runs = [
            recipe(optimizer=SGD(lr=lr, momentum=0.99), train_iter=300, seed=seed)
            for seed, lr in enumerate((1.0, 5.0, 10.0))
        ]
        for history in train(runs, images):
            assert all(math.isfinite(number) for row in numbers(history) for number in row)

    def test_averaged_weights_whose_loss_is_not_finite_have_none_and_their_run_goes_on(self, images, monkeypatch):
        build = WeightAverage.__init__

        def build_huge(average: WeightAverage, run: Recipe, parameters: Sequence[Tensor]) -> None:
            build(average, run, parameters)
            average.count = 1  # so that EMA keeps a share of these
            torch._foreach_add_(average.weights, 1e38)

        monkeypatch.setattr(WeightAverage, "__init__", build_huge)
        (history,) = train([recipe(average="EMA")], images)
        assert [(each.step, each.avg_test_loss) for each in history] == [(8, None), (16, None), (24, None)]
        assert all(each.avg_test_acc is not None for each in history)


class TestControl:
    def test_control_comes_back_between_evaluations(self, images):
        big = replace(
            images, test_images=images.test_images.repeat(2000, 1), test_labels=images.test_labels.repeat(2000)
        )
        items = list(train_cohort([recipe(train_iter=3, eval_every=1, hidden_sizes=(256,))], big, device=CPU))
        assert [item.step for item in items if item.evaluations] == [1, 2, 3]
        assert len(items) > 3

    def test_control_comes_back_between_steps_of_a_run_that_is_never_evaluated(self, images):
        training = train_cohort([recipe(train_iter=200_000, eval_every=200_000)], images, device=CPU)
        steps = [next(training).step for _ in range(4)]
        assert 0 < steps[0] < steps[1] < steps[2] < steps[3] < 10_000
        training.close()

    def test_seconds_grow_and_do_not_count_pauses(self, images):
        training = train_cohort([recipe(eval_every=1)], images, device=CPU)
        first, paused_at = next(training), time.perf_counter()
        train([recipe(train_iter=300)], images)
        pause = time.perf_counter() - paused_at
        second = next(training)
        assert first.seconds < second.seconds < first.seconds + pause

    def test_an_evaluation_holds_the_mean_over_the_mini_batches_since_the_last(self, images):
        each = [evaluation.train_loss for evaluation in train([recipe(eval_every=1)], images)[0]]
        means = [evaluation.train_loss for evaluation in train([recipe(eval_every=8)], images)[0]]
        assert means == [pytest.approx(math.fsum(each[start : start + 8]) / 8, rel=1e-12) for start in (0, 8, 16)]


class TestMeasures:
    def test_train_accuracy_is_measured_on_the_runs_own_noisy_labels(self, images):
        knobs = {
            "optimizer": Adam(lr=0.01),
            "dropout": 0.0,
            "hidden_sizes": (256,),
            "train_iter": 300,
            "eval_every": 300,
        }
        (history,) = train([recipe(label_noise=1.0, **knobs)], images)
        assert history[-1].train_acc > 0.95
        assert history[-1].test_acc < 0.4

    def test_without_held_out_images_nothing_is_validated(self, images):
        (history,) = train([recipe()], images)
        assert {(each.val_loss, each.val_acc) for each in history} == {(None, None)}

    def test_validation_is_measured_on_the_images_held_out(self, images, tiny_images):
        run = recipe(validation_size=40, eval_every=24)
        drawn = draw_training_set(tiny_images[0], train_size=None, label_noise=0.0, seed=run.seed, validation_size=40)
        held_out = ImageSplit(
            tiny_images[0].data[drawn.validation_indices], drawn.validation_labels, tiny_images[0].classes
        )
        on_them = replace(images, test_images=held_out.data.flatten(1), test_labels=held_out.targets)
        (history,), (tested,) = train([run], images), train([run], on_them)
        assert (history[-1].val_loss, history[-1].val_acc) == (tested[-1].test_loss, tested[-1].test_acc)

    def test_a_run_larger_than_the_data_is_refused(self, images):
        with pytest.raises(
            ValueError, match="train_size is 121: it must be from 1 to 120, the size of the training set"
        ):
            next(train_cohort([recipe(train_size=121)], images, device=CPU))
        with pytest.raises(ValueError, match=r"batch_size is 121: it must be a whole number from 1 to 120\."):
            next(train_cohort([recipe(batch_size=121)], images, device=CPU))

    def test_the_sample_that_train_accuracy_is_measured_on_is_bounded(self, tiny_images):
        train_split, test_split = tiny_images
        many = replace(train_split, data=train_split.data.repeat(17, 1, 1, 1), targets=train_split.targets.repeat(17))
        images = place_images(many, test_split, CPU)  # 2,040 to train on
        (history,) = train([recipe(train_iter=40, eval_every=2)], images)
        hits = [2000 * evaluation.train_acc for evaluation in history]
        assert hits == [pytest.approx(round(hit), abs=1e-9) for hit in hits]
