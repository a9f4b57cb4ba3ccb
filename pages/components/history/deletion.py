"""Deleting runs: a dialog that names them, and a minute in which it can be undone."""

from collections.abc import Callable, Sequence

import streamlit as st

from mlpcore.runs.records import Run
from pages.components.shared.flash import flash_errors, toast_errors
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, _n

MOST_NAMED = 8  # runs in a dialog
UNDO_TICK = 5.0  # seconds between two looks at whether the minute is over


def show_delete(runs: Sequence[Run]) -> None:
    """Offer to delete these runs, if they are the visitor's and over."""
    is_mine = all(run.belongs_to(read_owner()) for run in runs)
    is_over = all(run.status.is_over for run in runs)
    help_ = None if is_over else _("Stop the run first.")
    if not is_mine:
        help_ = _("Only runs that this browser started can be deleted.")
    label = f":red[{_('Delete')}]"
    if st.button(label, disabled=not (is_mine and is_over), key="history.delete", help=help_):
        st.dialog(_("Delete runs"))(_confirm)([run.id for run in runs], [run.name for run in runs])


def show_delete_all() -> None:
    """Offer to delete all runs of the visitor that are over and not starred, if there are any."""
    deletable = get_store().deletion.find_deletable(read_owner())
    if deletable and st.button(_("Delete all my runs"), key="history.delete_all", type="tertiary"):
        st.dialog(_("Delete all my runs"))(_confirm_all)()


def show_undo() -> None:
    """Offer for a minute to bring deleted runs back."""
    if get_store().deletion.find_restorable(read_owner()):
        show_fragment(_draw_undo, every=UNDO_TICK)


def delete_runs(run_ids: list[str]) -> None:
    """Delete runs that are over and the visitor's own; if one is not, delete none and say why."""
    with flash_errors("history.refused"):
        get_stored_runs().delete(run_ids, owner=read_owner())
        st.session_state["history.chosen"] = []  # not if it is refused: then they stay chosen


def _draw_undo() -> None:
    count = len(get_store().deletion.find_restorable(read_owner()))
    if not count:
        rerun_page()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(_n("{count:,} run was deleted.", "{count:,} runs were deleted.", count).format(count=count))
        if st.button(_("Undo"), key="history.undo", on_click=_undo):
            st.rerun()


def _undo() -> None:
    with toast_errors():
        get_stored_runs().undo_deletion(owner=read_owner())


def _confirm(run_ids: list[str], names: list[str]) -> None:
    template = _n(
        "{count} run and all its measurements will be deleted. You can undo it for a minute.",
        "{count} runs and all their measurements will be deleted. You can undo it for a minute.",
        len(run_ids),
    )
    st.text(template.format(count=len(run_ids)))
    more = len(names) - MOST_NAMED
    lines = [f"• {name}" for name in names[:MOST_NAMED]]
    if more > 0:
        lines.append(_n("and {count} more", "and {count} more", more).format(count=more))
    st.text("\n".join(lines))
    label = _n("Delete {count} run", "Delete {count} runs", len(run_ids)).format(count=len(run_ids))
    _answer(label, "history.confirm", lambda: delete_runs(run_ids))


def _confirm_all() -> None:
    owner = read_owner()
    usage, count = get_stored_runs().measure_usage(owner), len(get_store().deletion.find_deletable(owner))
    st.text(
        _("You have stored {runs:,} runs, which take {used:,.1f} MB of {quota:,.0f} MB.").format(
            runs=usage.runs, used=usage.bytes / 1e6, quota=get_stored_runs().quota / 1e6
        )
    )
    template = _n(
        "{count:,} run that is over and has no star will be deleted. You can undo it for a minute.",
        "{count:,} runs that are over and have no star will be deleted. You can undo it for a minute.",
        count,
    )
    st.text(template.format(count=count))
    label = _n("Delete {count} run", "Delete {count} runs", count).format(count=count)
    _answer(label, "history.confirm_all", _delete_all)


def _answer(label: str, key: str, confirm: Callable[[], None]) -> None:
    """Draw the two buttons of a dialog; both close it."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        cancelled = st.button(_("Cancel"), key="history.cancel")
        confirmed = st.button(f":red[**{label}**]", key=key, on_click=confirm)
    if cancelled or confirmed:
        st.rerun()


def _delete_all() -> None:
    with toast_errors():
        get_stored_runs().delete_all(owner=read_owner())
        st.session_state["history.chosen"] = []
