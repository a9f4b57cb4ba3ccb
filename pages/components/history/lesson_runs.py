"""The runs of a class in a lesson, live: who changed what, and how far each run has come."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mlpcore.analysis.comparison import group_by_seed
from mlpcore.analysis.differences import name_differences
from mlpcore.charts.compare import Series, compare_chart
from mlpcore.recipes.lessons import title_of_label
from mlpcore.runs.records import Run
from pages.components.compare.rows import MARK, MARK_WIDTH, draw_mark
from pages.components.shared.address import take_query
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import count_training_images, find_run, get_store, read_owner
from pages.components.shared.words import _, _n, status_word

MOST_RUNS = 80  # the newest of a lesson
SECONDS = 2.0  # between two looks at what the class does
CHART_HEIGHT = 350  # pixels


def take_lesson_link() -> None:
    """Show the runs of the lesson that a new address names."""
    query = take_query("history")
    if query and query.get("lesson"):
        st.session_state["history.lesson"] = query["lesson"][:100]


def asks_for_lesson() -> bool:
    """Return whether the runs of a lesson are shown, even if there are none yet."""
    return bool(st.session_state.get("history.lesson"))


def show_lesson_runs(label: str) -> None:
    """Show the newest runs of a lesson, and look for more of them every two seconds."""
    show_fragment(_draw, label, every=SECONDS)


def _draw(label: str) -> None:
    runs = _read(label)
    st.subheader(title_of_label(label) or _("A lesson"), anchor=False)
    if not runs:
        st.text(_("No run of this lesson yet: every run that a student starts appears here within seconds."))
        return
    people, active = len({run.owner for run in runs}), sum(not run.status.is_over for run in runs)
    parts = [
        _n("{count} run", "{count} runs", len(runs)).format(count=len(runs)),
        _n("{count} person", "{count} people", people).format(count=people),
        _("{count} going on").format(count=active),
    ]
    st.caption(" · ".join(parts))
    series = _build_series(runs)
    curves, figures = st.columns([6, 5], gap="small")
    with curves:
        alt = _("Mini-batch loss, test accuracy, learning rate and path of every run.")
        live_plot(compare_chart(series, translate=_), key="lesson.runs", height=CHART_HEIGHT, alt=alt, revision=label)
    with figures:
        _table(series)


def _read(label: str) -> list[Run]:
    """Read the runs of a lesson, oldest first; one that is over is not read again."""
    kept: dict[str, Run] = st.session_state.setdefault("lesson.runs.kept", {})
    listed, _total = get_store().search(lesson=label, limit=MOST_RUNS)
    runs = [run for one in reversed(listed) if (run := kept.get(one.run.id) or find_run(one.run.id)) is not None]
    st.session_state["lesson.runs.kept"] = {run.id: run for run in runs if run.status.is_over}
    return runs


def _build_series(runs: Sequence[Run]) -> list[Series]:
    """Put together the runs of one recipe, named by what was changed in it."""
    groups = group_by_seed(runs)
    labels = name_differences([group[0].recipe.replace(seed=0) for group in groups])
    return [
        Series(label, place, group, count_training_images(group[0].recipe) / group[0].recipe.batch_size)
        for place, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]


def _table(series: Sequence[Series]) -> None:
    """Draw one row per run with the look of its curve; students have numbers, in the order of their first runs."""
    runs = [(one, run) for one in series for run in one.runs]
    numbers: dict[str, int] = {}
    for run in sorted((run for _one, run in runs), key=lambda run: run.created):
        numbers.setdefault(run.owner, len(numbers) + 1)
    rows = []
    for one, run in runs:
        who = _("you") if run.belongs_to(read_owner()) else _("student {n}").format(n=numbers[run.owner])
        rows.append(
            {
                MARK: draw_mark(one.place)[0],
                _("changed"): one.label,
                _("who"): who,
                _("state"): status_word(run.status),
                _("iterations"): run.step,
                _("best"): 100 * run.best.test_acc if run.best else None,
                _("final"): 100 * run.latest.test_acc if run.latest else None,
            }
        )
    looks = [draw_mark(one.place)[1] for one, _run in runs]
    percent = st.column_config.NumberColumn(format="%.1f%%")
    st.dataframe(
        pd.DataFrame(rows).style.apply(lambda _cells: looks, subset=[MARK, _("changed")]),
        hide_index=True,
        height="content" if len(rows) <= 10 else CHART_HEIGHT,
        placeholder="—",
        key="lesson.runs.table",
        column_config={MARK: st.column_config.TextColumn(width=MARK_WIDTH), _("best"): percent, _("final"): percent}
        | {_("iterations"): st.column_config.NumberColumn(format="localized")},
    )
