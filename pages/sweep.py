"""Sweep: recipes at many learning rates, trained in lockstep; then each at its best, with fresh seeds."""

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence
from pages.components.recipe_form.form_state import begin, first_recipe, read_form
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.choices import choose
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.state import get_sweeps, read_owner
from pages.components.shared.words import _, say
from pages.components.sweep.results import show_sweep
from pages.components.sweep.search_setup import show_search_setup
from pages.components.sweep.setup import begin_sweep, show_setup, show_sketch

UNKNOWN = "The sweep that this address names is not kept here."


def read_address() -> str | None:
    """Return the id of the sweep to show: that of the address if it is a new one, else the session's."""
    state = st.session_state
    if (query := take_query("sweep")) is not None:
        said = find_repeated()
        state["sweep.shown"] = query.get("sweep")
        if state["sweep.shown"] and get_sweeps().get(state["sweep.shown"]) is None:
            state["sweep.shown"] = None
            said.append(Sentence(UNKNOWN))
        flash("sweep.said", said)
    return state.get("sweep.shown")


owner = read_owner()
datasets = known_datasets(data_home())
first = first_recipe(datasets)
begin(first)
begin_sweep(first, datasets)
sweep_id = read_address()
sweep = get_sweeps().get(sweep_id) if sweep_id else None
state = st.session_state
for sentence in get_flashed("sweep.said"):
    show_warning(say(sentence))
state.setdefault("sweep.setup", sweep is None)
setup = st.expander(_("Set-up"), key="sweep.setup", on_change="rerun")
if setup.open:
    with setup:
        kinds = {"rates": _("Learning rates of several rows"), "search": _("Search a space")}
        if choose(_("Kind of sweep"), kinds, key="sweep.kind", default="rates") == "rates":
            show_setup(datasets, owner)
        else:
            show_search_setup(*read_form(), owner)
if sweep is not None:
    show_sweep(sweep.id)
    put_query("sweep", {"sweep": sweep.id}, is_ticking=not sweep.status.is_over)
elif state["sweep.kind"] == "rates":
    show_sketch()
else:
    st.text(_("A search draws its trials from the space above, and shows here which of them learn best."))
