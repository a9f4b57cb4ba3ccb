"""What can be done with the chosen runs, and what they show."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mlpcore.analysis.differences import find_differences
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import current_hyperparameters
from mlpcore.runs.records import Run
from pages.components.compare.results import show_comparison
from pages.components.history.deletion import may_end, show_delete, show_delete_all
from pages.components.history.files import show_downloads, show_import
from pages.components.history.run_list import clear_chosen, count_pages
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.flash import flash_errors, get_flashed, show_warning, toast_errors
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import get_manager, get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, _n, say


def find_chosen(run_ids: Sequence[str]) -> list[Run]:
    """Read the chosen runs; another page may have deleted one."""
    return [run for run_id in run_ids if (run := _find(run_id)) is not None]


def show_action_row(runs: Sequence[Run], total: int) -> None:
    """Say how many rows there are, and offer what can be done with the chosen runs, or with all where none is chosen.

    The row is always there and as high as a button, so that the table below stays where it is. total: rows of the list
    on all pages.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not total:
            st.text(_("No run fits these filters."), width="stretch")
        elif not runs:
            template = _n(
                "{total:,} row. Tick it to open, compare, export, stop or delete its runs.",
                "{total:,} rows. Tick some to open, compare, export, stop or delete their runs.",
                total,
            )
            st.caption(template.format(total=total), width="content")
        if runs:
            template = _n("{count} run ticked", "{count} runs ticked", len(runs))
            st.caption(
                template.format(count=len(runs)), width="content"
            )  # at the right the table has buttons of its own
            _buttons(runs)
        else:
            show_import()
            show_delete_all()
        if (pages := count_pages(total)) > 1:
            title = _("Page (of {pages})").format(pages=pages)
            st.number_input(title, 1, pages, key="history.page", width=140, persist_state="session")
    for refused in get_flashed("history.refused"):
        show_warning(say(refused))


def show_chosen(runs: Sequence[Run]) -> None:
    """Show the chosen runs: name and note of one, the differences of several, and their curves in one chart."""
    if len(runs) == 1:
        _annotations(runs[0])
    else:
        _differences(runs)
    show_comparison(runs)


def _buttons(runs: Sequence[Run]) -> None:
    if len(runs) == 1 and st.button(_("Open in the playground"), key="history.open"):
        st.session_state["run"] = runs[0].id
        put_recipe(current_hyperparameters(runs[0].recipe))
        st.switch_page("playground.py")
    if st.button(_("Open in Compare"), key="history.compare"):
        st.session_state["compare.handed_over"] = [run.id for run in runs]
        st.switch_page("compare.py")
    if all(run.ended_early for run in runs):
        help_ = _("Trains these recipes to their end, as new runs; the runs here stay as they are.")
        if st.button(_("Continue"), key="history.continue", help=f"{help_} {describe_reproducibility(runs)}"):
            _continue(runs)
    show_downloads(runs)
    _show_stop(runs)
    show_delete(runs)
    st.button(_("Untick all"), on_click=clear_chosen, key="history.none", type="tertiary")


def _show_stop(runs: Sequence[Run]) -> None:
    """Offer to stop those of these runs that go on, if the visitor may end them."""
    run_ids = [run.id for run in runs if not run.status.is_over and may_end(run)]
    if run_ids:
        st.button(_("Stop"), on_click=_stop, args=(run_ids,), key="history.stop")


def _stop(run_ids: Sequence[str]) -> None:
    with flash_errors("history.refused"):
        for run_id in run_ids:
            get_manager().stop(run_id, owner=read_owner())


def _continue(runs: Sequence[Run]) -> None:
    """Train runs that ended early to their end, and open the page that shows the new runs."""
    with toast_errors():
        run_ids = get_manager().continue_runs([run.id for run in runs], owner=read_owner())
        if len(run_ids) > 1:
            st.session_state["compare.handed_over"] = run_ids
            st.switch_page("compare.py")
        st.session_state["run"] = run_ids[0]
        put_recipe(current_hyperparameters(runs[0].recipe))
        st.switch_page("playground.py")


def _find(run_id: str) -> Run | None:
    try:
        return get_store().get(run_id)
    except ValueError:
        return None


def _annotations(run: Run) -> None:
    mine = run.belongs_to(read_owner())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(_("Name"), run.name, max_chars=40, disabled=not mine, key=f"name.{run.id}", width=240)
        note = st.text_input(_("Note"), run.note, max_chars=500, disabled=not mine, key=f"note.{run.id}")
        starred = st.toggle("★", run.starred, disabled=not mine, key=f"star.{run.id}", width="content")
    if not mine:
        return
    try:
        if (note, starred) != (run.note, run.starred):  # before the name, which may be refused
            get_stored_runs().annotate(run.id, owner=read_owner(), note=note, starred=starred)
        if name != run.name:
            get_stored_runs().annotate(run.id, owner=read_owner(), name=name)
    except SentenceError as error:
        show_warning(say(error.sentence))
    else:
        if (name, note, starred) != (run.name, run.note, run.starred):
            st.rerun()


def _differences(runs: Sequence[Run]) -> None:
    differing = find_differences([run.recipe for run in runs])
    if not differing:
        st.caption(_("These runs have the same recipe."))
        return
    frame = pd.DataFrame(
        {name: ["" if value is None else str(value) for value in values] for name, values in differing.items()}
    )
    frame.insert(0, _("run"), [run.name for run in runs])
    st.dataframe(frame, hide_index=True, height="content" if len(runs) < 8 else 280)
