"""The learning-rate test trains as a plain loop of torch does, while the rate grows; it evaluates nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages, RandomSampler, place_images
from mlpcore.data.datasets import ImageSplit, channel_statistics, normalise
from mlpcore.jobs.lr_test import check_memory, run_lr_test
from mlpcore.messages import SentenceError
from mlpcore.recipes.optimizers import Rprop
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.seeds import build_generator
from mlpcore.training.models import build_model
from mlpcore.training.optimizers import MuonWithAdamW
from tests.support.cohorts import CPU, recipe
from tests.support.recipes import EACH_OPTIMIZER, with_optimizer

RECIPE = recipe(optimizer=SGD(lr=0.5), seed=3)


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def train_plainly(recipe: Recipe, train: ImageSplit) -> list[float]:
    """The loop of every tutorial, with a rate of its own at each mini-batch."""
    inputs = normalise(train.data, *channel_statistics(train))
    model = build_model(recipe, inputs[0].numel(), 10)
    settings = recipe.optimizer.model_dump(exclude={"name"})
    kind = MuonWithAdamW if recipe.optimizer.name == "Muon" else getattr(torch.optim, recipe.optimizer.name)
    optimizer = kind(model.parameters(), **settings)
    sampler = RandomSampler(len(train), recipe.batch_size, generator=build_generator(recipe.seed, "batches"))
    losses = []
    for rate in np.geomspace(1e-6, 10, 100):
        index = next(sampler)
        optimizer.param_groups[0]["lr"] = float(rate)
        optimizer.zero_grad()
        loss = F.cross_entropy(model.train()(inputs[index]), train.targets[index])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", [name for name, knobs in EACH_OPTIMIZER.items() if not knobs.reads_lr_once])
def test_each_seed_has_the_losses_of_torchs_own_loop_at_growing_rates(name, tiny_images, images):
    tested = RECIPE.replace(optimizer=EACH_OPTIMIZER[name])
    test = run_lr_test(tested, images, device=CPU)
    assert test.rates == pytest.approx(np.geomspace(1e-6, 10, 100))
    for number, losses in enumerate(test.losses):
        expected = train_plainly(tested.replace(seed=3 + number), tiny_images[0])
        # rounding differs: it grows once the rate is so high that training is chaotic
        assert losses[:60] == pytest.approx(expected[: len(losses)][:60], rel=1e-3)


def test_seeds_go_on_at_0_after_the_largest(images):
    largest, smallest = (run_lr_test(RECIPE.replace(seed=seed), images, device=CPU) for seed in (2**32 - 1, 0))
    assert largest.losses[1:] == smallest.losses[:-1]


def test_an_optimizer_that_reads_its_rate_once_is_refused(images):
    with pytest.raises(SentenceError, match=r"lr cannot be tested with Rprop, which reads it at its first iteration"):
        run_lr_test(with_optimizer(RECIPE, Rprop()), images, device=CPU)


def test_losses_end_where_they_explode(images):
    test = run_lr_test(RECIPE.replace(dropout=0.0), images, device=CPU)
    for losses in test.losses:
        assert len(losses) < 100
        assert np.isfinite(losses).all()
        assert max(losses[:-1]) <= 4 * np.mean(losses[:10])


def test_result_depends_on_neither_lr_nor_schedule_nor_length(images):
    other = RECIPE.replace(
        optimizer=SGD(lr=0.001),
        train_iter=3000,
        scheduler={"name": "OneCycleLR"},
        changes=[{"step": 5, "lr": 0.2}],
    )
    assert run_lr_test(other, images, device=CPU) == run_lr_test(RECIPE, images, device=CPU)


def test_no_test_image_is_read(images):
    unreadable = replace(images, test_images=torch.empty(0))
    assert run_lr_test(RECIPE, unreadable, device=CPU) == run_lr_test(RECIPE, images, device=CPU)


def test_share_that_is_done_is_reported(images):
    shares: list[float] = []
    test = run_lr_test(RECIPE.replace(optimizer=Adam()), images, device=CPU, report=shares.append)
    longest = max(map(len, test.losses))
    assert shares[:longest] == [step / 100 for step in range(1, longest + 1)]


def test_recipe_that_does_not_fit_the_images_is_refused(images):
    with pytest.raises(SentenceError, match="batch_size"):
        run_lr_test(RECIPE.replace(batch_size=100_000), images, device=CPU)


def test_network_that_does_not_fit_in_memory_is_refused_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("mlpcore.jobs.lr_test.find_budget", lambda _device: 300_000_000)
    check_memory(Recipe(), tmp_path, CPU)
    with pytest.raises(SentenceError) as refusal:
        check_memory(Recipe(hidden_sizes=(4096, 1024)), tmp_path, CPU)
    assert str(refusal.value) == (
        "The learning-rate test needs 1.4 GB of memory, and 0.3 GB are free. Choose smaller hidden_sizes or a smaller "
        "batch_size, or try again when some runs have ended."
    )
