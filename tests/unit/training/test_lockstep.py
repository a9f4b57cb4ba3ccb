"""A cohort trains each of its runs as a plain loop would train it alone, bit for bit."""

import threading
from dataclasses import replace
from itertools import cycle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages, RandomSampler, place_images
from mlpcore.data.datasets import ImageSplit, channel_statistics, draw_training_set, normalise
from mlpcore.recipes.recipe import SGD, Adam, Recipe, StepLR
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.runs.records import Evaluation
from mlpcore.seeds import build_generator
from mlpcore.training import lockstep
from mlpcore.training.evaluation import Measurement
from mlpcore.training.lockstep import cohort_key, train_cohort
from mlpcore.training.models import build_model
from mlpcore.training.optimizers import FUSED_ON_CPU, MuonWithAdamW
from mlpcore.training.stacked_mlp import StackedMLP
from tests.support.cohorts import BASE, CPU, MIXTURE, History, numbers, recipe, train
from tests.support.networks import linear_layers
from tests.support.present import present
from tests.support.recipes import EACH_OPTIMIZER, with_optimizer

WITH_MINI_BATCHES = [knobs for knobs in EACH_OPTIMIZER.values() if not knobs.needs_full_batch]


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def train_plainly(recipe: Recipe, train: ImageSplit, test: ImageSplit) -> History:
    """The loop of every tutorial: a module, autograd, a torch.optim optimizer and a StepLR or ReduceLROnPlateau."""
    mean, std = channel_statistics(train)
    drawn = draw_training_set(train, train_size=recipe.train_size, label_noise=0.0, seed=recipe.seed)
    train = replace(train, data=train.data[drawn.indices], targets=drawn.labels)
    inputs, test_inputs = normalise(train.data, mean, std), normalise(test.data, mean, std)
    model = build_model(recipe, inputs[0].numel(), 10)
    settings = recipe.optimizer.model_dump(exclude={"name"})
    fused = {"fused": True} if recipe.optimizer.name in FUSED_ON_CPU else {}
    kind = MuonWithAdamW if recipe.optimizer.name == "Muon" else getattr(torch.optim, recipe.optimizer.name)
    optimizer = kind(model.parameters(), **settings, **fused)
    settings = recipe.scheduler.model_dump(exclude={"name", "warmup_iters", "start_factor"})
    scheduler = getattr(torch.optim.lr_scheduler, recipe.scheduler.name)(optimizer, **settings)
    follows_losses = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    sampler = RandomSampler(len(train), recipe.batch_size, generator=build_generator(recipe.seed, "batches"))

    history, losses = [], []
    for step in range(1, recipe.train_iter + 1):
        index = next(sampler)
        optimizer.zero_grad()
        loss = F.cross_entropy(model.train()(inputs[index]), train.targets[index])
        loss.backward()
        lr = optimizer.param_groups[0]["lr"]
        layers = linear_layers(model)
        gradients = tuple(present(layer.weight.grad).norm().item() for layer in layers)
        before = [layer.weight.detach().clone() for layer in layers]
        optimizer.step()
        if not follows_losses:
            scheduler.step()
        losses.append(loss.item())
        if step % recipe.eval_every == 0:
            on_train, on_test = measure(model, inputs, train.targets), measure(model, test_inputs, test.targets)
            if follows_losses:
                scheduler.step(on_train[0])
            norms = tuple(torch.linalg.matrix_norm(layer.weight.double()).item() for layer in layers)
            updates = [
                ((layer.weight - old).norm() / max(layer.weight.norm(), old.norm())).item()
                for layer, old in zip(layers, before, strict=True)
            ]
            measured = Evaluation(step, sum(losses) / len(losses), *on_train, *on_test, lr, 0.0, weight_norms=norms)
            history.append(
                replace(
                    measured,
                    gradient_norms=gradients,
                    update_ratios=tuple(updates),
                    stuck_units=share_of_dead_units(model, inputs),
                )
            )
            losses.clear()
    return history


