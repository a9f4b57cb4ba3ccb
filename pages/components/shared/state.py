"""What the pages share between reruns: the manager, the store, the visitor's identity, and every cache."""

import secrets
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from mlpcore.data import catalog
from mlpcore.data.download.download import Downloads
from mlpcore.data.image_grid import draw_class_grid, draw_grid
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.kernel_rule import KernelRule, recorded_rule
from mlpcore.runs.records import Run, browser_owner, person_owner
from mlpcore.runs.snapshots import Snapshot
from pages.components.shared.i18n import read_catalogue, read_language
from pages.components.shared.kept_preview import keep_preview, read_preview

# torch takes a second to import, SQLAlchemy and Jinja a third: what needs them is imported inside the functions
if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages
    from mlpcore.data.loader import DatasetFuture
    from mlpcore.data.summary import DatasetSummary
    from mlpcore.jobs.manager import RunManager
    from mlpcore.runs.store import RunStore
    from mlpcore.runs.stored_runs import StoredRuns

OWNER_COOKIE = "mlp_owner"


def get_store() -> "RunStore":
    """Return the store of this process, for pages that only read: unlike the manager it needs no torch."""
    from mlpcore.runs.shared import shared_store

    return shared_store()


def get_stored_runs() -> "StoredRuns":
    """Return what changes, deletes and imports stored runs for their owners."""
    from mlpcore.runs.shared import shared_runs

    return shared_runs()


def get_manager() -> "RunManager":
    """Return the manager of this process; clearing Streamlit's caches leaves it alone."""
    from mlpcore.jobs.manager import shared_manager

    return shared_manager()


def torch_is_loaded() -> bool:
    """Return whether torch and the manager's module have been imported."""
    return hasattr(sys.modules.get("mlpcore.jobs.manager"), "is_up")  # not yet, while a thread imports it


def manager_is_up() -> bool:
    """Return whether a visitor has started the manager already."""
    return torch_is_loaded() and sys.modules["mlpcore.jobs.manager"].is_up()


def find_run(run_id: str | None) -> Run | None:
    """Return a run as it is now; None if there is none: an address may name any id, another page may delete the run."""
    try:
        return get_manager().get(run_id) if run_id else None
    except ValueError:
        return None


def read_runs(run_ids: Sequence[str]) -> list[Run]:
    """Return those of these runs that are still kept, as they are now."""
    return [run for run_id in run_ids if (run := find_run(run_id)) is not None]


def read_owner() -> str:
    """Identify the visitor: the signed-in person, else the browser by its cookie, else this session."""
    if st.user.get("is_logged_in"):
        return person_owner(str(st.user.get("iss")), str(st.user["sub"]))
    if token := st.context.cookies.get(OWNER_COOKIE):
        return browser_owner(token)
    return st.session_state.setdefault("owner", browser_owner(secrets.token_urlsafe(32)))


def preview(recipe: Recipe) -> Sequence[float]:
    """Compute the learning rate of each iteration with the run's own scheduler. Shared: never modify it.

    Until torch is there, a page begins with what an earlier process computed.
    """
    kept = None if torch_is_loaded() else read_preview(_preview_folder(), recipe)
    return kept or _compute_preview(recipe)


@st.cache_resource(show_spinner=False, max_entries=50)
def _compute_preview(recipe: Recipe) -> Sequence[float]:
    from mlpcore.training.schedules import preview_rates

    rates = array("d", preview_rates(recipe))
    if recipe == Recipe(dataset=recipe.dataset):  # what a page begins with
        keep_preview(_preview_folder(), recipe, rates)
    return rates


def _preview_folder() -> Path:
    return catalog.data_home() / ".cache" / "preview"


def _images_key(dataset: str) -> tuple[str, str]:
    """Cache key of what depends on a data set's images: the fingerprint changes with them."""
    return dataset, catalog.fingerprint(catalog.data_home(), dataset)


def count_images(dataset: str) -> int:
    """Count the training images of a data set, at least 1."""
    return _count_images(_images_key(dataset))[0]


def count_test_images(dataset: str) -> int:
    """Count the test images of a data set, at least 1."""
    return _count_images(_images_key(dataset))[1]


@st.cache_data(show_spinner=False, max_entries=50)
def _count_images(key: tuple[str, str]) -> tuple[int, int]:
    home, dataset = catalog.data_home(), key[0]
    return catalog.count_training_images(home, dataset), catalog.count_test_images(home, dataset)


def count_training_images(recipe: Recipe) -> int:
    """Count the images that a recipe trains on, at least 1."""
    return recipe.train_size or max(count_images(recipe.dataset) - recipe.validation_size, 1)


