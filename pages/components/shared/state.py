"""What the pages share between reruns: the manager, the store, the visitor's identity, and their cache."""

import hashlib
import secrets
import sys
from array import array
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from mlpcore.byte_cache import ByteCache
from mlpcore.data import catalog
from mlpcore.data.download.download import Downloads
from mlpcore.data.image_grid import draw_class_grid, draw_grid, draw_maps
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.kernel_rule import KernelRule, recorded_rule
from mlpcore.runs.plane import MAP_SIDE, Plane
from mlpcore.runs.records import EVALUATION_BYTES, RECORD_BYTES, Run, browser_owner, person_owner
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
    from mlpcore.sweeps.manager import SweepManager

OWNER_COOKIE = "mlp_owner"
CACHE_BYTES = 100_000_000  # that pages cache at most; the memory budget leaves them out


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

    return shared_manager(reserved=CACHE_BYTES)


def get_sweeps() -> "SweepManager":
    """Return the sweeps of this process."""
    from mlpcore.sweeps.manager import shared_sweeps

    return shared_sweeps(reserved=CACHE_BYTES)


def torch_is_loaded() -> bool:
    """Return whether torch and the manager's module have been imported."""
    return hasattr(sys.modules.get("mlpcore.jobs.manager"), "is_up")  # not yet, while a thread imports it


def manager_is_up() -> bool:
    """Return whether a visitor has started the manager already."""
    return torch_is_loaded() and sys.modules["mlpcore.jobs.manager"].is_up()


@st.cache_resource(show_spinner=False)
def get_cache() -> ByteCache:
    """Return what pages cache, for all visitors together."""
    return ByteCache(CACHE_BYTES)


def find_run(run_id: str | None) -> Run | None:
    """Return a run as it is now; None if there is none: an address may name any id, another page may delete the run."""
    try:
        return get_manager().get(run_id) if run_id else None
    except ValueError:
        return None


def read_runs(run_ids: Sequence[str]) -> list[Run]:
    """Return those of these runs that are still kept, as they are now."""
    return [run for run_id in run_ids if (run := find_run(run_id)) is not None]


def read_ended_run(run_id: str) -> Run | None:
    """Return a run as `find_run` does; one that is over may have been deleted, renamed, noted or starred meanwhile."""
    return get_cache().get(("run", run_id), lambda: find_run(run_id), size=_run_bytes)


def _run_bytes(run: Run | None) -> int | None:
    if run is None or not run.status.is_over:
        return None
    return RECORD_BYTES + EVALUATION_BYTES * len(run.evaluations)


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
    compute = partial(_compute_preview, recipe)
    return kept or get_cache().get(("preview", recipe), compute, size=lambda rates: 8 * len(rates))


def _compute_preview(recipe: Recipe) -> Sequence[float]:
    from mlpcore.training.schedules import preview_rates

    rates = array("d", preview_rates(recipe))
    if recipe == Recipe(dataset=recipe.dataset):  # what a page begins with
        keep_preview(_preview_folder(), recipe, rates)
    return rates


def _preview_folder() -> Path:
    return catalog.data_home() / ".cache" / "preview"


def _images_key(source: DataSource) -> tuple[DataSource, str]:
    """Cache key of what depends on a data set's images: the fingerprint changes with them."""
    return source, catalog.fingerprint(catalog.data_home(), source)


def count_images(source: DataSource) -> int:
    """Count the training images of a data set, at least 1."""
    return _count_images(source).train


def count_held_out(source: DataSource) -> int:
    """Count the training images to hold out where rows are ranked."""
    return catalog.choose_validation_size(count_images(source))


def count_test_images(source: DataSource) -> int:
    """Count the test images of a data set, at least 1."""
    return _count_images(source).test


def _count_images(source: DataSource) -> catalog.ImageCounts:
    count = partial(catalog.count_images, catalog.data_home(), source)
    return get_cache().get(("counts", *_images_key(source)), count, size=lambda _counts: 0)


def count_training_images(recipe: Recipe) -> int:
    """Count the images that a recipe trains on, at least 1."""
    return recipe.train_size or max(count_images(recipe.data) - recipe.validation_size, 1)


def request_images(recipe: Recipe, *, retry: bool = False) -> "DatasetFuture | None":
    """Start loading a recipe's images, so that they are ready when Start is pressed; None if its device is missing.

    retry: load again after a failure. A timer must not ask for that, or it would try for ever.
    """
    from mlpcore.training.device import pick_device

    try:
        device = pick_device(recipe.device)
    except ValueError:
        return None
    return get_manager().request_images(recipe.data, device, retry=retry)


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


