"""Sweeps that leave as files and come back."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.export.reading import MAX_BYTES
from mlpcore.sweeps.files import from_json, to_csv, to_json
from mlpcore.sweeps.trials import Sweep
from pages.components.shared.flash import flash_errors, mark_page_stale
from pages.components.shared.state import get_stored_runs, get_sweeps, read_owner
from pages.components.shared.words import _

FILE = "sweep.file"


def show_downloads(sweeps: Sequence[Sweep]) -> None:
    """Offer sweeps that are over as a table and as a file that can be imported; each is made when it is asked for."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_("Download"), width="content")
        csv, json = (lambda: to_csv(sweeps)), (lambda: to_json(sweeps))
        st.download_button("CSV", csv, "sweep.csv", "text/csv", key="sweep.csv", on_click="ignore")
        st.download_button("JSON", json, "sweep.json", "application/json", key="sweep.json", on_click="ignore")
        if all(sweep.belongs_to(read_owner()) for sweep in sweeps):
            with st.popover(_("Delete"), key="sweep.delete"):
                st.text(_("The sweep and its results will be deleted. Its runs stay in History."))
                st.button(_("Delete"), type="primary", on_click=_delete, args=(sweeps,), key="sweep.delete.now")


def _delete(sweeps: Sequence[Sweep]) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        for sweep in sweeps:
            get_sweeps().delete(sweep.id, owner=read_owner())
        st.session_state["sweep.shown"], st.session_state["sweep.setup"] = "", True


def show_import() -> None:
    """Import sweeps from a file of this program, and show them."""
    with st.popover(_("Import a sweep")):
        st.file_uploader(
            _("A JSON file that was saved here"),
            type="json",
            key=FILE,
            max_upload_size=MAX_BYTES // 1_000_000,
            on_change=_import,
        )


def _import() -> None:
    if (file := st.session_state[FILE]) is None:  # taken out again
        return
    data, owner = file.getvalue(), read_owner()
    with flash_errors("sweep.said"):
        sweep_ids = get_stored_runs().import_sweeps(lambda: from_json(data, owner=owner), owner=owner)
        st.session_state["sweep.shown"], st.session_state["sweep.setup"] = ",".join(sweep_ids), False
