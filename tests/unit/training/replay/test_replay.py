"""A replay has the networks of its run, bit for bit, and says so where it has not."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.runs.records import Run, RunStatus
from mlpcore.training.kernels.matmul import choose_rule
from mlpcore.training.lockstep import train_cohort
from mlpcore.training.models import MLPnet, build_model
from mlpcore.training.replay.network import NetworkView, TrainedNetwork
from mlpcore.training.replay.replay import PastRun, Replayed, find_obstacle, replay, replay_cohort, replay_run
from mlpcore.training.reproducibility import describe_environment
from tests.support.cohorts import CPU, MIXTURE, recipe
from tests.support.generators import exhaust

RECIPE = recipe(optimizer=Adam(lr=0.01), dropout=0.2, seed=4)


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def train(recipe: Recipe, images: DeviceImages) -> Run:
    """Train a recipe as the worker does, to a record of its run."""
    rule = choose_rule()
    items = train_cohort([recipe], images, device=CPU, rule=rule)
    evaluations = tuple(evaluation for item in items for evaluation in item.evaluations.values())
    versions = describe_environment(rule)
    return Run("a", "a", recipe, RunStatus.FINISHED, 0.0, device="cpu", versions=versions, evaluations=evaluations)


def networks(recipe: Recipe, images: DeviceImages, *at: int) -> list[Replayed]:
    found = replay(PastRun(recipe, KernelRule.MKL), images, device=CPU, at=at)
    return [network for _step, network in found if network is not None]


def as_model(network: Replayed, recipe: Recipe) -> MLPnet:
    """Put a replayed network's weights into the lecture's."""
    model = build_model(recipe, network.weights[0].shape[1], len(network.biases[-1])).eval()
    with torch.no_grad():
        for parameter, replayed in zip(model.parameters(), network.parameters, strict=True):
            parameter.copy_(replayed)
    return model


@pytest.mark.parametrize("number", range(len(MIXTURE)))
def test_replayed_networks_have_the_norms_and_losses_of_the_runs_evaluations(number: int, images: DeviceImages) -> None:
    run = train(MIXTURE[number], images)
    assert run.evaluations
    past = PastRun.of(run)
    found = [network for _step, network in replay(past, images, device=CPU, at=past.steps) if network is not None]
    assert [network.step for network in found] == [evaluation.step for evaluation in run.evaluations]
    for evaluation, network in zip(run.evaluations, found, strict=True):
        assert tuple(network.weight_norms()) == evaluation.weight_norms
        with torch.no_grad():
            logits = as_model(network, run.recipe)(images.normalise(images.test_images))
        losses = F.cross_entropy(logits, images.test_labels, reduction="none")
        assert math.fsum([losses.sum(dtype=torch.float64).item()]) / len(losses) == evaluation.test_loss


def test_a_replay_is_the_same_whatever_else_is_asked_for(images: DeviceImages) -> None:
    every = networks(RECIPE, images, *range(25))
    assert [network.step for network in every] == list(range(25))
    (last,) = networks(RECIPE, images, 24)
    assert torch.equal(last.flatten(), every[24].flatten())
    assert not torch.equal(every[23].flatten(), every[24].flatten())


def test_a_replay_keeps_no_average_of_the_weights(images: DeviceImages) -> None:
    averaged = RECIPE.replace(average="EMA")
    found = [cohort for _step, cohort in replay_cohort(PastRun(averaged, KernelRule.MKL), images, device=CPU, at=[2])]
    assert [run.average for cohort in found if cohort is not None for run in cohort.runs] == [None]


def test_step_0_is_the_initial_network(images: DeviceImages) -> None:
    (first,) = networks(RECIPE, images, 0)
    model = build_model(RECIPE, 48, 10)
    assert all(map(torch.equal, first.parameters, model.parameters()))


def test_changes_are_made_when_they_were_made(images: DeviceImages) -> None:
    changed = RECIPE.replace(optimizer=SGD(lr=0.1), changes=[{"step": 8, "lr": 0.5}])
    plain = changed.replace(changes=())
    for at, same in ((8, True), (9, False)):
        one, other = (networks(each, images, at)[0].flatten() for each in (changed, plain))
        assert torch.equal(one, other) == same


def test_control_comes_back_while_nothing_is_asked_for(images: DeviceImages) -> None:
    long = RECIPE.replace(train_iter=5_000, eval_every=5_000)
    items = replay(PastRun(long, KernelRule.MKL), images, device=CPU, at=[5_000])
    step, network = next(items)
    assert 0 < step < 5_000
    assert network is None


@pytest.mark.parametrize("at", [[], [-1], [25]])
def test_steps_that_the_recipe_does_not_have_are_refused(at: list[int], images: DeviceImages) -> None:
    with pytest.raises(ValueError, match="steps must be from 0 to 24"):
        networks(RECIPE, images, *at)


def test_changed_images_are_noticed(images: DeviceImages) -> None:
    past = PastRun.of(train(RECIPE, images))
    assert past.steps == (8, 16, 24)
    brighter = replace(images, train_images=images.train_images // 2)
    with pytest.raises(SentenceError, match="At step 8 the replayed network is not the one that this run had"):
        list(replay_run(past, brighter, device=CPU, at=[8]))


def test_a_run_of_an_older_version_has_no_norms_to_compare(images: DeviceImages) -> None:
    run = train(RECIPE, images)
    old = replace(run, evaluations=tuple(replace(evaluation, weight_norms=()) for evaluation in run.evaluations))
    assert len(list(replay_run(PastRun.of(old), images, device=CPU, at=[8, 16]))) >= 2


def test_runs_of_one_recipe_are_one_past(images: DeviceImages) -> None:
    run = train(RECIPE, images)
    twin = replace(train(RECIPE, images), id="b", name="another")
    other = train(RECIPE.replace(seed=5), images)
    assert PastRun.of(run) == PastRun.of(twin)
    assert hash(PastRun.of(run)) == hash(PastRun.of(twin))
    assert PastRun.of(run) != PastRun.of(other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"status": RunStatus.RUNNING}, "This appears when the run is over"),
        ({"status": RunStatus.STOPPED, "evaluations": ()}, "This run was never evaluated"),
        ({"versions": describe_environment() | {"torch": "1.0"}}, "This run cannot be repeated here"),
    ],
)
def test_a_run_that_cannot_be_replayed_says_why(
    changed: dict[str, Any], said: str | None, images: DeviceImages
) -> None:
    obstacle = find_obstacle(replace(train(RECIPE, images), **changed))
    assert str(obstacle or "").startswith(said or "")
    assert (obstacle is None) == (said is None)


class TestNetworkView:
    @staticmethod
    def compute(run: Run, step: int, images: DeviceImages) -> TrainedNetwork:
        trained, shares = exhaust(NetworkView(PastRun.of(run), step).compute(images, CPU))
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        return trained

    def test_it_gives_the_logits_of_plain_torch_on_raw_pixels(self, images: DeviceImages) -> None:
        for activation in ("relu", "tanh", "sigmoid"):
            run = train(RECIPE.replace(activation=activation), images)
            trained = self.compute(run, 16, images)
            assert trained.network.step == 16
            model = as_model(trained.network, run.recipe)
            with torch.no_grad():
                expected = model(images.normalise(images.test_images))
            assert torch.equal(trained.compute_logits(images.test.data), expected)

    def test_probabilities_are_the_softmax_of_them(self, images: DeviceImages) -> None:
        trained = self.compute(train(RECIPE, images), 24, images)
        picture = images.test.data[3]
        expected = torch.softmax(trained.compute_logits(picture.unsqueeze(0))[0].double(), 0)
        assert trained.classify(picture.numpy()) == expected.tolist()
        assert trained.classes == tuple("abcdefghij")
        assert trained.image_shape == (3, 4, 4)
