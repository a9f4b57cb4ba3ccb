"""The lab's story on a spiral with 20 % wrong labels, as its preset tells it: with these seeds it is true."""

from functools import cache
from pathlib import Path

import numpy as np

from mlpcore.analysis.remedies import OVERFITTING_PRESETS, build_lab_recipe, build_remedies
from mlpcore.data.batches import place_images
from mlpcore.data.datasets import load_data
from mlpcore.recipes.points import Spiral
from mlpcore.runs.plane import SIDE, Plane
from mlpcore.training.lockstep import cohort_key, train_cohort
from tests.support.cohorts import CPU
from tests.support.present import present

IMAGES, SEEDS = 2_000, 3
POINTS = Spiral(count=IMAGES)
BASE = build_lab_recipe(**{"points": POINTS, "images": IMAGES, **OVERFITTING_PRESETS["spiral"]})


@cache
def results() -> dict[str, tuple[float, float]]:
    """For the base and each remedy, means over the seeds: the test accuracy, and the share of wrong labels learned."""
    images = place_images(*load_data(BASE.data, Path("nowhere")), CPU)
    named = {"base": BASE} | {remedy.name: remedy.recipe for remedy in build_remedies(BASE, images=IMAGES)}
    del named["smaller_network"]
    last = {"eval_every": BASE.train_iter}  # an evaluation changes nothing of a run
    runs = [(name, one.replace(seed=seed, **last)) for name, one in named.items() for seed in range(SEEDS)]
    found: dict[str, list[tuple[float, float]]] = {}
    for key in {cohort_key(one) for _name, one in runs}:
        cohort = [(name, one) for name, one in runs if cohort_key(one) == key]
        for progress in train_cohort([one for _name, one in cohort], images, device=CPU):
            for position, snapshot in progress.snapshots.items():
                name, one = cohort[position]
                if snapshot.step == one.train_iter:
                    accuracy = progress.evaluations[position].test_acc
                    found.setdefault(name, []).append((accuracy, learned(present(snapshot.plane))))
    return {name: (float(np.mean(one, axis=0)[0]), float(np.mean(one, axis=0)[1])) for name, one in found.items()}


def learned(plane: Plane) -> float:
    """The share of the points with a wrong label around which the surface gives them that label."""
    column, row = ((plane.train + plane.limit) / (2 * plane.limit) * (SIDE - 1)).round().astype(int).T
    predicted = plane.surfaces[-1].shares.argmax(axis=0)[row, column]
    return float((predicted == plane.train_labels)[plane.is_wrong].mean())


def test_a_fifth_of_the_labels_is_wrong() -> None:
    assert (BASE.label_noise, POINTS.classes, BASE.train_size) == (0.4, 2, 100)


def test_the_boundary_wraps_around_single_points() -> None:
    accuracy, wrong = results()["base"]
    assert accuracy < 0.87
    assert wrong > 0.6


def test_dropout_weight_decay_and_more_data_undo_it() -> None:
    base, _wrong = results()["base"]
    gains = {name: accuracy - base for name, (accuracy, _) in results().items()}
    assert gains["dropout"] > 0.03
    assert gains["weight_decay"] > 0.08
    assert gains["more_data"] > 0.12
    shares = {name: wrong for name, (_accuracy, wrong) in results().items()}
    assert max(shares["weight_decay"], shares["more_data"]) < 0.25 < shares["base"]
    assert shares["dropout"] < shares["base"] - 0.15
