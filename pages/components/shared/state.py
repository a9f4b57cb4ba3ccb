"""What the pages share between reruns: the manager, the visitor's token, previews. The only place that caches."""

import hashlib
import secrets
import sys
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from mlpcore.data import catalog
from mlpcore.data.download.download import Downloads
from mlpcore.data.image_grid import draw_grid, draw_sheet
from mlpcore.export.script import to_notebook, to_script
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from mlpcore.runs.snapshots import Snapshot
from mlpcore.runs.store import RunStore
from pages.components.shared.i18n import read_catalogue, read_language

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages
    from mlpcore.data.residency import Loading
    from mlpcore.data.summary import DatasetSummary
    from mlpcore.jobs.manager import RunManager

OWNER_COOKIE = "mlp_owner"
SIGNED_IN = "person:"  # begins the owner of the runs of somebody who signed in


@st.cache_resource(show_spinner=False)
def get_store() -> RunStore:
    """The runs on disk, for pages that only look: they need no torch."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def get_manager() -> "RunManager":
    """The manager of this process; clearing Streamlit's caches leaves it alone."""
    from mlpcore.jobs.manager import shared_manager  # torch: not before it is needed

    return shared_manager()


def manager_is_up() -> bool:
    """Whether the manager was made already, by this visitor or another."""
    is_up = getattr(sys.modules.get("mlpcore.jobs.manager"), "is_up", None)  # None too while another thread imports it
    return is_up is not None and is_up()


def find_run(run_id: str | None) -> Run | None:
    """A run as it stands, None where it is not kept: an address may name any, another page may have deleted it."""
    try:
        return get_manager().get(run_id) if run_id else None
    except ValueError:
        return None


def read_owner() -> str:
    """Who the visitor is: the person who signed in, else their browser's token, else one for this session."""
    if st.user.get("is_logged_in"):
        name = f"{st.user.get('iss')} {st.user['sub']}"  # a subject is unique at its issuer only
        return SIGNED_IN + hashlib.sha256(name.encode()).hexdigest()
    token = st.context.cookies.get(OWNER_COOKIE, "")
    if token and not token.startswith(SIGNED_IN):  # a cookie is whatever a browser sends: it signs nobody in
        return token
    return st.session_state.setdefault("owner", secrets.token_urlsafe(32))


@st.cache_resource(show_spinner=False, max_entries=50)
def preview(recipe_json: str) -> Sequence[float]:
    """The rate of each iteration, as the run's own scheduler gives it; shared by all who look, and never written to."""
    from mlpcore.training.schedules import preview_rates  # torch: not before it is needed

    return array("d", preview_rates(Recipe.model_validate_json(recipe_json)))


class _Made(NamedTuple):
    """The key of something that is made of a data set's images, by which it is made anew when they have changed."""

    of: str  # the data set, or a recipe as JSON
    fingerprint: str


def _made_of(dataset: str, of: str = "") -> _Made:
    return _Made(of or dataset, catalog.fingerprint(catalog.data_home(), dataset))


def count_images(dataset: str) -> int:
    """How many training images a data set has, at least 1."""
    return _count(_made_of(dataset))


@st.cache_data(show_spinner=False, max_entries=50)
def _count(key: _Made) -> int:
    return catalog.count_training_images(catalog.data_home(), key.of)


def count_test_images(dataset: str) -> int:
    """How many test images a data set has, at least 1."""
    return _count_test(_made_of(dataset))


@st.cache_data(show_spinner=False, max_entries=50)
def _count_test(key: _Made) -> int:
    return catalog.count_test_images(catalog.data_home(), key.of)


def count_training_images(recipe: Recipe) -> int:
    """How many images a recipe trains on, at least 1."""
    return recipe.train_size or max(count_images(recipe.dataset) - recipe.validation_size, 1)


def request_images(recipe: Recipe, *, retry: bool = False) -> "Loading | None":
    """Send for a recipe's images, so that they are there when Start is pressed; None where its device is not.

    retry: whether what failed is tried anew. Not where a timer asks: it would never end.
    """
    from mlpcore.training.device import pick_device  # torch: not before it is needed

    try:
        device = pick_device(recipe.device)
    except ValueError:
        return None
    return get_manager().library.request(recipe.dataset, device, retry=retry)


