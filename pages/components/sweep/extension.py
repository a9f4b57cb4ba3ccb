"""What a search may do next: more trials of the same space, or a wider space where a best value lies at an edge."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.sweeps.edges import Edge
from mlpcore.analysis.sweeps.wording import describe_edge_best
from mlpcore.sweeps.definition import MAX_TRIALS
from mlpcore.sweeps.extension import add_trials, list_edges, widen
from mlpcore.sweeps.messages import NO_MORE_POINTS
from mlpcore.sweeps.trials import Sweep, Trial
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash_errors, mark_page_stale
from pages.components.shared.state import get_sweeps, read_owner
from pages.components.shared.words import _, say
from pages.components.sweep.search_setup import put_search

MORE = 16  # trials: those that train together


def offer_more_trials(sweep: Sweep) -> None:
    """Draw a number and a button that adds so many trials, for the owner of a search that draws them."""
    if not sweep.belongs_to(read_owner()):
        return
    if sweep.definition.sampler == "grid":
        if sweep.status.is_over:
            st.caption(_(NO_MORE_POINTS), width="content")
        return
    help_more = _("The search goes on as if it had been longer from the start.")
    st.number_input(
        _("More trials"), 1, MAX_TRIALS, width=120, label_visibility="collapsed", **persistent("sweep.more", MORE)
    )
    st.button(_("Add trials"), help=help_more, on_click=_add, args=(sweep.id,), key="sweep.add")


def _add(sweep_id: str) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        if sweep := get_sweeps().get(sweep_id):  # which may have drawn more since the page was drawn
            longer = add_trials(sweep, st.session_state["sweep.more"])
            get_sweeps().extend(sweep_id, longer, owner=read_owner())


def show_edges(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Say which best values lie at an edge of what was tried, with a button that widens the search there."""
    edges = list_edges(sweep.definition, trials)
    if not edges or not sweep.status.is_over:
        return
    ends: dict[str, set[Edge]] = {}
    for edge in edges:
        st.text(f"⚠ {say(describe_edge_best(edge))}")
        ends.setdefault(edge.name, set()).add(edge.edge)
    is_grid = sweep.definition.sampler == "grid"
    if is_grid and not sweep.belongs_to(read_owner()):
        return
    st.button(
        _("Widen the grid") if is_grid else _("Widen in the set-up"),
        help=_("Only the new points are trained.")
        if is_grid
        else _("Put this search with wider ranges into the set-up, where you start it."),
        on_click=_widen,
        args=(sweep, ends),
        key="sweep.widen",
    )


def _widen(sweep: Sweep, ends: dict[str, set[Edge]]) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        wider = widen(sweep.definition, ends)
        if sweep.definition.sampler == "grid":
            get_sweeps().extend(sweep.id, wider, owner=read_owner())
        else:
            put_search(wider)
