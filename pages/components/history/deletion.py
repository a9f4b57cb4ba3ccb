"""Deleting runs: a dialog that names them, and a minute in which it can be undone."""

from collections.abc import Callable, Sequence

import streamlit as st

from mlpcore.runs.records import Run
from pages.components.compare.foreign import forget_foreign_runs
from pages.components.shared.flash import flash_errors, toast_errors
from pages.components.shared.people import is_admin
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, _n

MOST_NAMED = 8  # runs in a dialog
UNDO_TICK = 5.0  # seconds between two looks at whether the minute is over


def may_end(run: Run) -> bool:
    """Return whether the visitor may stop and delete a run: their own, an admin anybody's."""
    return get_stored_runs().rights.may_end(run.owner, read_owner())


def show_delete(runs: Sequence[Run]) -> None:
    """Offer to delete these runs, if the visitor may and they are over."""
    is_allowed = all(map(may_end, runs))
    is_over = all(run.status.is_over for run in runs)
    help_ = None if is_over else _("Stop the run first.")
    if not is_allowed:
        help_ = _("Only runs that this browser started can be deleted.")
    label = f":red[{_('Delete')}]"
    if st.button(label, disabled=not (is_allowed and is_over), key="history.delete", help=help_):
        st.dialog(_("Delete runs"))(_confirm)([run.id for run in runs], [run.name for run in runs])


def show_delete_all() -> None:
    """Offer to delete all runs of the visitor that are over and not starred, if there are any."""
    deletable = get_store().deletion.find_deletable(read_owner())
    if deletable and st.button(_("Delete all my runs"), key="history.delete_all", type="tertiary"):
        st.dialog(_("Delete all my runs"))(_confirm_all)()


def show_undo() -> None:
    """Offer for a minute to bring deleted runs back: those of the visitor, and those an admin deleted here."""
    if _find_restorable():
        show_fragment(_draw_undo, every=UNDO_TICK)


def delete_runs(run_ids: list[str]) -> None:
    """Delete runs that are over and that the visitor may end; if one is not, delete none and say why."""
    with flash_errors("history.refused"):
        get_stored_runs().delete(run_ids, owner=read_owner())
        if is_admin():
            st.session_state["history.deleted"] = [*st.session_state.get("history.deleted", ()), *run_ids]
        st.session_state["history.chosen"] = []  # not if it is refused: then they stay chosen


def _find_restorable() -> list[str]:
    return get_store().deletion.find_restorable(read_owner(), also=st.session_state.get("history.deleted", ()))


def _draw_undo() -> None:
    count = len(_find_restorable())
    if not count:
        rerun_page()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(_n("{count:,} run was deleted.", "{count:,} runs were deleted.", count).format(count=count))
        if st.button(_("Undo"), key="history.undo", on_click=_undo):
            st.rerun()


def _undo() -> None:
    with toast_errors():
        get_stored_runs().undo_deletion(owner=read_owner(), also=st.session_state.pop("history.deleted", ()))


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
    confirm(label, "history.confirm", lambda: delete_runs(run_ids))


def _confirm_all() -> None:
    owner = read_owner()
    usage, count = get_stored_runs().measure_usage(owner), len(get_store().deletion.find_deletable(owner))
    st.text(
        _("You have stored {runs:,} runs, which take {used:,.1f} MB of {quota:,.0f} MB.").format(
            runs=usage.runs, used=usage.bytes / 1e6, quota=get_stored_runs().quota_of(owner) / 1e6
        )
    )
    template = _n(
        "{count:,} run that is over and has no star will be deleted. You can undo it for a minute.",
        "{count:,} runs that are over and have no star will be deleted. You can undo it for a minute.",
        count,
    )
    st.text(template.format(count=count))
    label = _n("Delete {count} run", "Delete {count} runs", count).format(count=count)
    confirm(label, "history.confirm_all", _delete_all)


def confirm(label: str, key: str, act: Callable[[], None]) -> None:
    """Draw the two buttons of a dialog; both close it."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        cancelled = st.button(_("Cancel"), key="history.cancel")
        confirmed = st.button(f":red[**{label}**]", key=key, on_click=act)
    if cancelled or confirmed:
        st.rerun()


def _delete_all() -> None:
    with toast_errors():
        get_stored_runs().delete_all(owner=read_owner())
        st.session_state["history.chosen"] = []
        forget_foreign_runs()  # they are deleted too
