"""What a search may do next: more trials of the same space, or a wider space where a best value lies at an edge."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.sweeps.edges import Edge
from mlpcore.analysis.sweeps.wording import describe_edge_best
from mlpcore.sweeps.definition import MAX_TRIALS, Definition
from mlpcore.sweeps.extension import add_trials, list_edges, widen
from mlpcore.sweeps.messages import NO_MORE_POINTS
from mlpcore.sweeps.trials import Sweep, Trial
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash_errors, mark_page_stale
from pages.components.shared.state import get_sweeps, read_owner
from pages.components.shared.words import _, _n, say
from pages.components.sweep.search_setup import put_search

MORE = 16  # trials: those that train together
WIDENED = "sweep.widened"  # in the session: whether the set-up has just got wider ranges


def offer_more_trials(sweep: Sweep) -> None:
    """Draw a number and a button that adds so many trials, for the owner of a search that draws them."""
    if not sweep.belongs_to(read_owner()):
        return
    if sweep.definition.sampler == "grid":
        left = sweep.definition.count_trials() - len(sweep.trials)
        if sweep.status.is_over and left > 0:
            label = _n("Train the other {count} trial", "Train the other {count} trials", left).format(count=left)
            st.button(label, on_click=_extend, args=(sweep.id, sweep.definition), key="sweep.rest")
        elif sweep.status.is_over:
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
            _extend(sweep_id, add_trials(sweep, st.session_state["sweep.more"]))


def _extend(sweep_id: str, definition: Definition) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        get_sweeps().extend(sweep_id, definition, owner=read_owner())


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


def say_widened() -> None:
    """Say in the page's next rerun, of which a visitor may see only the lower part, that the set-up has changed."""
    if st.session_state.pop(WIDENED, False):
        st.toast(_("The set-up above now has the wider range. Press Start there."))


def _widen(sweep: Sweep, ends: dict[str, set[Edge]]) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        wider = widen(sweep.definition, ends)
        if sweep.definition.sampler == "grid":
            _extend(sweep.id, wider)
        else:
            put_search(wider)
            st.session_state[WIDENED] = True