@torch.no_grad()
def measure(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    logits = model.eval()(inputs)
    hits = (logits.argmax(dim=1) == labels).double().mean().item()
    return F.cross_entropy(logits.double(), labels).item(), hits


@torch.no_grad()
def share_of_dead_units(model: nn.Module, inputs: torch.Tensor) -> tuple[float, ...]:
    hidden, shares = inputs.flatten(1), []
    for layer in linear_layers(model)[:-1]:
        hidden = torch.relu(layer(hidden))
        shares.append((hidden == 0).all(dim=0).double().mean().item())
    return tuple(shares)


class TestPlainLoop:
    @pytest.mark.parametrize("dropout", [0.0, 0.5])
    @pytest.mark.parametrize("name", EACH_OPTIMIZER)
    def test_a_run_is_the_plain_loop(self, name, dropout, images, tiny_images):
        run = with_optimizer(BASE, EACH_OPTIMIZER[name], dropout=dropout, scheduler=StepLR(step_size=7), seed=5)
        expected = numbers(train_plainly(run, *tiny_images))
        (history,) = train([run], images)
        assert len(history) == 3
        for found, wanted in zip(numbers(history), expected, strict=True):
            # the plain loop's gradients are the same to the bit; its means are summed in another order
            assert found == pytest.approx(wanted, rel=2e-6, abs=0)

    @pytest.mark.parametrize("name", EACH_OPTIMIZER)
    def test_its_health_is_that_of_the_plain_loop(self, name, images, tiny_images):
        run = with_optimizer(BASE, EACH_OPTIMIZER[name], dropout=0.0, scheduler=StepLR(step_size=7), seed=5)
        (history,) = train([run], images)
        for found, wanted in zip(history, train_plainly(run, *tiny_images), strict=True):
            assert found.gradient_norms == pytest.approx(wanted.gradient_norms, rel=1e-3)  # four digits are kept
            assert found.update_ratios == pytest.approx(wanted.update_ratios, rel=1e-3)
            assert found.stuck_units == pytest.approx(wanted.stuck_units, rel=1e-3)

    @pytest.mark.parametrize("knobs", [{"patience": 1}, {"threshold_mode": "abs"}, {"cooldown": 2}, {"min_lr": 0.1}])
    def test_the_rate_drops_where_it_does_in_the_plain_loop(self, knobs, images, tiny_images):
        scheduler = ReduceLROnPlateau(**{"factor": 0.5, "patience": 0, "threshold": 0.4} | knobs)
        run = recipe(optimizer=SGD(lr=0.5, nesterov=False), dropout=0.0, scheduler=scheduler, eval_every=2)
        (history,) = train([run], images)
        rates = [evaluation.lr for evaluation in train_plainly(run, *tiny_images)]
        assert [evaluation.lr for evaluation in history] == rates
        assert rates[-1] < rates[0]

    def test_runs_of_a_cohort_are_plain_loops_each(self, images, tiny_images):
        runs = [
            recipe(optimizer=knobs, dropout=dropout, scheduler=StepLR(step_size=7), seed=seed)
            for seed, (knobs, dropout) in enumerate(
                zip(WITH_MINI_BATCHES, cycle((0.5, 0.0, 0.2, 0.5, 0.0, 0.9)), strict=False)
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


class TestLockstep:
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
    @pytest.mark.parametrize("hidden_sizes", [(32, 16), (13, 5), (128, 64)])
    def test_a_run_has_the_same_history_alone_and_in_a_cohort_bit_for_bit(self, hidden_sizes, activation, images):
        shape = {"hidden_sizes": hidden_sizes, "activation": activation}
        runs = [Recipe.model_validate(run.model_dump() | shape) for run in MIXTURE]
        together = train(runs, images)
        for run, history in zip(runs, together, strict=True):
            assert history == train([run], images)[0]
        assert [len(history) for history in together] == [3, 4, 3, 3, 24, 3, 2, 3, 3, 8, 6]

    def test_every_optimizer_trains_in_a_cohort_as_it_does_alone(self, images):
        full = {"train_size": BASE.batch_size}  # which Rprop needs, and all of a cohort share
        runs = [recipe(optimizer=knobs, seed=place % 3, **full) for place, knobs in enumerate(EACH_OPTIMIZER.values())]
        for run, history in zip(runs, train(runs, images), strict=True):
            assert history == train([run], images)[0]

    def test_loss_gradient_and_initial_weights_of_each_run_are_its_own(self, images):
        own: list[dict[str, object]] = [
            {"label_smoothing": 0.1},
            {"max_norm": 0.1},
            {},
            {"l1_penalty": 1e-3, "init": "xavier"},
            {"label_smoothing": 0.3, "max_norm": 1.0, "init": "he", "train_iter": 9},
            {"init": "zeros"},
        ]
        runs = [recipe(**values, optimizer=Adam(lr=0.01)) for values in own]
        histories = train(runs, images)
        for run, history in zip(runs, histories, strict=True):
            assert history == train([run], images)[0]
        assert len({history[0].train_loss for history in histories}) == len(runs)

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

    def test_only_the_runs_that_are_due_are_measured(self, images, monkeypatch):
        sizes = []

        class Counting(Measurement):
            def __init__(self, network: StackedMLP) -> None:
                super().__init__(network)
                sizes.append(len(network.biases[0]))

        monkeypatch.setattr(lockstep, "Measurement", Counting)
        eval_every = (4, 12, 4, 24, 6)
        runs = [recipe(eval_every=every, seed=seed, label_noise=0.5) for seed, every in enumerate(eval_every)]
        together = train(runs, images)
        # steps 4, 6, 8, 12, 16, 18, 20, 24: networks side by side are measured together
        assert sizes == [1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 5]
        assert together == [train([run], images)[0] for run in runs]

    def test_the_order_of_the_runs_does_not_matter(self, images):
        assert train(MIXTURE[::-1], images)[::-1] == train(MIXTURE, images)

    def test_same_seed_means_the_same_weights_and_batches_whatever_the_optimizer(self, images):
        runs = [recipe(optimizer=knobs, train_iter=1, eval_every=1) for knobs in WITH_MINI_BATCHES]
        first_losses = {history[0].train_loss for history in train(runs, images)}
        assert len(first_losses) == 1
        assert train([recipe(seed=1, train_iter=1)], images)[0][0].train_loss not in first_losses

    def test_runs_that_share_data_batch_and_shape_share_a_cohort_and_no_others_do(self):
        assert len({cohort_key(run) for run in MIXTURE}) == 1
        others: list[dict[str, object]] = [
            {"dataset": "x"},
            {"train_size": 5},
            {"validation_size": 5},
            {"batch_size": 5},
            {"hidden_sizes": [32]},
            {"activation": "tanh"},
            {"precision": "bfloat16"},
            {"device": "cpu"},
        ]
        assert len({cohort_key(recipe(**knobs)) for knobs in [{}, *others]}) == 9

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_on_real_sizes_too(self, precision: str) -> None:
        generator = torch.Generator().manual_seed(0)
        data = torch.randint(256, (90, 3, 32, 32), dtype=torch.uint8, generator=generator)
        split = ImageSplit(data, torch.randint(10, (90,), generator=generator), tuple("abcdefghij"))
        images = place_images(split, split, CPU)
        shape = {"hidden_sizes": (128, 64), "batch_size": 64, "train_iter": 9, "eval_every": 3, "precision": precision}
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

    def test_the_images_are_left_as_they_were(self, tiny_images: tuple[ImageSplit, ImageSplit]) -> None:
        copies = [split.data.clone() for split in tiny_images], [split.targets.clone() for split in tiny_images]
        train(MIXTURE, place_images(*tiny_images, CPU))
        for split, data, targets in zip(tiny_images, *copies, strict=True):
            assert torch.equal(split.data, data)
            assert torch.equal(split.targets, targets)
