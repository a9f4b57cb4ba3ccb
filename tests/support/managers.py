"""What the tests of the manager share: a folder of images, short and long recipes, and how things are waited for."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlpcore.recipes.recipe import SGD, NoScheduler, Recipe
from mlpcore.runs.records import Evaluation, Run
from mlpcore.runs.store import RunStore
from tests.support.image_folders import write_images

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages
    from mlpcore.data.loader import DatasetLoader
    from mlpcore.jobs.manager import RunManager

ME, STRANGER = "me", "stranger"
SHORT = Recipe(
    dataset="stripes",
    hidden_sizes=(16,),
    batch_size=16,
    train_iter=30,
    eval_every=10,
    optimizer=SGD(lr=0.01),
    scheduler=NoScheduler(),
    device="cpu",
)
LONG = SHORT.replace(train_iter=200_000, eval_every=50)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder of images: 40 to train on and 12 to test with, in 4 classes of coloured noise."""
    home = tmp_path_factory.mktemp("data")
    write_images(home / "stripes", {f"class {n}": (60 * n, 60 * n + 70) for n in range(4)}, train=10, test=3)
    return home


@pytest.fixture(scope="module")
def images(home) -> "DeviceImages":
    import torch

    from mlpcore.data.batches import place_images
    from mlpcore.data.datasets import load_data

    return place_images(*load_data("stripes", home), torch.device("cpu"))


@pytest.fixture
def store(tmp_path, empty_database) -> Iterator[RunStore]:
    shutil.copy(empty_database, tmp_path / "runs.sqlite3")
    with closing(RunStore(f"sqlite:///{tmp_path / 'runs.sqlite3'}")) as store:
        yield store


@pytest.fixture
def library(home) -> "DatasetLoader":
    from mlpcore.data.loader import DatasetLoader

    return DatasetLoader(lambda: home)


@pytest.fixture
def manager(store, library) -> Iterator["RunManager"]:
    from mlpcore.jobs.manager import RunManager

    manager = RunManager(store, library)
    yield manager
    manager.shutdown()


@pytest.fixture
def lone_manager(store, library) -> Iterator["RunManager"]:
    """One that trains a single cohort at a time."""
    from mlpcore.jobs.executors.local import LocalExecutor
    from mlpcore.jobs.manager import RunManager

    manager = RunManager(store, library, executor=LocalExecutor(max_active=1))
    yield manager
    manager.shutdown()


def wait_until(predicate: Callable[[], object], timeout: float = 90.0) -> None:
    """Look every 5 ms until it is so."""
    pace, deadline = threading.Event(), time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen in time"
        pace.wait(0.005)


def submit(manager: "RunManager", *recipes: Recipe, owner: str = ME, **options: Any) -> list[str]:
    return manager.submit(recipes, owner=owner, names=["a run"] * len(recipes), **options)


def wait_for_end(manager: "RunManager", *run_ids: str) -> list[Run]:
    """The runs as they are stored once they are over."""
    wait_until(lambda: all(manager.get(run_id).status.is_over for run_id in run_ids))
    wait_until(lambda: all(manager.store.get(run_id).status.is_over for run_id in run_ids))
    return [manager.store.get(run_id) for run_id in run_ids]


def wait_for_evaluations(manager: "RunManager", run_id: str, count: int) -> Run:
    """The run once it has this many evaluations more than now."""
    aim = len(manager.get(run_id).evaluations) + count
    wait_until(lambda: len(manager.get(run_id).evaluations) >= aim)
    return manager.get(run_id)


def timeless(evaluations: tuple[Evaluation, ...]) -> list[Evaluation]:
    return [replace(evaluation, seconds=0.0) for evaluation in evaluations]


def train_alone(recipe: Recipe, images: "DeviceImages", *, until: int = 10**9) -> list[Evaluation]:
    """The history of a recipe on its own, up to an iteration."""
    import torch

    from mlpcore.training.lockstep import train_cohort

    found: list[Evaluation] = []
    for item in train_cohort([recipe], images, device=torch.device("cpu")):
        if item.step > until:
            break
        found += item.evaluations.values()
    return timeless(tuple(evaluation for evaluation in found if evaluation.step <= until))
