"""What diagnoses make of the initial weights: how large they are expected to be, and what comes of zeros."""

import math
from dataclasses import replace

import pytest

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis
from mlpcore.analysis.diagnoses.rules import diagnose
from mlpcore.analysis.diagnoses.trends import measure_weight_growth
from mlpcore.analysis.diagnoses.wording import describe_finding, describe_rule, describe_suggestion
from mlpcore.data.batches import place_images
from mlpcore.data.datasets import ImageSplit
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.training.models import build_model
from tests.support.cohorts import CPU, recipe, train
from tests.support.histories import FLAT, KINDS, evaluation, history, only, run
from tests.support.networks import linear_layers
from tests.support.present import present


@pytest.mark.parametrize(("dataset", "inputs"), [("Shapes", 3072), ("MNIST", 784), ("Moons", 2)])
@pytest.mark.parametrize("init", ["torch", "xavier", "he"])
def test_the_expected_norm_is_that_of_torchs_weights_in_each_scheme(init: str, dataset: str, inputs: int) -> None:
    drawn = Recipe(dataset=dataset, hidden_sizes=(512, 256)).replace(init=init)
    norms = [layer.weight.norm().item() for layer in linear_layers(build_model(drawn, inputs, 10))]
    growth = measure_weight_growth(evaluation(1, weight_norms=tuple(norms)), recipe=drawn, classes=10)
    assert growth == pytest.approx(1.0, abs=0.02)


def test_growth_is_unknown_from_zeros_and_without_norms() -> None:
    assert measure_weight_growth(evaluation(1, weight_norms=(1.0,)), recipe=Recipe(init="zeros"), classes=10) is None
    assert measure_weight_growth(evaluation(1), recipe=Recipe(), classes=10) is None


def diagnose_zeros(tiny_images: tuple[ImageSplit, ImageSplit], activation: str) -> list[Diagnosis]:
    """The diagnoses of a real run that began with zeros."""
    begun = recipe(init="zeros", activation=activation, eval_every=4, dropout=0.0)
    (evaluations,) = train([begun], place_images(*tiny_images, CPU))
    return list(diagnose(replace(run(evaluations, begun), status=RunStatus.FINISHED), test_images=40))


@pytest.mark.parametrize(("activation", "init"), [("relu", "he"), ("tanh", "xavier"), ("sigmoid", "xavier")])
def test_zeros_are_named_as_the_cause_and_a_random_start_is_a_click_away(
    activation: str, init: str, tiny_images: tuple[ImageSplit, ImageSplit]
) -> None:
    diagnosis = diagnose_zeros(tiny_images, activation)[0]
    assert diagnosis.kind is KINDS.ALIKE
    assert "all weights began at 0, so nothing tells the units of a layer apart" in str(describe_finding(diagnosis))
    assert str(describe_rule(diagnosis)).startswith("init is zeros, and either most units of a layer are dead or")
    suggestion = present(diagnosis.suggestion)
    assert (suggestion.init, str(describe_suggestion(diagnosis))) == (init, f"Set init to {init}")


def test_a_run_from_zeros_that_learns_is_not_blamed_for_them() -> None:
    learned = history(lambda step: 0.6 + 1.7 * math.exp(-step / 700))
    assert only(run(learned, FLAT.replace(init="zeros"))).kind is KINDS.HEALTHY
    jumping = history(lambda step: 1.0 + 0.4 * (step // 100 % 2))
    assert only(run(jumping, FLAT.replace(init="zeros"))).kind is KINDS.TOO_HIGH
