"""Sweep: recipes at many learning rates, trained in lockstep; then each at its best, with fresh seeds."""

from datetime import UTC, datetime

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence
from mlpcore.runs.records import is_same_owner
from pages.components.lessons.banner import SWEEP, show_lesson, take_lesson
from pages.components.lessons.dialog import offer_page_lesson, write_terms
from pages.components.recipe_form.form_state import begin, first_recipe, read_form
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.choices import choose
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _, say
from pages.components.sweep.budget_results import show_profile
from pages.components.sweep.extension import say_widened
from pages.components.sweep.files import show_import
from pages.components.sweep.link import take_set_up, write_set_up
from pages.components.sweep.results import find_sweeps, show_sweeps
from pages.components.sweep.search_setup import show_search_setup
from pages.components.sweep.setup import MAX_DATASETS, begin_sweep, show_budget_setup, show_setup, show_sketch

UNKNOWN = "The sweep that this address names is not kept here."


def read_address() -> list[str]:
    """Return the ids of the sweeps to show: those of the address if it is a new one, else the session's."""
    state = st.session_state
    if (query := take_query("sweep")) is not None:
        said = find_repeated() + take_set_up(query, first, datasets) + take_lesson(SWEEP, query)
        asked = [part for part in query.get("sweep", "").split(",") if part][:MAX_DATASETS]
        state["sweep.shown"] = ",".join(sweep.id for sweep in find_sweeps(asked))
        if asked and not state["sweep.shown"]:
            said.append(Sentence(UNKNOWN))
        state["sweep.setup"] = not state["sweep.shown"]
        flash("sweep.said", said)
    shown: str = state.get("sweep.shown") or ""
    return shown.split(",") if shown else []


def offer_earlier(owner: str) -> None:
    """Offer the visitor's newest sweeps."""
    own = {one.id: one for one in get_store().sweeps.list_newest() if is_same_owner(one.owner, owner)}
    if own:
        st.selectbox(
            _("Your earlier sweeps"),
            list(own),
            None,
            format_func=lambda key: (
                f"{own[key].name} · {datetime.fromtimestamp(own[key].created, tz=UTC):%Y-%m-%d %H:%M} UTC"
            ),
            key="sweep.earlier",
            on_change=_open_earlier,
            placeholder=_("Your earlier sweeps"),
            label_visibility="collapsed",
            width=420,
        )


def _open_earlier() -> None:
    if chosen := st.session_state["sweep.earlier"]:
        st.session_state["sweep.shown"], st.session_state["sweep.setup"] = chosen, False
        st.session_state["sweep.earlier"] = None


owner = read_owner()
datasets = known_datasets(data_home())
first = first_recipe(datasets)
begin(first)
sweep_ids = read_address()
base, problems = read_form()
begin_sweep(base or first, datasets)
sweeps = find_sweeps(sweep_ids) if sweep_ids else []
state = st.session_state
show_lesson(SWEEP)
for sentence in get_flashed("sweep.said"):
    show_warning(say(sentence))
say_widened()
state.setdefault("sweep.setup", not sweeps)
setup = st.expander(_("Set-up"), key="sweep.setup", on_change="rerun")
if setup.open:
    with setup:
        kinds = {
            "rates": _("Learning rates of several rows"),
            "search": _("Search a space"),
            "budget": _("Equal budgets"),
        }
        kind = choose(_("Kind of sweep"), kinds, key="sweep.kind", default="rates")
        if kind == "rates":
            show_setup(datasets, owner)
        elif kind == "search":
            show_search_setup(base, problems, owner)
        else:
            show_budget_setup(datasets, owner)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            offer_earlier(owner)
            show_import()
            if kind != "search":  # a link has no room for a space
                offer_page_lesson(SWEEP, write_set_up(kind, base))
set_up = write_set_up(state.get("sweep.kind") or "rates", base) | write_terms(SWEEP)
if sweeps:
    show_sweeps(sweeps)
    ids = ",".join(sweep.id for sweep in sweeps)
    query = {"sweep": ids} | (set_up if write_terms(SWEEP) else {})
    put_query("sweep", query, is_ticking=any(not sweep.status.is_over for sweep in sweeps))
elif state.get("sweep.kind", "rates") == "rates":
    show_sketch()
elif state["sweep.kind"] == "search":
    st.text(_("A search draws its trials from the space above, and shows here which of them learn best."))
else:
    st.text(_("Here you see which row reaches a target soonest when all may try the same number of learning rates."))
    show_profile({})
if not sweeps:
    put_query("sweep", set_up, is_ticking=False)