def find_images(recipe: Recipe) -> "DeviceImages | None":
    """A recipe's images where they are loaded; None while they are not, and where they cannot be."""
    loading = request_images(recipe)
    if loading is None or not loading.images.done() or loading.images.exception() is not None:
        return None
    return loading.images.result()


def draw_class_sheet(recipe: Recipe, *, each: int) -> bytes:
    """A sheet of `each` training images a class of a recipe's data set, which must be loaded, as PNG."""
    return _draw_sheet(_made_of(recipe.dataset), recipe.device, each)


@st.cache_data(show_spinner=False, max_entries=20)
def _draw_sheet(key: _Made, device: str, each: int) -> bytes:
    train = request_images(Recipe(dataset=key.of, device=device)).images.result().train
    return draw_sheet(train.data.numpy(), train.targets.numpy(), train.classes, columns=2, each=each)


def summarise_dataset(recipe: Recipe) -> "DatasetSummary":
    """What there is to see of a recipe's images, which must be loaded. Raises ValueError where they do not fit it."""
    return _build_exhibit(_made_of(recipe.dataset, recipe.model_dump_json()))


@st.cache_resource(show_spinner=False, max_entries=10)
def _build_exhibit(key: _Made) -> "DatasetSummary":
    from mlpcore.data import summary as exhibits  # torch: not before it is needed

    recipe = Recipe.model_validate_json(key.of)
    return exhibits.summarise_dataset(request_images(recipe).images.result(), recipe)


def read_snapshot(run_id: str) -> Snapshot | None:
    """What a run's network saw last: of a run that goes on from memory, else from disk; None where nothing is kept."""
    return get_manager().get_snapshot(run_id) or _read_snapshot(run_id, get_store().snapshots.mark(run_id))


@st.cache_resource(show_spinner=False, max_entries=10)  # 1 MB each
def _read_snapshot(run_id: str, mark: int | None) -> Snapshot | None:
    return None if mark is None else get_store().snapshots.read(run_id)


@st.cache_data(show_spinner=False, max_entries=30)
def draw_units(units: np.ndarray) -> bytes:
    """The first layer of a run, uint8 (units, C, H, W), as PNG."""
    return draw_grid(units, columns=8, scale=3)


def draw_test_image(recipe: Recipe, index: int) -> bytes:
    """A test image of a recipe's data set, which must be loaded, as PNG."""
    return _draw_test_image(_made_of(recipe.dataset), recipe.device, index)


@st.cache_data(show_spinner=False, max_entries=1000)  # 5 kB each
def _draw_test_image(key: _Made, device: str, index: int) -> bytes:
    test = request_images(Recipe(dataset=key.of, device=device)).images.result().test
    return draw_grid(test.data[index : index + 1].numpy(), columns=1, scale=3)


def hash_recipe(recipe: Recipe) -> tuple[str, str] | None:
    """Short hashes of a recipe's initial weights and of its mini-batches; None while its images are not there."""
    images = find_images(recipe)
    if images is None:
        return None
    train = images.train
    return _hash(recipe.model_dump_json(), train.data[0].numel(), len(train.classes), len(train))


@st.cache_data(show_spinner=False, max_entries=200)
def _hash(recipe_json: str, in_features: int, num_classes: int, images: int) -> tuple[str, str] | None:
    from mlpcore.training.reproducibility import hash_batches, hash_weights  # torch: not before it is needed

    recipe = Recipe.model_validate_json(recipe_json)
    try:
        batches = hash_batches(recipe, num_samples=recipe.train_size or images - recipe.validation_size)
    except ValueError:  # larger batches than there are images, say: its run has failed with a sentence
        return None
    return hash_weights(recipe, in_features=in_features, num_classes=num_classes), batches


def write_script(recipe: Recipe) -> tuple[str, str]:
    """A recipe as a script and as a notebook, with comments in the visitor's language."""
    return _write_script(recipe.model_dump_json(), read_language())


@st.cache_data(show_spinner=False, max_entries=50)  # 30 kB each
def _write_script(recipe_json: str, language: str) -> tuple[str, str]:
    recipe, translate = Recipe.model_validate_json(recipe_json), read_catalogue(language).gettext
    return to_script(recipe, translate=translate), to_notebook(recipe, translate=translate)


@st.cache_resource(show_spinner=False)
def get_downloads() -> Downloads:
    """The downloads of this process: they go on when a page is closed, and are shared by all who ask."""
    return Downloads(catalog.data_home)
