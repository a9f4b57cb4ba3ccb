"""The page's address: the recipe that the knobs make and the run that is shown."""

from collections.abc import Sequence
from time import monotonic

import streamlit as st
from components.forms import put_recipe
from components.state import get_manager, manager_is_up

from mlpcore.links import from_query, to_query
from mlpcore.messages import Sentence
from mlpcore.recipe import Recipe, current_knobs
from mlpcore.runs import Run

LATE_SECONDS = 3.0  # after which an earlier address is one that the visitor went back to


def adopt_run(owner: str) -> None:
    """Where neither the session nor the address names a run: take up the visitor's newest that goes on.

    Without a manager nothing goes on, and torch is left to load behind the first paint.
    """
    state = st.session_state
    if "run" in state or "run" in st.query_params or not manager_is_up():
        return
    mine = [run for run in get_manager().list_active() if run.owner == owner]
    if mine:
        state["run"] = mine[-1].id
        if not dict(st.query_params):
            put_recipe(current_knobs(mine[-1].recipe))


def take_link(default: Recipe, datasets: Sequence[str]) -> list[Sentence]:
    """Set the knobs from the address, where it says something new; return what is wrong with it, in sentences."""
    query = dict(st.query_params)
    state = st.session_state
    # A knob moved before the browser took in the newest address still comes with the one before.
    is_late = query == state.get("address.before") and monotonic() - state["address.written"] < LATE_SECONDS
    if (query or "knob.optimizer" not in state) and query != state.get("address") and not is_late:
        state["address"] = query
        recipe, refused = from_query(query, default)
        if recipe.dataset not in datasets:
            template = "{field} is {value}: this machine has {options}."
            values = {"field": "dataset", "value": recipe.dataset, "options": ", ".join(datasets)}
            refused.append(Sentence(template, values))
            recipe = recipe.model_copy(update={"dataset": default.dataset})
        put_recipe(recipe)
        if "run" in query:
            state["run"] = query["run"]
        elif query:
            state.pop("run", None)
        return refused
    return []


def write_link(recipe: Recipe | None, run: Run | None) -> None:
    """Let the address say what the page shows, so that it survives a reload and can be passed on."""
    if recipe is None:
        return
    query = to_query(recipe) | ({"run": run.id} if run else {})
    state = st.session_state
    if query != dict(st.query_params):
        state["address.before"], state["address.written"] = dict(st.query_params), monotonic()
        st.query_params.from_dict(query)
    state["address"] = query
