"""The earlier run that the shown one is compared with: the one before it, or one that the visitor has pinned."""

from dataclasses import dataclass

import streamlit as st

from mlpcore.analysis.differences import name_differences
from mlpcore.runs.records import Run
from pages.components.shared.state import find_run
from pages.components.shared.words import _

BEFORE, PINNED = "run.before", "run.pinned"  # the run shown when each was started, by id; the pinned run's id


@dataclass(frozen=True)
class Reference:
    """An earlier run, what it is called beside a difference, and what it is called in the legend."""

    run: Run
    name: str
    title: str


def note_start(run_id: str, shown: str | None) -> None:
    """Remember which run was shown when another was started."""
    if shown is not None and shown != run_id:
        st.session_state.setdefault(BEFORE, {})[run_id] = shown


def find_reference(run: Run | None) -> Reference | None:
    """Return what a run is compared with; None if there is nothing, or nothing measured on the same images."""
    if run is None:
        return None
    before = run.continues or run.forked_from or st.session_state.get(BEFORE, {}).get(run.id)
    pinned = st.session_state.get(PINNED)
    reference = find_run(before if pinned in (None, run.id) else pinned)
    if reference is None or not reference.evaluations or reference.recipe.data != run.recipe.data:
        return None
    name = _("pinned run") if reference.id == pinned else _("last run")
    if reference.id == run.continues:
        name = _("run that ended early")
    if reference.id == run.forked_from:
        name = _("parent run")
        return Reference(reference, name, name)  # the chart shows what they differ in, and where
    if reference.recipe == run.recipe:
        return Reference(reference, name, name)
    label = name_differences([reference.recipe, run.recipe])[0].replace("=", " ")
    return Reference(reference, name, f"{name} ({label})")


def offer_pin(reference: Reference | None) -> None:
    """Draw the switch that keeps the earlier run in grey, whatever is started next."""
    pinned = st.session_state.get(PINNED)
    st.session_state["pin"] = pinned is not None
    st.toggle(
        _("Pin the grey run"),
        key="pin",
        width="content",
        disabled=pinned is None and reference is None,
        on_change=_pin,
        args=(reference.run.id if reference else None,),
        help=_("Compares every new run with this one. Otherwise each run is compared with the one before it."),
    )


def _pin(run_id: str | None) -> None:
    st.session_state[PINNED] = run_id if st.session_state["pin"] else None
