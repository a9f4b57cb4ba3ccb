"""Parts of a page that a timer draws anew, and what they wait for."""

from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import streamlit as st
from components.state import request_images
from components.words import say

from mlpcore.recipe import Recipe
from mlpcore.store import StoreError

P = ParamSpec("P")


def show_part(draw: Callable[P, None], *args: P.args, every: float | None) -> None:
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


def send_for_images(recipe: Recipe | None) -> bool:
    """Send for a recipe's images while a page is drawn; return whether they are on their way into memory.

    What failed is tried anew, unless it was a timer that had the page drawn: an open page that nobody looks at would
    decode a folder with a broken image for ever.
    """
    retry = not st.session_state.pop("images.waited", False)
    return recipe is not None and _is_on_its_way(recipe, retry=retry)


def is_loading(recipe: Recipe) -> bool:
    """Whether a recipe's images are on their way into memory; what failed is left alone."""
    return _is_on_its_way(recipe, retry=False)


def end_wait() -> NoReturn:
    """Draw the page anew, without the timer that waited for images."""
    st.session_state["images.waited"] = True
    st.rerun()


def _is_on_its_way(recipe: Recipe, *, retry: bool) -> bool:
    loading = request_images(recipe, retry=retry)
    return loading is not None and not loading.images.done()
