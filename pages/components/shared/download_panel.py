"""Offer the published data sets that are missing, and show the progress of their downloads."""

from collections.abc import Collection

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.data.download.download import Download
from mlpcore.data.download.sources import ARCHIVES, dataset_title
from mlpcore.runs.records import is_same_owner
from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import get_downloads, read_owner
from pages.components.shared.words import _, say, show_duration

MEGABYTE = 1_000_000


def show_downloads(names: Collection[str] = ARCHIVES, *, place: str) -> None:
    """Show a button for each published data set that is missing, or the progress of its download.

    place: part of the widget keys, which must differ between the places of a page.
    """
    ready = known_datasets(data_home())
    missing = [name for name in names if name not in ready]
    if not missing:
        return
    running = [name for name in missing if _find_running(name)]
    show_fragment(_draw, missing, running, place, every=1.0 if running else None)


def _draw(missing: list[str], were_running: list[str], place: str) -> None:
    for name in missing:
        running = _find_running(name)
        if (running is not None) != (name in were_running):
            st.rerun()  # a download has started or ended
        if running is not None:
            _show_progress(running, name, place)
            continue
        size = sum(archive.size for archive in ARCHIVES[name].archives) / MEGABYTE
        label = _("Get {name}, {size:.0f} MB").format(name=dataset_title(name), size=size)
        st.button(label, on_click=_request, args=(name,), key=f"download.{place}.{name}")
        if last := get_downloads().find(name):
            st.caption(say(last.progress.sentence))


def _find_running(name: str) -> Download | None:
    download = get_downloads().find(name)
    return None if download is None or download.progress.status.is_over else download


def _show_progress(download: Download, name: str, place: str) -> None:
    progress = download.progress
    done, total = progress.bytes_done, progress.bytes_total
    st.progress(min(done / total, 1.0), say(progress.sentence))
    parts = [_("{done:.1f} of {total:.1f} MB").format(done=done / MEGABYTE, total=total / MEGABYTE)]
    if progress.rate:
        parts.append(_("{rate:.1f} MB/s").format(rate=progress.rate / MEGABYTE))
    if progress.seconds_left is not None:
        parts.append(_("{duration} left").format(duration=show_duration(progress.seconds_left)))
    st.caption(" · ".join(parts))
    if is_same_owner(download.owner, read_owner()):
        st.button(_("Cancel"), on_click=download.cancel, key=f"cancel.{place}.{name}")


def _request(name: str) -> None:
    """Start a download; the browser that started it may cancel it, even after a reload."""
    get_downloads().request(name, owner=read_owner())
