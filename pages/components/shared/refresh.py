"""Parts of a page that a timer draws anew, and what they wait for."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec

import streamlit as st

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from mlpcore.runs.store import StoreError
from pages.components.shared.flash import is_timer_rerun, mark_timer_rerun, show_warning
from pages.components.shared.state import request_images
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.data.batches import DeviceImages

P = ParamSpec("P")
FIRST_POINT_SECONDS = 0.3  # between two looks, while a run has nothing to show yet


def show_fragment(draw: Callable[P, None], *args: P.args, every: float | None) -> None:
    """Draw a part of a page, anew every so many seconds, never by a timer where that is None.

    Where the store is in trouble the part says so, and its timer goes on: what a timer draws is out of the reach of
    those who drew the page.
    """

    @wraps(draw)  # Streamlit knows a part by the name of its function
    def draw_or_say(*args: P.args) -> None:
        try:
            draw(*args)
        except StoreError as error:
            st.error(say(error.sentence))

    st.fragment(draw_or_say, run_every=every)(*args)


def refresh_interval(run: Run | None) -> float:
    """Between how many seconds a part that shows a run is drawn anew: more often until there is a first point."""
    return FIRST_POINT_SECONDS if run is not None and not run.evaluations else 1.0


def preload_images(recipe: Recipe | None) -> bool:
    """Send for a recipe's images while a page is drawn; return whether they are on their way into memory.

    What failed is tried anew, unless it was a timer that had the page drawn: an open page that nobody looks at would
    decode a folder with a broken image for ever.
    """
    return recipe is not None and _is_on_its_way(recipe, retry=not is_timer_rerun())


def is_loading(recipe: Recipe) -> bool:
    """Whether a recipe's images are on their way into memory; what failed is left alone."""
    return _is_on_its_way(recipe, retry=False)


def show_loading(recipe: Recipe, *, no_device: str) -> "DeviceImages | None":
    """Return a recipe's images; until they are there, and where they cannot be, say so.

    no_device: the sentence where the recipe's device is not there.
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
    """Say how far images are on their way into memory."""
    return _("The images are being prepared: {share:.0%}.").format(share=share)


def describe_load_error(error: BaseException) -> str:
    """Say why images could not be loaded."""
    return say(error.sentence) if isinstance(error, SentenceError) else _("These images could not be loaded.")


def rerun_page() -> NoReturn:
    """Draw the page anew for what a timer has seen: images that have arrived, a run that is over or gone."""
    mark_timer_rerun()
    st.rerun()


def _is_on_its_way(recipe: Recipe, *, retry: bool) -> bool:
    loading = request_images(recipe, retry=retry)
    return loading is not None and not loading.images.done()
