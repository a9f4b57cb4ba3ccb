"""Published data sets that are not on this machine: one click fetches them, for everybody."""

from collections.abc import Collection

import streamlit as st

from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.data.download.download import Download
from mlpcore.data.download.sources import ARCHIVES
from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import get_downloads, read_owner
from pages.components.shared.words import _, say, show_duration

MEGABYTE = 1_000_000


def show_downloads(names: Collection[str] = ARCHIVES, *, place: str) -> None:
    """Offer each published data set that is missing, and show how far those are that are being fetched.

    place: tells the widgets of one place on the page from those of another.
    """
    here = known_datasets(data_home())
    missing = [name for name in names if name not in here]
    if not missing:
        return
    going_on = [name for name in missing if _goes_on(get_downloads().find(name))]
    show_fragment(_draw, missing, going_on, place, every=1.0 if going_on else None)


def _draw(missing: list[str], were_going_on: list[str], place: str) -> None:
    downloads = get_downloads()
    for name in missing:
        download = downloads.find(name)
        going_on = _goes_on(download)
        if going_on != (name in were_going_on):
            st.rerun()  # it has just begun, or has just arrived
        if going_on:
            _show_progress(download, name, place)
            continue
        size = sum(archive.size for archive in ARCHIVES[name].archives) / MEGABYTE
        label = _("Get {name}, {size:.0f} MB").format(name=name, size=size)
        st.button(label, on_click=_request, args=(name,), key=f"download.{place}.{name}")
        if download is not None and download.progress.sentence is not None:
            st.caption(say(download.progress.sentence))


def _goes_on(download: Download | None) -> bool:
    return download is not None and not download.progress.status.is_over


def _show_progress(download: Download, name: str, place: str) -> None:
    progress = download.progress
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 0.0
    st.progress(min(share, 1.0), say(progress.sentence) if progress.sentence else name)
    parts = [
        _("{done:.1f} of {total:.1f} MB").format(
            done=progress.bytes_done / MEGABYTE, total=progress.bytes_total / MEGABYTE
        )
    ]
    if progress.rate:
        parts.append(_("{rate:.1f} MB/s").format(rate=progress.rate / MEGABYTE))
    if progress.seconds_left is not None:
        parts.append(_("{duration} left").format(duration=show_duration(progress.seconds_left)))
    st.caption(" · ".join(parts))
    if download.owner == read_owner():
        st.button(_("Cancel"), on_click=download.cancel, key=f"cancel.{place}.{name}")


def _request(name: str) -> None:
    """Fetch a data set; the browser that asked first may cancel it, after a reload too."""
    get_downloads().request(name, owner=read_owner())
