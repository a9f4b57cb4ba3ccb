"""Actions on the chosen runs, and the import of runs from a file."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from mlpcore.analysis.differences import find_differences
from mlpcore.charts.compare import compare_chart
from mlpcore.export.tables import MAX_BYTES, from_json, to_csv, to_html, to_json
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import current_hyperparameters
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run
from pages.components.compare.results import build_series, show_comparison
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.flash import flash_errors, get_flashed, show_warning, toast_errors
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import get_manager, get_store, get_stored_runs, read_owner
from pages.components.shared.words import _, _n, keep_language, say


def show_import() -> None:
    """Import runs from a file of this program: all of them or none."""
    with st.popover(_("Import runs")):
        file = st.file_uploader(
            _("A JSON file that was saved here"),
            type="json",
            key="history.file",
            max_upload_size=MAX_BYTES // 1_000_000,
        )
        if file is None:
            return
        file_id, sentence, show = st.session_state.get("history.imported", (None, None, None))
        if file_id != file.file_id:
            sentence, show = _import(file.getvalue())
            st.session_state["history.imported"] = (file.file_id, sentence, show)
        show(say(sentence))


def _import(data: bytes) -> tuple[Sentence, Callable[[str], object]]:
    """Import the runs of a file; return what to say of it, and how to show that."""
    try:
        owner = read_owner()
        count = get_stored_runs().import_runs(lambda: from_json(data, owner=owner), owner=owner)
    except (SentenceError, StoreError) as error:
        return error.sentence, show_warning
    template = "One run was imported." if count == 1 else "{count} runs were imported."
    return Sentence(template, {"count": count}), st.success


def show_delete_all() -> None:
    """Offer to delete all runs of the visitor that are over and not starred, if there are any."""
    deletable = get_store().deletion.find_deletable(read_owner())
    if deletable and st.button(_("Delete all my runs"), key="history.delete_all"):
        st.dialog(_("Delete all my runs"))(_confirm_delete_all)()


def _confirm_delete_all() -> None:
    owner = read_owner()
    usage, count = get_stored_runs().measure_usage(owner), len(get_store().deletion.find_deletable(owner))
    st.text(
        _("You have stored {runs:,} runs, which take {used:,.1f} MB of {quota:,.0f} MB.").format(
            runs=usage.runs, used=usage.bytes / 1e6, quota=get_stored_runs().quota / 1e6
        )
    )
    template = _n(
        "{count:,} run that is over and has no star will be deleted for good.",
        "{count:,} runs that are over and have no star will be deleted for good.",
        count,
    )
    st.text(template.format(count=count))
    if st.button(
        _("Delete for good"), type="primary", disabled=not count, key="history.confirm_all", on_click=_delete_all
    ):
        st.rerun()


def _delete_all() -> None:
    with toast_errors():
        get_stored_runs().delete_all(owner=read_owner())


def show_actions(run_ids: list[str]) -> None:
    """Draw the actions on the chosen runs, and their curves in one chart."""
    runs = [run for run_id in run_ids if (run := _find(run_id)) is not None]  # another page may have deleted one
    if not runs:
        return
    for refused in get_flashed("history.refused"):
        show_warning(say(refused))
    mine = all(run.belongs_to(read_owner()) for run in runs)
    over = all(run.status.is_over for run in runs)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
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
        _downloads(runs)
        if st.button(_("Delete"), disabled=not (mine and over), key="history.delete", help=_delete_help(mine, over)):
            st.dialog(_("Delete runs"))(_confirm_delete)([run.id for run in runs])
    if len(runs) == 1:
        _annotations(runs[0], mine)
    else:
        _differences(runs)
    show_comparison(runs)


def _continue(runs: list[Run]) -> None:
    """Train runs that ended early to their end, and open the page that shows the new runs."""
    with toast_errors():
        run_ids = get_manager().continue_runs([run.id for run in runs], owner=read_owner())
        if len(run_ids) > 1:
            st.session_state["compare.handed_over"] = run_ids
            st.switch_page("compare.py")
        st.session_state["run"] = run_ids[0]
        put_recipe(current_hyperparameters(runs[0].recipe))
        st.switch_page("playground.py")


def delete_runs(run_ids: list[str]) -> None:
    """Delete runs that are over and the visitor's own; if one is not, delete none and say why."""
    with flash_errors("history.refused"):
        get_stored_runs().delete(run_ids, owner=read_owner())
        st.session_state["history.chosen"] = []  # not if it is refused: then they stay chosen


def _find(run_id: str) -> Run | None:
    try:
        return get_store().get(run_id)
    except ValueError:
        return None


def _delete_help(mine: bool, over: bool) -> str | None:
    if not mine:
        return _("Only runs that this browser started can be deleted.")
    return None if over else _("Stop the run first.")


def _downloads(runs: list[Run]) -> None:
    translate = keep_language()  # a file is made when it is asked for, outside any page
    files: list[tuple[str, str, Callable[[], str | bytes]]] = [
        ("csv", "text/csv", lambda: to_csv(runs)),
        ("json", "application/json", lambda: to_json(runs)),
        ("html", "text/html", lambda: _as_page(runs, translate)),
    ]
    for kind, mime, write in files:
        st.download_button(kind.upper(), write, f"runs.{kind}", mime, key=f"history.{kind}", on_click="ignore")


def _as_page(runs: list[Run], translate: Callable[[str], str]) -> str:
    return to_html(compare_chart(build_series(runs), translate=translate), title=translate("MLP playground"))


def _confirm_delete(run_ids: list[str]) -> None:
    template = _n(
        "{count} run and all its measurements will be deleted for good.",
        "{count} runs and all their measurements will be deleted for good.",
        len(run_ids),
    )
    st.text(template.format(count=len(run_ids)))
    if st.button(_("Delete for good"), type="primary", key="history.confirm", on_click=delete_runs, args=(run_ids,)):
        st.rerun()


def _annotations(run: Run, mine: bool) -> None:
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


def _differences(runs: list[Run]) -> None:
    differing = find_differences([run.recipe for run in runs])
    if not differing:
        st.caption(_("These runs have the same recipe."))
        return
    frame = pd.DataFrame(
        {name: ["" if value is None else str(value) for value in values] for name, values in differing.items()}
    )
    frame.insert(0, _("run"), [run.name for run in runs])
    st.dataframe(frame, hide_index=True, height="content" if len(runs) < 8 else 280)
