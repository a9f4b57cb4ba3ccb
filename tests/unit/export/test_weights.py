"""A network leaves as safetensors: the lines beside the file load it into plain PyTorch, and give the same logits."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit, load_data
from mlpcore.export.weights import write_loading_code, write_weights
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.training.replay.network import NetworkView, TrainedNetwork
from mlpcore.training.replay.replay import PastRun
from tests.support.cohorts import CPU, recipe, train
from tests.support.generators import exhaust

RECIPE = recipe(optimizer=Adam(lr=0.01), dropout=0.5, seed=2)


@pytest.fixture(scope="module")
def images(tiny_images: tuple[ImageSplit, ImageSplit]) -> DeviceImages:
    return place_images(*tiny_images, CPU)


def replay(recipe: Recipe, images: DeviceImages, step: int) -> TrainedNetwork:
    return exhaust(NetworkView(PastRun(recipe, KernelRule.MKL, ()), step).compute(images, CPU))[0]


def run_lines(trained: TrainedNetwork, recipe: Recipe, folder: Path, images: torch.Tensor) -> torch.Tensor:
    """Save the file, run the lines shown beside it, and return their logits."""
    file = folder / "Adam.safetensors"
    file.write_bytes(write_weights(trained, recipe))
    names: dict[str, torch.Tensor] = {"images": images}
    exec(compile(write_loading_code(trained, str(file)), "lines", "exec"), names)
    return names["logits"]


@pytest.mark.parametrize(
    "knobs", [{}, {"activation": "tanh"}, {"activation": "sigmoid", "hidden_sizes": (7,)}, {"hidden_sizes": (9, 8, 7)}]
)
def test_the_lines_give_the_logits_of_the_run_bit_for_bit(
    knobs: dict[str, object], images: DeviceImages, tmp_path: Path
) -> None:
    trained_recipe = RECIPE.replace(**knobs)
    trained = replay(trained_recipe, images, 24)
    logits = run_lines(trained, trained_recipe, tmp_path, images.test.data)
    assert torch.equal(logits, trained.compute_logits(images.test.data))
    (history,) = train([trained_recipe], images)
    hits = int((logits.argmax(dim=1) == images.test_labels).sum())
    assert hits / len(logits) == history[-1].test_acc
    loss = torch.nn.functional.cross_entropy(logits, images.test_labels, reduction="none").double().mean()
    assert loss.item() == pytest.approx(history[-1].test_loss, rel=1e-6)


def test_a_network_of_points_is_loaded_by_the_same_lines(tmp_path: Path) -> None:
    points = place_images(*load_data(DataSource("Moons"), tmp_path), CPU)
    moons = RECIPE.replace(dataset="Moons", hidden_sizes=(8,), points={"name": "Moons"})
    trained = replay(moons, points, 24)
    logits = run_lines(trained, moons, tmp_path, points.test.data)
    (history,) = train([moons], points)
    assert int((logits.argmax(dim=1) == points.test_labels).sum()) / len(logits) == history[-1].test_acc


def test_six_lines_load_the_network(images: DeviceImages) -> None:
    trained = replay(RECIPE, images, 8)
    loading, using = write_loading_code(trained, "SGD-1.safetensors").split("\n\nlogits")
    assert [line for line in loading.splitlines() if line] == [
        "import torch",
        "from safetensors.torch import load_file",
        "weights = load_file('SGD-1.safetensors')",
        'mean, std = weights.pop("mean"), weights.pop("std")',
        "model = torch.nn.Sequential(torch.nn.Linear(48, 32), torch.nn.ReLU(), torch.nn.Linear(32, 16), "
        "torch.nn.ReLU(), torch.nn.Linear(16, 10))",
        "model.load_state_dict(weights)",
    ]
    assert using == " = model((images.flatten(1) - mean) / std)\n"


def test_the_file_says_what_it_is_and_needs_no_other(images: DeviceImages, tmp_path: Path) -> None:
    trained = replay(RECIPE, images, 16)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(write_weights(trained, RECIPE))
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
        assert sorted(opened.keys()) == sorted(
            ["mean", "std", *(f"{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias"))]
        )
        assert torch.equal(opened.get_tensor("mean"), images.mean)
        assert torch.equal(opened.get_tensor("std"), images.std)
    assert Recipe.model_validate_json(metadata["recipe"]) == RECIPE
    assert metadata["step"] == "16"
    assert json.loads(metadata["classes"]) == list("abcdefghij")
    assert json.loads(metadata["image_shape"]) == [3, 4, 4]


def test_a_file_is_as_large_as_its_numbers(images: DeviceImages) -> None:
    trained = replay(RECIPE, images, 8)
    written = write_weights(trained, RECIPE)
    (header,) = struct.unpack("<Q", written[:8])
    weights = 48 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10
    assert len(written) == 8 + header + 4 * (weights + 2 * 48)
