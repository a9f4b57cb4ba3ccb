"""The sweeps that go on, of all people, each with a way to stop it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st

from pages.components.shared.flash import toast_errors
from pages.components.shared.people import name_owner
from pages.components.shared.state import get_store, get_sweeps, read_owner
from pages.components.shared.words import _


def show_sweeps(names: Mapping[str, str]) -> None:
    """List the newest sweeps that are not over."""
    going_on = [one for one in get_store().sweeps.list_newest() if not one.status.is_over]
    if not going_on:
        st.text(_("No sweep is going on."))
    for sweep in going_on:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            state = _(sweep.status.value)
            started = f"{datetime.fromtimestamp(sweep.created, tz=UTC):%Y-%m-%d %H:%M} UTC"
            st.text(f"{sweep.name} · {name_owner(sweep.owner, names)} · {state} · {started}", width="stretch")
            st.button(_("Stop"), key=f"admin.stop.{sweep.id}", on_click=_stop, args=(sweep.id,))


def _stop(sweep_id: str) -> None:
    with toast_errors():
        get_sweeps().stop(sweep_id, owner=read_owner())