def request_images(recipe: Recipe, *, retry: bool = False) -> "DatasetFuture | None":
    """Start loading a recipe's images, so that they are ready when Start is pressed; None if its device is missing.

    retry: load again after a failure. A timer must not ask for that, or it would try for ever.
    """
    from mlpcore.training.device import pick_device

    try:
        device = pick_device(recipe.device)
    except ValueError:
        return None
    return get_manager().request_images(recipe.dataset, device, retry=retry)


def find_images(recipe: Recipe) -> "DeviceImages | None":
    """Return a recipe's images if they are loaded; None while they are loading, and if they cannot be loaded."""
    loading = request_images(recipe)
    if loading is None or not loading.images.done() or loading.images.exception() is not None:
        return None
    return loading.images.result()


def _wait_for_images(recipe: Recipe) -> "DeviceImages":
    loading = request_images(recipe)
    assert loading is not None, "the caller has seen the images loaded"
    return loading.images.result()


BY_IMAGES: dict[str | type, Callable[[Any], object]] = {Recipe: lambda recipe: _images_key(recipe.dataset)}


@st.cache_data(show_spinner=False, max_entries=20, hash_funcs=BY_IMAGES)
def draw_class_images(recipe: Recipe, *, each: int) -> bytes:
    """Draw `each` training images of every class, as PNG; the recipe's images must be loaded."""
    train = _wait_for_images(recipe).train
    return draw_class_grid(train.data.numpy(), train.targets.numpy(), train.classes, columns=2, per_class=each)


@st.cache_data(show_spinner=False, max_entries=1000, hash_funcs=BY_IMAGES)  # 5 kB each
def draw_test_image(recipe: Recipe, index: int) -> bytes:
    """Draw a test image, as PNG; the recipe's images must be loaded."""
    test = _wait_for_images(recipe).test
    return draw_grid(test.data[index : index + 1].numpy(), columns=1, scale=3)


def summarise_dataset(recipe: Recipe) -> "DatasetSummary":
    """Summarise a recipe's images, which must be loaded. Raises ValueError if the recipe does not fit them."""
    return _summarise_dataset(_images_key(recipe.dataset), recipe)


@st.cache_resource(show_spinner=False, max_entries=10)
def _summarise_dataset(key: tuple[str, str], recipe: Recipe) -> "DatasetSummary":  # noqa: ARG001
    from mlpcore.data.summary import summarise_dataset

    return summarise_dataset(_wait_for_images(recipe), recipe)


def read_snapshot(run_id: str) -> Snapshot | None:
    """Return the newest snapshot of a run, from memory while it trains, else from disk; None if there is none."""
    return get_manager().get_snapshot(run_id) or _read_snapshot(run_id, get_store().snapshots.mark(run_id))


@st.cache_resource(show_spinner=False, max_entries=10)  # 1 MB each
def _read_snapshot(run_id: str, mark: int | None) -> Snapshot | None:
    return None if mark is None else get_store().snapshots.read(run_id)


@st.cache_data(show_spinner=False, max_entries=30)
def draw_units(units: np.ndarray) -> bytes:
    """Draw the units of a first layer, uint8 (units, C, H, W), as PNG."""
    return draw_grid(units, columns=8, scale=3)


def hash_recipe(recipe: Recipe) -> tuple[str, str] | None:
    """Return short hashes of a recipe's initial weights and of its mini-batches; None until its images are loaded."""
    images = find_images(recipe)
    if images is None:
        return None
    train = images.train
    return _hash_recipe(recipe, train.data[0].numel(), len(train.classes), len(train))


@st.cache_data(show_spinner=False, max_entries=200)
def _hash_recipe(recipe: Recipe, in_features: int, num_classes: int, images: int) -> tuple[str, str] | None:
    from mlpcore.training.reproducibility import hash_batches, hash_weights

    try:
        batches = hash_batches(recipe, num_samples=recipe.train_size or images - recipe.validation_size)
    except ValueError:  # such as batches larger than the training set: its run has failed and says so
        return None
    return hash_weights(recipe, in_features=in_features, num_classes=num_classes), batches


def write_script(run: Run) -> tuple[str, str]:
    """Export a run as a script and as a notebook, with comments in the visitor's language."""
    return _write_script(run.recipe, recorded_rule(run.versions) or KernelRule.MKL, read_language())


@st.cache_data(show_spinner=False, max_entries=50)  # 30 kB each
def _write_script(recipe: Recipe, rule: KernelRule, language: str) -> tuple[str, str]:
    from mlpcore.export.script import to_notebook, to_script

    translate = read_catalogue(language).gettext
    return to_script(recipe, rule=rule, translate=translate), to_notebook(recipe, rule=rule, translate=translate)


@st.cache_resource(show_spinner=False)
def get_downloads() -> Downloads:
    """Return the downloads of this process: all visitors share them, and closing a page does not stop them."""
    return Downloads(catalog.data_home)
