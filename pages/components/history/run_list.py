"""The list of runs: one page of rows at a time, sorted and filtered by the database."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from mlpcore.analysis.differences import name_differences
from mlpcore.data.download.sources import dataset_title
from mlpcore.recipes.lessons import title_of_label
from mlpcore.runs.records import RunStatus
from mlpcore.runs.search import ListedRun, RunSearch
from pages.components.shared.recipe_summary import describe_training
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _, _n, show_duration, status_word

ROWS = 50  # on one page
MAX_NAMED = 100  # runs of a row whose differences are named: of the 10,000 of a sweep it takes a second
MAX_CHOSEN = 80  # runs whose curves are drawn together: those of the largest comparison

Group = list[ListedRun]  # the runs of a row


def show_empty() -> None:
    """Say that there is no run yet, and offer to start one."""
    st.text(_("No run is stored yet: every run that you start appears here."))
    if st.button(_("Open the playground"), type="primary", key="history.begin"):
        st.switch_page("playground.py")


def search(asked: RunSearch) -> tuple[list[Group], int]:
    """Read the chosen page of rows, or the last one if there are fewer by now; return them and how many there are."""
    number = st.session_state.setdefault("history.page", 1)
    while True:
        groups, total = _read_page(RunSearch(**asked, limit=ROWS, offset=(number - 1) * ROWS))
        last = max(-(-total // ROWS), 1)
        if number <= last:
            st.session_state["history.page"] = number
            return groups, total
        number = last


def read_chosen() -> list[str]:
    """Return the ids of the chosen runs, of all pages."""
    return st.session_state.setdefault("history.chosen", [])


def show_table(groups: Sequence[Group], *, name_owner: Callable[[str], str] | None = None) -> None:
    """Draw the rows, to be ticked; a row of several runs stands for all of them.

    name_owner: What the person is called who started a run, where that is shown.
    """
    state, owner, chosen = st.session_state, read_owner(), read_chosen()
    ids = [[one.run.id for one in group] for group in groups]
    # Streamlit keeps the numbers of the chosen rows. When the rows change, for example because of a new run on top,
    # another key makes a new table, which starts with the same runs chosen.
    digest = hashlib.sha256(";".join(",".join(some) for some in ids).encode()).hexdigest()[:12]
    key = f"history.table.{digest}.{state.get('history.cleared', 0)}"
    rows = [_row(group, owner) for group in groups]
    if name_owner is not None:
        people = [name_owner(group[0].run.owner) for group in groups]
        rows = [{_("person"): person} | row for person, row in zip(people, rows, strict=True)]
    frame = pd.DataFrame(rows)
    st.dataframe(
        frame.drop(columns=[_("lesson")]) if not any(frame[_("lesson")]) else frame,
        hide_index=True,
        on_select=lambda: _take_rows(key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [n for n, some in enumerate(ids) if set(some) & set(chosen)]}},
        key=key,
        height="content" if len(groups) <= 12 else 430,
        placeholder="—",
        column_config={
            _("iterations"): st.column_config.NumberColumn(format="localized"),
            _("best"): st.column_config.NumberColumn(format="%.1f%%"),
            _("final"): st.column_config.NumberColumn(format="%.1f%%"),
            _("started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            # holds most recipes, and leaves room at 1280 pixels for every column but the note
            _("recipe"): st.column_config.TextColumn(width=320),
        },
    )


def count_pages(total: int) -> int:
    """Return how many pages so many rows fill."""
    return -(-total // ROWS)


def clear_chosen() -> None:
    """Untick every run."""
    st.session_state["history.chosen"] = []
    st.session_state["history.cleared"] = st.session_state.get("history.cleared", 0) + 1


def _read_page(asked: RunSearch) -> tuple[list[Group], int]:
    if st.session_state["history.folded"]:
        return get_store().search_submissions(**asked)
    listed, total = get_store().search(**asked)
    return [[one] for one in listed], total


def _take_rows(key: str, ids: Sequence[Sequence[str]]) -> None:
    """Store which runs are chosen; those of other pages stay chosen."""
    state = st.session_state
    here = [run_id for row in state[key].selection.rows if row < len(ids) for run_id in ids[row]]
    shown = {run_id for some in ids for run_id in some}
    elsewhere = [run_id for run_id in state["history.chosen"] if run_id not in shown]
    state["history.chosen"] = [*elsewhere, *here][:MAX_CHOSEN]


def _row(group: Group, owner: str) -> dict[str, object]:
    runs = [one.run for one in group]
    first = runs[0]
    best, final = ([value for one in group if (value := getattr(one, name)) is not None] for name in ACCURACIES)
    states = {run.status for run in runs}
    recipes = [*dict.fromkeys(run.recipe.replace(seed=0) for run in runs[:MAX_NAMED])]
    differences = name_differences(recipes) + (["…"] if len(runs) > MAX_NAMED else [])
    return {
        "★": "★" if any(run.starred for run in runs) else "",
        _("name"): _name(runs[0].name, len(runs) - 1),
        _("state"): ", ".join(status_word(status) for status in RunStatus if status in states),
        _("data set"): dataset_title(first.recipe.dataset),
        _("recipe"): " · ".join(differences) if len(recipes) > 1 else describe_training(first.recipe),
        _("iterations"): max(run.step for run in runs),
        _("best"): 100 * max(best) if best else None,
        _("final"): 100 * max(final) if final else None,
        _("computing"): show_duration(sum(run.seconds for run in runs)),
        _("started"): datetime.fromtimestamp(first.created, tz=UTC),
        _("mine"): first.belongs_to(owner),
        _("lesson"): (title_of_label(first.lesson) or _("A lesson")) if first.lesson else "",
        _("note"): " · ".join(run.note for run in runs if run.note),
    }


ACCURACIES = ("best_acc", "last_acc")


def _name(first: str, others: int) -> str:
    if not others:
        return first
    return _n("{name} and {count} more", "{name} and {count} more", others).format(name=first, count=others)
