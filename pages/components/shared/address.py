"""A page's address; the playground's holds the recipe, the lesson and the run that is shown."""

from collections.abc import Mapping, Sequence
from time import monotonic

import streamlit as st

from mlpcore.messages import Sentence
from mlpcore.recipes.lessons import lesson_from_query, lesson_to_query
from mlpcore.recipes.recipe import Recipe, current_hyperparameters
from mlpcore.recipes.url import drop_unknown_datasets
from mlpcore.recipes.validation import shorten
from mlpcore.runs.records import Run
from pages.components.recipe_form.form_state import begin, find_lesson, put_recipe
from pages.components.shared.flash import flash
from pages.components.shared.i18n import read_query, write_query
from pages.components.shared.state import get_manager, manager_is_up

LATE_SECONDS = 3.0  # after these, an earlier address means that the visitor went back
TICKING_SECONDS = 10.0  # the same while curves are drawn: a busy browser takes a new address later


def adopt_run(owner: str) -> None:
    """Show the visitor's newest active run, where neither the session nor the address names one.

    Without a manager no run is active, and torch can load behind the first paint.
    """
    state = st.session_state
    if "run" in state or "run" in st.query_params or not manager_is_up():
        return
    if mine := get_manager().list_everywhere(owner=owner):
        state["run"] = mine[-1].id
        if not read_query():
            put_recipe(current_hyperparameters(mine[-1].recipe))


def take_link(default: Recipe, datasets: Sequence[str]) -> None:
    """Set the form from a new address, and keep what is wrong with it, to be shown."""
    state = st.session_state
    query = take_query("playground")
    if query is None:
        begin(default)
        return
    known, missing = drop_unknown_datasets(query, datasets)
    recipe, lesson, refused = lesson_from_query(known, default)
    state["lesson"] = lesson
    put_recipe(recipe)
    if "run" in query:
        state["run"] = query["run"]
    else:
        state.pop("run", None)
    flash("link.refused", find_repeated() + [sentence for _name, sentence in missing] + refused)


def write_link(recipe: Recipe | None, run: Run | None) -> None:
    """Write what the page shows into the address, so that it survives a reload and can be shared."""
    if recipe is not None:
        query = lesson_to_query(recipe, find_lesson()) | ({"run": run.id} if run else {})
        put_query("playground", query, is_ticking=run is not None and not run.status.is_over)


def take_query(page: str) -> dict[str, str] | None:
    """Return the query of a new address; None where the page wrote the address itself."""
    state = st.session_state
    query = read_query()
    if query == state.get(f"{page}.address"):
        # The browser has the newest: an earlier one from now on means that the visitor went back.
        state.pop(f"{page}.before", None)
        return None
    # A widget that moves before the browser has the newest address still sends the one before.
    is_late = query == state.get(f"{page}.before") and monotonic() < state[f"{page}.late_until"]
    if not query or is_late:
        return None
    state[f"{page}.address"] = query
    return query


def put_query(page: str, query: Mapping[str, str], *, is_ticking: bool) -> None:
    """Write the address of a page, and remember it."""
    state = st.session_state
    if query != (before := read_query()):
        state[f"{page}.before"] = before
        state[f"{page}.late_until"] = monotonic() + (TICKING_SECONDS if is_ticking else LATE_SECONDS)
        write_query(query)
    state[f"{page}.address"] = dict(query)


def find_repeated() -> list[Sentence]:
    """Name each parameter that an address holds more than once: the last one counts."""
    counts = {name: len(st.query_params.get_all(name)) for name in st.query_params}
    template = "{field} is in this address {count} times: the last one counts."
    return [Sentence(template, {"field": shorten(name), "count": count}) for name, count in counts.items() if count > 1]
