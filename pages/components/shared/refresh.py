"""Fragments of a page that a timer reruns, and the images they wait for."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, TypeVarTuple

import streamlit as st

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run
from pages.components.shared.flash import is_timer_rerun, mark_timer_rerun, page_is_stale, show_warning
from pages.components.shared.state import request_images
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages

Args = TypeVarTuple("Args")
PLANE_SECONDS = 0.5
FIRST_EVALUATION_SECONDS = 0.3  # between reruns until a run has its first evaluation


def show_fragment(draw: Callable[[*Args], None], *args: *Args, every: float | None) -> None:
    """Draw a fragment of a page, and rerun it every so many seconds unless `every` is None.

    If the store fails, the fragment shows why and its timer goes on: the page's own handler does not see the errors of
    a rerun that a timer causes.
    """

    @wraps(draw)  # Streamlit identifies a fragment by its function's name
    def draw_or_explain(*args: *Args) -> None:
        if page_is_stale():
            st.rerun()
        try:
            draw(*args)
        except StoreError as error:
            st.error(say(error.sentence))

    st.fragment(draw_or_explain, run_every=every)(*args)


def refresh_interval(run: Run | None) -> float:
    """Return the seconds between reruns of a fragment that shows a run: fewer on points, and until it is evaluated.

    A run on points takes seconds, and its boundary should be seen bending.
    """
    if run is not None and not run.evaluations:
        return FIRST_EVALUATION_SECONDS
    return PLANE_SECONDS if run is not None and run.recipe.points is not None else 1.0


def preload_images(recipe: Recipe | None) -> bool:
    """Start to load a recipe's images into memory while a page is drawn; return whether they are still loading.

    What failed is tried again only if the visitor caused the rerun: otherwise an open page that nobody looks at would
    decode a folder with a broken image forever.
    """
    return recipe is not None and is_loading(recipe, retry=not is_timer_rerun())


def is_loading(recipe: Recipe, *, retry: bool = False) -> bool:
    """Return whether a recipe's images are being loaded; what failed is tried again only with `retry`."""
    loading = request_images(recipe, retry=retry)
    return loading is not None and not loading.images.done()


def show_loading(recipe: Recipe, *, no_device: str) -> "DeviceImages | None":
    """Return a recipe's images; while they are being loaded, or if that failed, show so and return None.

    no_device: what to say if this machine does not have the recipe's device.
    """
    loading = request_images(recipe)
    if loading is None:
        show_warning(no_device)
    elif not loading.images.done():
        st.progress(loading.progress, describe_loading(loading.progress))
    elif error := loading.images.exception():
        show_warning(describe_load_error(error))
    else:
        return loading.images.result()
    return None


def describe_loading(share: float) -> str:
    """Say how much of the images is loaded."""
    return _("The images are being prepared: {share:.0%}.").format(share=share)


def describe_load_error(error: BaseException) -> str:
    """Say why images could not be loaded."""
    return say(error.sentence) if isinstance(error, SentenceError) else _("These images could not be loaded.")


def rerun_page() -> NoReturn:
    """Rerun the whole page for what a timer noticed: images are loaded, a run is over or deleted."""
    mark_timer_rerun()
    st.rerun()
