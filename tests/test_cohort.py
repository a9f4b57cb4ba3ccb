"""A cohort trains each of its runs as a plain loop would train it alone, bit for bit."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recipes import EACH_OPTIMIZER, EACH_SCHEDULE, optimizers, schedulers
from torch import nn
from torch.nn import functional as F

from mlpcore.batches import DeviceImages, place_images
from mlpcore.cohort import Edit, Leave, Progress, cohort_key, train_cohort
from mlpcore.data import ImageSplit, channel_statistics, draw_training_set
from mlpcore.models import build_model, normalise
from mlpcore.recipe import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Change,
    Constant,
    CosineAnnealingLR,
    OneCycleLR,
    Recipe,
    RMSprop,
    StepLR,
    with_change,
)
from mlpcore.runs import Evaluation, RunStatus
from mlpcore.sampler import RandomSampler
from mlpcore.schedules import preview_rates
from mlpcore.seeds import build_generator
from mlpcore.trainee import SAMPLE_SIZE

CPU = torch.device("cpu")
BASE = Recipe(hidden_sizes=(32, 16), batch_size=32, train_iter=24, eval_every=8, scheduler=Constant())
History = list[Evaluation]


@pytest.fixture(scope="module")
def images(tiny_images) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def recipe(**knobs: object) -> Recipe:
    return Recipe.model_validate(BASE.model_dump() | knobs)


def collect(items: Sequence[Progress], position: int = 0) -> History:
    """The evaluations of one run, without the seconds that they took."""
    measured = [item.evaluations[position] for item in items if position in item.evaluations]
    return [replace(evaluation, seconds=0.0) for evaluation in measured]


def train(recipes: Sequence[Recipe], images: DeviceImages) -> list[History]:
    items = list(train_cohort(recipes, images, device=CPU))
    return [collect(items, position) for position in range(len(recipes))]


def train_plainly(recipe: Recipe, train: ImageSplit, test: ImageSplit) -> History:
    """The loop of every tutorial: a module, autograd, an optimizer of torch.optim and one of its schedulers."""
    mean, std = channel_statistics(train)
    inputs, test_inputs = normalise(train.data, mean, std), normalise(test.data, mean, std)
    model = build_model(recipe, inputs[0].numel(), 10)
    settings = recipe.optimizer.model_dump(exclude={"name"})
    fused = {} if recipe.optimizer.name == "RMSprop" else {"fused": True}
    optimizer = getattr(torch.optim, recipe.optimizer.name)(model.parameters(), **settings, **fused)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5)
    sampler = RandomSampler(len(train), recipe.batch_size, generator=build_generator(recipe.seed, "batches"))

    history, losses = [], []
    for step in range(1, recipe.train_iter + 1):
        index = next(sampler)
        optimizer.zero_grad()
        loss = F.cross_entropy(model.train()(inputs[index]), train.targets[index])
        loss.backward()
        lr = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step % recipe.eval_every == 0:
            on_train, on_test = measure(model, inputs, train.targets), measure(model, test_inputs, test.targets)
            norms = tuple(
                torch.linalg.matrix_norm(layer.weight.double()).item() for layer in (model.fc1, model.fc2, model.fc3)
            )
            history.append(
                Evaluation(step, sum(losses) / len(losses), *on_train, *on_test, lr, 0.0, weight_norms=norms)
            )
            losses.clear()
    return history


@torch.no_grad()
def measure(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    logits = model.eval()(inputs)
    hits = (logits.argmax(dim=1) == labels).double().mean().item()
    return F.cross_entropy(logits.double(), labels).item(), hits


def numbers(history: History) -> list[list[float]]:
    return [
        [
            *(each.step, each.train_loss, each.train_eval_loss, each.train_acc, each.test_loss, each.test_acc, each.lr),
            *each.weight_norms,
        ]
        for each in history
    ]


class TestPlainLoop:
    @pytest.mark.parametrize("dropout", [0.0, 0.5])
    @pytest.mark.parametrize("name", EACH_OPTIMIZER)
    def test_a_run_is_the_plain_loop(self, name, dropout, images, tiny_images):
        run = recipe(optimizer=EACH_OPTIMIZER[name], dropout=dropout, scheduler=StepLR(step_size=7), seed=5)
        expected = numbers(train_plainly(run, *tiny_images))
        (history,) = train([run], images)
        assert len(history) == 3
        for found, wanted in zip(numbers(history), expected, strict=True):
            # the plain loop's gradients are the same to the bit; its means are summed in another order
            assert found == pytest.approx(wanted, rel=2e-6, abs=0)

    def test_runs_of_a_cohort_are_plain_loops_each(self, images, tiny_images):
        runs = [
            recipe(optimizer=knobs, dropout=dropout, scheduler=StepLR(step_size=7), seed=seed)
            for seed, (knobs, dropout) in enumerate(
                zip(EACH_OPTIMIZER.values(), (0.5, 0.0, 0.2, 0.5, 0.0, 0.9), strict=True)
            )
        ]
        for run, history in zip(runs, train(runs, images), strict=True):
            for found, wanted in zip(numbers(history), numbers(train_plainly(run, *tiny_images)), strict=True):
                assert found == pytest.approx(wanted, rel=2e-6, abs=0)

    def test_a_run_learns(self, images):
        (history,) = train([recipe(optimizer=Adam(lr=0.01), dropout=0.0, train_iter=100, eval_every=50)], images)
        assert history[-1].train_loss < 0.5
        assert history[-1].train_acc > 0.9
        assert history[-1].test_acc > 0.5


MIXTURE = [
    recipe(optimizer=SGD(lr=0.1), dropout=0.5, seed=3),
    recipe(optimizer=Adam(lr=0.01), dropout=0.0, seed=1, train_iter=17, eval_every=5),
    recipe(optimizer=AdamW(lr=0.01), dropout=0.2, seed=3, label_noise=0.4, scheduler=CosineAnnealingLR(T_max=20)),
    recipe(optimizer=RMSprop(lr=0.003), dropout=0.95, seed=2, scheduler=OneCycleLR(warmup_iters=3)),
    recipe(optimizer=Adagrad(lr=0.05), seed=1, eval_every=1, scheduler=StepLR(step_size=5, warmup_iters=4)),
    recipe(optimizer=SGD(lr=0.1), seed=1, changes=[{"step": 6, "lr": 0.02, "momentum": 0.5}, {"step": 9, "lr": 0.2}]),
    recipe(optimizer=Adam(lr=0.01), seed=7, label_noise=1.0, train_iter=9),
    recipe(optimizer=SGD(lr=2.0), seed=3, dropout=0.0),
]


class TestLockstep:
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    @pytest.mark.parametrize("hidden_sizes", [(32, 16), (13, 5), (128, 64)])
    def test_a_run_has_the_same_history_alone_and_in_a_cohort_bit_for_bit(self, hidden_sizes, activation, images):
        shape = {"hidden_sizes": hidden_sizes, "activation": activation}
        runs = [Recipe.model_validate(run.model_dump() | shape) for run in MIXTURE]
        together = train(runs, images)
        for run, history in zip(runs, together, strict=True):
            assert history == train([run], images)[0]
        assert [len(history) for history in together] == [3, 4, 3, 3, 24, 3, 2, 3]

    @pytest.mark.parametrize(
        "part", [{"train_size": 50}, {"train_size": 50, "validation_size": 33}, {"batch_size": 120}]
    )
    def test_the_same_holds_for_parts_of_the_data(self, part, images):
        runs = [Recipe.model_validate(run.model_dump() | part) for run in MIXTURE]
        for run, history in zip(runs, train(runs, images), strict=True):
            assert history == train([run], images)[0]

    def test_the_same_holds_for_as_many_test_images_as_published_data_sets_have(self, images):
        many = replace(
            images, test_images=images.test_images.repeat(250, 1), test_labels=images.test_labels.repeat(250)
        )
        runs = [recipe(seed=seed, train_iter=2, eval_every=1) for seed in range(4)]
        for run, history in zip(runs, train(runs, many), strict=True):
            assert history == train([run], many)[0]

    def test_the_order_of_the_runs_does_not_matter(self, images):
        assert train(MIXTURE[::-1], images)[::-1] == train(MIXTURE, images)

    def test_same_seed_means_the_same_weights_and_batches_whatever_the_optimizer(self, images):
        runs = [recipe(optimizer=knobs, train_iter=1, eval_every=1) for knobs in EACH_OPTIMIZER.values()]
        first_losses = {history[0].train_loss for history in train(runs, images)}
        assert len(first_losses) == 1
        assert train([recipe(seed=1, train_iter=1)], images)[0][0].train_loss not in first_losses

    def test_runs_that_share_data_batch_and_shape_share_a_cohort_and_no_others_do(self):
        assert len({cohort_key(run) for run in MIXTURE}) == 1
        others = [
            {"dataset": "x"},
            {"train_size": 5},
            {"validation_size": 5},
            {"batch_size": 5},
            {"hidden_sizes": [32]},
            {"activation": "tanh"},
            {"device": "cpu"},
        ]
        assert len({cohort_key(recipe(**knobs)) for knobs in [{}, *others]}) == 8

    def test_on_real_sizes_too(self):
        generator = torch.Generator().manual_seed(0)
        data = torch.randint(256, (90, 3, 32, 32), dtype=torch.uint8, generator=generator)
        split = ImageSplit(data, torch.randint(10, (90,), generator=generator), tuple("abcdefghij"))
        images = place_images(split, split, CPU)
        shape = {"hidden_sizes": (128, 64), "batch_size": 64, "train_iter": 9, "eval_every": 3}
        runs = [
            Recipe.model_validate(run.model_dump() | shape | {"changes": ()}) for run in MIXTURE if run.train_iter > 20
        ]
        for run, history in zip(runs, train(runs, images), strict=True):
            assert history == train([run], images)[0]


class TestReproducible:
    def test_the_same_recipe_has_the_same_history_while_another_run_goes_on_in_another_thread(self, images):
        alone = train(MIXTURE, images)
        going_on, enough = threading.Event(), threading.Event()

        def train_another() -> None:
            for _ in train_cohort([recipe(train_iter=200_000, eval_every=1000, seed=99)], images, device=CPU):
                going_on.set()
                if enough.is_set():
                    return

        thread = threading.Thread(target=train_another)
        thread.start()
        try:
            assert going_on.wait(10)
            assert train(MIXTURE, images) == alone
            assert thread.is_alive()
        finally:
            enough.set()
            thread.join()

    def test_no_draw_touches_torchs_global_state_nor_depends_on_it(self, images):
        before = torch.get_rng_state()
        first = train(MIXTURE, images)
        assert torch.equal(torch.get_rng_state(), before)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            assert train(MIXTURE, images) == first

    def test_the_images_are_left_as_they_were(self, tiny_images):
        copies = [split.data.clone() for split in tiny_images], [split.targets.clone() for split in tiny_images]
        train(MIXTURE, place_images(*tiny_images, CPU))
        for split, data, targets in zip(tiny_images, *copies, strict=True):
            assert torch.equal(split.data, data)
            assert torch.equal(split.targets, targets)


class TestSchedule:
    @pytest.mark.parametrize("warmup_iters", [0, 5, 30])
    @pytest.mark.parametrize("scheduler", EACH_SCHEDULE, ids=lambda knobs: knobs.name)
    @pytest.mark.parametrize("changes", [(), ({"step": 0, "lr": 0.5}, {"step": 9, "lr": 0.01, "weight_decay": 0.1})])
    def test_the_preview_is_the_rates_that_the_run_recorded(self, scheduler, warmup_iters, changes, images):
        if scheduler.name == "OneCycleLR":
            warmup_iters = min(warmup_iters, 10)
        knobs = scheduler.model_dump() | {"warmup_iters": warmup_iters}
        run = recipe(scheduler=knobs, changes=changes, eval_every=1, optimizer=SGD(lr=0.05))
        (history,) = train([run], images)
        assert [evaluation.lr for evaluation in history] == preview_rates(run)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), train_iter=st.integers(1, 20))
    def test_the_preview_is_the_rates_that_a_run_of_random_knobs_recorded(self, data, train_iter, images):
        scheduler = data.draw(schedulers(train_iter, iterations=st.integers(1, 30)))
        steps = data.draw(st.lists(st.integers(0, train_iter - 1), max_size=3, unique=True))
        lrs = st.floats(1e-6, 0.01)
        changes = [Change(step=step, lr=data.draw(lrs)).model_dump() for step in sorted(steps)]
        optimizer = data.draw(optimizers()).model_copy(update={"lr": data.draw(lrs)})
        run = recipe(scheduler=scheduler, train_iter=train_iter, eval_every=1, changes=changes, optimizer=optimizer)
        (history,) = train([run], images)
        assert [evaluation.lr for evaluation in history] == preview_rates(run)[: len(history)]
        assert history


class TestCommands:
    def drive(
        self, recipes: Sequence[Recipe], images: DeviceImages, at: dict[int, list[Edit | Leave]]
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

    def test_an_edit_is_a_change_of_the_recipe_and_leaves_the_others_alone(self, images):
        runs = [recipe(eval_every=1, seed=seed, optimizer=Adam(lr=0.01)) for seed in (0, 0, 1)]
        items = self.drive(runs, images, {9: [Edit(1, Change(step=9, lr=0.1))]})
        edited = with_change(runs[1], 9, {"lr": 0.1})
        assert [collect(items, position) for position in range(3)] == [
            train([run], images)[0] for run in (runs[0], edited, runs[2])
        ]

    def test_edits_sent_in_together_all_apply_at_the_next_step(self, images):
        runs = [recipe(eval_every=1, seed=seed) for seed in (0, 1)]
        sent = [
            Edit(0, Change(step=4, lr=0.2)),
            Edit(1, Change(step=4, momentum=0.1)),
            Edit(0, Change(step=4, momentum=0.2)),
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
        items = self.drive(runs, images, {5: [Leave(2), Leave(1)]})
        histories = [collect(items, position) for position in range(4)]
        assert [len(history) for history in histories] == [24, 5, 5, 24]
        for run, history in zip(runs, histories, strict=True):
            assert history == train([run], images)[0][: len(history)]

    def test_when_all_have_left_training_ends(self, images):
        items = self.drive([recipe(eval_every=1)], images, {3: [Leave(0)]})
        assert items[-1].step == 3

    def test_what_is_sent_to_a_run_that_is_over_is_passed_over(self, images):
        runs = [recipe(eval_every=1, train_iter=5), recipe(eval_every=1)]
        items = self.drive(runs, images, {9: [Leave(0), Edit(0, Change(step=9, lr=0.1))]})
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

    def test_the_sample_that_train_accuracy_is_measured_on_is_bounded(self):
        assert SAMPLE_SIZE == 2000
