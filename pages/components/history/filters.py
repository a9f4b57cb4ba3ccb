"""The filters of the history and its order."""

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

from mlpcore.data.download.sources import dataset_title
from mlpcore.recipes.lessons import title_of_label
from mlpcore.recipes.recipe import OPTIMIZERS
from mlpcore.runs.records import RunStatus
from mlpcore.runs.search import RunFilters, RunSearch
from pages.components.shared.choices import persistent
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _, status_word

T = TypeVar("T")
FILTERS = (
    "words",
    "dataset",
    "optimizer",
    "status",
    "lesson",
    "least",
    "mine",
    "starred",
)  # what "Clear filters" clears


def show_filters() -> RunFilters:
    """Draw the filters, and a button that clears them while there are any; return what the runs must meet."""
    everything = {"": _("all")}
    datasets = everything | {name: dataset_title(name) for name in get_store().list_values("dataset")}
    lessons = everything | {label: title_of_label(label) or _("A lesson") for label in _list_lessons()}
    statuses: dict[str, str] = everything | {status: status_word(status) for status in RunStatus}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        words = st.text_input(
            _("Search name and note"),
            max_chars=60,
            width=170,
            on_change=go_to_first_page,
            **persistent("history.words"),
        )
        dataset = _select(_("Data set"), "history.dataset", datasets, width=130)
        optimizer = _select(_("Optimizer"), "history.optimizer", everything | {n: n for n in OPTIMIZERS}, width=120)
        status = _select(_("State"), "history.status", statuses, width=130)
        lesson = _select(_("Lesson"), "history.lesson", lessons, width=160) if len(lessons) > 1 else ""
        least = st.number_input(
            _("Best, at least %"), 0, 100, 0, width=120, on_change=go_to_first_page, **persistent("history.least")
        )
        mine = _toggle(_("Mine"), "history.mine")
        starred = _toggle(_("Starred"), "history.starred")
        if words.strip() or dataset or optimizer or status or lesson or least or mine or starred:
            st.button(_("Clear filters"), on_click=_clear, key="history.clear")
    return RunFilters(
        words=words.strip(),
        dataset=dataset or None,
        optimizer=optimizer or None,
        lesson=lesson or None,
        statuses=[RunStatus(status)] if status else None,
        least_best_acc=least / 100 or None,
        owner=read_owner() if mine else None,
        starred=starred,
    )


def show_order() -> RunSearch:
    """Draw the order of the rows, and whether comparisons share a row; return the order."""
    orders = {
        "created": _("newest"),
        "name": _("name"),
        "best_acc": _("best accuracy"),
        "last_acc": _("final accuracy"),
        "seconds": _("longest"),
    }
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        sort = _select(_("Sort by"), "history.sort", orders, width=170)
        backwards = _toggle(_("Backwards"), "history.backwards")
        help_ = _("The runs of a comparison, or of anything else that was started together, share a row.")
        _toggle(_("Fold comparisons"), "history.folded", default=True, help_=help_)
    return RunSearch(sort=sort, descending=(sort != "name") != backwards)


def go_to_first_page() -> None:
    """Show the first page of what is found."""
    st.session_state["history.page"] = 1


def _list_lessons() -> list[str]:
    """List the lessons of the stored runs, and the one that a link asks for, which may have no runs yet."""
    chosen, lessons = st.session_state.get("history.lesson"), get_store().list_values("lesson")
    return [*lessons, chosen] if chosen and chosen not in lessons else lessons


def _clear() -> None:
    for name in FILTERS:
        st.session_state.pop(f"history.{name}", None)
    go_to_first_page()


def _select(label: str, key: str, titles: Mapping[T, str], *, width: int) -> T:
    return st.selectbox(
        label,
        list(titles),
        format_func=titles.__getitem__,
        on_change=go_to_first_page,
        filter_mode=None,
        width=width,
        **persistent(key),
    )


def _toggle(label: str, key: str, *, default: bool | None = None, help_: str | None = None) -> bool:
    return st.toggle(label, width="content", on_change=go_to_first_page, help=help_, **persistent(key, default))