def draw_class_images(recipe: Recipe, *, each: int) -> bytes:
    """Draw `each` training images of every class, as PNG; the recipe's images must be loaded."""

    def draw() -> bytes:
        train = _wait_for_images(recipe).train
        return draw_class_grid(train.data.numpy(), train.targets.numpy(), train.classes, columns=2, per_class=each)

    return get_cache().get(("class images", *_images_key(recipe.data), each), draw, size=len)


def draw_test_image(recipe: Recipe, index: int) -> bytes:
    """Draw a test image, as PNG; the recipe's images must be loaded."""

    def draw() -> bytes:
        test = _wait_for_images(recipe).test
        return draw_grid(test.data[index : index + 1].numpy(), columns=1, scale=3)

    return get_cache().get(("test image", *_images_key(recipe.data), index), draw, size=len)


def summarise_dataset(recipe: Recipe) -> "DatasetSummary":
    """Summarise a recipe's images, which must be loaded. Raises ValueError if the recipe does not fit them."""

    def summarise() -> "DatasetSummary":
        from mlpcore.data.summary import summarise_dataset

        return summarise_dataset(_wait_for_images(recipe), recipe)

    return get_cache().get(("summary", *_images_key(recipe.data), recipe), summarise, size=array_bytes)


def read_snapshot(run_id: str) -> Snapshot | None:
    """Return the newest snapshot of a run, from memory while it trains, else from disk; None if there is none."""
    if (snapshot := get_manager().get_snapshot(run_id)) is not None:
        return snapshot
    files = get_store().snapshots
    if (mark := files.mark(run_id)) is None:
        return None
    return get_cache().get(("snapshot", run_id, mark), lambda: files.read(run_id), size=array_bytes)


def array_bytes(record: "DatasetSummary | Snapshot | Plane | None") -> int:
    """Sum the bytes of a record's arrays."""
    kept = list(vars(record).values()) if record is not None else []
    if isinstance(record, Snapshot):
        kept += [layer.units for layer in record.first_layers]
        kept += [surface.shares for surface in record.plane.surfaces] if record.plane else []
    return sum(value.nbytes for value in kept if isinstance(value, np.ndarray))


def draw_units(units: np.ndarray) -> bytes:
    """Draw the units of a first layer, uint8 (units, C, H, W), as PNG."""
    key = "units", units.shape, hashlib.sha256(units.tobytes()).digest()
    is_map = units.shape[1:] == (1, MAP_SIDE, MAP_SIDE)
    draw = partial(draw_maps, units, columns=8, scale=6) if is_map else partial(draw_grid, units, columns=8, scale=3)
    return get_cache().get(key, draw, size=len)


def hash_recipe(recipe: Recipe) -> tuple[str, str] | None:
    """Return short hashes of a recipe's initial weights and of its mini-batches; None until its images are loaded."""
    images = find_images(recipe)
    if images is None:
        return None
    train = images.train
    sizes = train.data[0].numel(), len(train.classes), len(train)
    return get_cache().get(("hashes", recipe, *sizes), partial(_hash_recipe, recipe, *sizes), size=lambda _hashes: 0)


def _hash_recipe(recipe: Recipe, in_features: int, num_classes: int, images: int) -> tuple[str, str] | None:
    from mlpcore.training.reproducibility import hash_batches, hash_weights

    try:
        batches = hash_batches(recipe, num_samples=recipe.train_size or images - recipe.validation_size)
    except ValueError:  # such as batches larger than the training set: its run has failed and says so
        return None
    return hash_weights(recipe, in_features=in_features, num_classes=num_classes), batches


def write_script(run: Run) -> tuple[str, str]:
    """Export a run as a script and as a notebook, with comments in the visitor's language."""
    of = run.recipe, recorded_rule(run.versions) or KernelRule.MKL, read_language()
    return get_cache().get(
        ("script", *of), partial(_write_script, *of), size=lambda texts: sum(map(sys.getsizeof, texts))
    )


def _write_script(recipe: Recipe, rule: KernelRule, language: str) -> tuple[str, str]:
    from mlpcore.export.script import to_notebook, to_script

    translate = read_catalogue(language).gettext
    return to_script(recipe, rule=rule, translate=translate), to_notebook(recipe, rule=rule, translate=translate)


@st.cache_resource(show_spinner=False)
def get_downloads() -> Downloads:
    """Return the downloads of this process: all visitors share them, and closing a page does not stop them."""
    return Downloads(catalog.data_home)
