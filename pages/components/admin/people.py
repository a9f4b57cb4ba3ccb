"""The people who have stored runs: how much each stores, their quota, and deleting all that somebody stored."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from mlpcore.runs.people.accounts import Person
from pages.components.history.deletion import confirm
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash_errors, get_flashed, show_warning
from pages.components.shared.people import name_owner
from pages.components.shared.state import get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, _n, say

MOST_GB = 1e6
EVERYBODY = "*"  # no owner is called so: the command line's is ""


def show_people(people: Sequence[Person], names: Mapping[str, str]) -> None:
    """Draw a row per person, and what can be done about one of them."""
    if not people:
        st.text(_("Nobody has stored a run yet."))
        return
    shared = get_stored_runs().quota
    rows = [
        {
            _("person"): name_owner(person.owner, names),
            _("runs"): person.runs,
            _("last started"): datetime.fromtimestamp(person.newest, tz=UTC),
            _("quota, GB"): (shared if person.quota is None else person.quota) / 1e9 if person.owner else None,
        }
        for person in people
    ]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height="content" if len(rows) <= 12 else 430,
            placeholder="—",
            key="admin.people",
            column_config={
                _("runs"): st.column_config.NumberColumn(format="localized"),
                _("last started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                _("quota, GB"): st.column_config.NumberColumn(format="localized"),
            },
        )
    with right:
        person = choose_person(people, names)
        for refused in get_flashed("admin.refused"):
            show_warning(say(refused))
        if person is not None:
            _show_person(person, name_owner(person.owner, names))


def choose_person(people: Sequence[Person], names: Mapping[str, str]) -> Person | None:
    """Draw a choice of one person or all; return the person, or None for all."""
    by_owner = {person.owner: person for person in people}
    titles = {EVERYBODY: _("all")} | {owner: name_owner(owner, names) for owner in by_owner}
    if st.session_state.get("admin.person") not in titles:  # their last run is deleted
        st.session_state["admin.person"] = EVERYBODY
    chosen = st.selectbox(
        _("Person"), list(titles), format_func=titles.__getitem__, width=260, **persistent("admin.person")
    )
    return by_owner.get(chosen)


def _show_person(person: Person, name: str) -> None:
    usage = get_stored_runs().measure_usage(person.owner)
    template = _n("{runs:,} run stored, {used:,.1f} MB.", "{runs:,} runs stored, {used:,.1f} MB.", usage.runs)
    st.text(template.format(runs=usage.runs, used=usage.bytes / 1e6))
    if person.owner:  # the command line has no quota
        _show_quota(person)
    count = len(get_store().deletion.find_deletable(person.owner))
    if count and st.button(f":red[{_('Delete all runs')}]", key="admin.delete_all"):
        st.dialog(_("Delete all runs of a person"))(_confirm_all)(person.owner, name, count)


def _show_quota(person: Person) -> None:
    quota = get_stored_runs().quota_of(person.owner)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = f"admin.quota.{person.owner}"
        st.number_input(_("Quota, GB"), 0.0, MOST_GB, quota / 1e9, step=1.0, format="%g", width=130, key=key)
        st.button(_("Set quota"), key="admin.set_quota", on_click=lambda: _set(person, st.session_state[key]))
        if person.quota is not None:
            label = _("Set to everybody's")
            st.button(label, key="admin.unset_quota", type="tertiary", on_click=lambda: _set(person, None))


def _set(person: Person, gigabytes: float | None) -> None:
    with flash_errors("admin.refused"):
        quota = None if gigabytes is None else gigabytes * 1e9
        get_stored_runs().set_quota(person.owner, quota, owner=read_owner())


def _confirm_all(owner: str, name: str, count: int) -> None:
    template = _n(
        "{count:,} run of {name} that is over and has no star will be deleted. {name} can undo it for a minute.",
        "{count:,} runs of {name} that are over and have no star will be deleted. {name} can undo it for a minute.",
        count,
    )
    st.text(template.format(count=count, name=name))
    label = _n("Delete {count} run", "Delete {count} runs", count).format(count=count)
    confirm(label, "admin.confirm_all", lambda: _delete_all(owner))


def _delete_all(of: str) -> None:
    with flash_errors("admin.refused"):
        get_stored_runs().delete_all(owner=read_owner(), of=of)
