"""Runs that leave as files and come back."""

import mimetypes
from collections.abc import Callable, Sequence

import streamlit as st

from mlpcore.charts.compare import compare_chart
from mlpcore.export.logs import to_csv_per_run, to_tensorboard
from mlpcore.export.reading import MAX_BYTES
from mlpcore.export.report import to_html
from mlpcore.export.tables import from_json, to_csv, to_json
from mlpcore.messages import Sentence, SentenceError
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run
from pages.components.compare.results import build_series
from pages.components.shared.flash import show_warning
from pages.components.shared.state import get_stored_runs, read_owner
from pages.components.shared.words import _, keep_language, say


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


def show_downloads(runs: Sequence[Run]) -> None:
    """Offer the runs as files."""
    translate = keep_language()  # a file is made when it is asked for, outside any page
    files: dict[str, tuple[str, Callable[[], str | bytes]]] = {
        "runs.csv": (_("CSV, one table"), lambda: to_csv(runs)),
        "runs-csv.zip": (_("CSV, one file per run"), lambda: to_csv_per_run(runs)),
        "runs.json": (_("JSON, to import again"), lambda: to_json(runs)),
        "runs-tensorboard.zip": (_("TensorBoard events"), lambda: to_tensorboard(runs)),
        "runs.html": (_("Report"), lambda: _as_page(runs, translate)),
    }
    with st.popover(_("Download")):
        for name, (label, write) in files.items():
            mime = mimetypes.guess_type(name)[0]
            key = f"history.{name}"
            st.download_button(label, write, name, mime, key=key, on_click="ignore", width="stretch")


def _import(data: bytes) -> tuple[Sentence, Callable[[str], object]]:
    """Import the runs of a file; return what to say of it, and how to show that."""
    try:
        owner = read_owner()
        count = get_stored_runs().import_runs(lambda: from_json(data, owner=owner), owner=owner)
    except (SentenceError, StoreError) as error:
        return error.sentence, show_warning
    template = "1 run imported." if count == 1 else "{count} runs imported."
    return Sentence(template, {"count": count}), st.success


def _as_page(runs: Sequence[Run], translate: Callable[[str], str]) -> str:
    curves = compare_chart(build_series(runs), translate=translate)
    return to_html(runs, [curves], title=translate("Runs of the MLP playground"), translate=translate)
