"""Snapshots of a run hold the predictions and the first layers of a plain loop's network."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mlpcore.data.batches import DeviceImages, RandomSampler, place_images
from mlpcore.data.datasets import ImageSplit, channel_statistics, normalise
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, Snapshot, count_confusion, rank_class, rank_mistakes
from mlpcore.seeds import build_generator
from mlpcore.training.evaluation import LossAndAccuracy, Metrics, find_top_classes, weights_to_pixels
from mlpcore.training.lockstep import Progress, train_cohort
from mlpcore.training.models import MLPnet, build_model
from tests.support.networks import linear_layers
from tests.support.snapshots import BASE, evaluate_often, recipe, snapshot

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def train(recipes: Sequence[Recipe], images: DeviceImages) -> list[Progress]:
    return [item for item in train_cohort(recipes, images, device=CPU) if item.evaluations or item.over]


def snapshots_of(items: Sequence[Progress], position: int = 0) -> list[Snapshot]:
    """The snapshot of a run after each of its evaluations, as a manager keeps it."""
    found: list[Snapshot] = []
    for item in items:
        if position in item.snapshots:
            found.append(item.snapshots[position].after(found[-1] if found else None))
    return found


def train_plainly(recipe: Recipe, train: ImageSplit) -> dict[int, MLPnet]:
    """The loop of every tutorial; the network before training and at each evaluation, by step."""
    inputs = normalise(train.data, *channel_statistics(train))
    model = build_model(recipe, inputs[0].numel(), 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    sampler = RandomSampler(len(train), recipe.batch_size, generator=build_generator(recipe.seed, "batches"))
    found = {0: copy.deepcopy(model)}
    for step in range(1, recipe.train_iter + 1):
        index = next(sampler)
        optimizer.zero_grad()
        F.cross_entropy(model.train()(inputs[index]), train.targets[index]).backward()
        optimizer.step()
        if step % recipe.eval_every == 0:
            found[step] = copy.deepcopy(model).eval()
    return found


class TestPlainLoop:
    def test_the_top_classes_are_the_top_three_of_the_plain_networks_softmax(self, images, tiny_images):
        models = train_plainly(BASE, tiny_images[0])
        inputs = normalise(tiny_images[1].data, *channel_statistics(tiny_images[0]))
        found = snapshots_of(train([BASE], images))
        assert [taken.step for taken in found] == [8, 16, 24]
        for taken in found:
            with torch.no_grad():
                top = torch.topk(torch.softmax(models[taken.step](inputs), dim=1), 3)
            assert taken.top_classes.tolist() == top.indices.tolist()
            np.testing.assert_allclose(taken.top_probabilities, top.values.numpy(), atol=5e-4)
            assert (taken.labels.tolist(), taken.classes) == (tiny_images[1].targets.tolist(), tuple("abcdefghij"))
            assert (taken.labels.dtype, taken.top_classes.dtype) == (np.uint8, np.uint8)
            assert taken.top_probabilities.dtype == np.float16

    def test_the_first_layers_are_the_plain_networks_before_training_and_at_each_evaluation(self, images, tiny_images):
        models = train_plainly(BASE, tiny_images[0])
        (*_, last) = snapshots_of(train([BASE, recipe(seed=1)], images))
        assert [(layer.number, layer.step) for layer in last.first_layers] == [(0, 0), (1, 8), (2, 16), (3, 24)]
        for layer in last.first_layers:
            weights = linear_layers(models[layer.step])[0].weight.detach()[:24].view(24, 3, 4, 4).numpy()
            expected = 128 + 127 * weights / np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
            assert layer.units.dtype == np.uint8
            np.testing.assert_allclose(layer.units, expected, atol=0.51)
        assert not np.array_equal(last.first_layers[0].units, last.first_layers[3].units)

    def test_grey_images_of_28_by_28_give_first_layers_of_their_own_size(self):
        generator = torch.Generator().manual_seed(0)
        data = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8, generator=generator)
        split = ImageSplit(data, torch.arange(40) % 2, ("even", "odd"))
        run = recipe(hidden_sizes=(5,), train_iter=2, eval_every=1)
        (*_, last) = snapshots_of(train([run], place_images(split, split, CPU)))
        assert [layer.units.shape for layer in last.first_layers] == [(5, 1, 28, 28)] * 3
        assert last.top_classes.shape == (40, 2)


class TestConfusion:
    def test_its_sum_is_the_test_set_and_its_trace_the_test_accuracy_of_every_evaluation_exactly(self, images):
        runs = [BASE, recipe(seed=1, eval_every=5), recipe(optimizer=SGD(lr=0.1)), recipe(hidden_sizes=(32, 16))]
        items = train(runs, images)
        assert sum(len(item.evaluations) for item in items) == 14
        for item in items:
            assert item.snapshots.keys() == item.evaluations.keys()
            for position, evaluation in item.evaluations.items():
                counts = count_confusion(item.snapshots[position])
                assert (counts.shape, counts.sum()) == ((10, 10), 40)
                assert counts.trace() / counts.sum() == evaluation.test_acc

    def test_of_equal_logits_the_first_comes_first_as_in_the_accuracy(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randint(3, (2, 200, 10), generator=generator).float()  # topk alone would take another of them
        logits[0, 0] = 5.0
        classes, probabilities = find_top_classes(logits, logits.argmax(dim=2))
        assert classes[0, 0].tolist() == [0, 1, 2]
        assert classes[..., 0].tolist() == logits.argmax(dim=2).tolist()
        np.testing.assert_allclose(probabilities[0, 0], [0.1] * 3, atol=1e-4)

    def test_rows_are_true_classes_and_columns_what_the_network_said(self):
        counts = count_confusion(snapshot())
        assert counts.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]

    def test_the_most_confident_mistakes_come_first(self):
        assert rank_mistakes(snapshot()).tolist() == [3, 1]
        assert rank_class(snapshot(), 0).tolist() == [1, 0]
        assert rank_class(snapshot(), 2).tolist() == []


class TestThinning:
    @pytest.mark.parametrize(
        ("times", "numbers"),
        [
            (1, [0, 1]),
            (11, [*range(12)]),
            (12, [0, 2, 4, 6, 8, 10, 12]),
            (13, [0, 2, 4, 6, 8, 10, 12, 13]),
            (22, [*range(0, 23, 2)]),
            (23, [0, 4, 8, 12, 16, 20, 23]),
            (1000, [0, 128, 256, 384, 512, 640, 768, 896, 1000]),
        ],
    )
    def test_first_layers_are_evenly_spaced_from_the_start_with_the_newest_last(self, times, numbers):
        layers = evaluate_often(times).first_layers
        assert [layer.number for layer in layers] == numbers
        assert [layer.step for layer in layers] == [8 * number for number in numbers]
        assert [int(layer.units[0, 0, 0, 0]) for layer in layers] == [number % 256 for number in numbers]

    def test_there_are_never_more_first_layers_than_the_bound(self):
        assert max(len(evaluate_often(times).first_layers) for times in range(1, 300)) == MAX_FIRST_LAYERS

    def test_a_unit_whose_weights_are_all_zero_is_grey(self):
        weights = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.5, -1.0, 0.0, 1.0]])
        assert weights_to_pixels(weights, torch.Size((1, 2, 2))).reshape(2, 4).tolist() == [
            [128] * 4,
            [192, 1, 128, 255],
        ]


@pytest.mark.parametrize("place", range(4))
def test_a_network_is_finite_if_its_losses_on_all_images_and_its_weights_are(place: int) -> None:
    values = [1.0, 1.0, 1.0, 1.0]
    kept = np.empty((0, 3), np.float16)

    def measure() -> Metrics:
        *losses, norm = values
        seen, unseen, held_out = (LossAndAccuracy(loss, 0.5) for loss in losses)
        return Metrics(seen, unseen, held_out, (norm,), (), kept, kept)

    assert measure().is_finite
    values[place] = math.nan
    assert not measure().is_finite
