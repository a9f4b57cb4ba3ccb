"""The table of a comparison: one row per recipe, with its figures averaged over its seeds."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.analysis.comparison import find_steps_to, is_validated, weight_norm
from mlpcore.charts.compare import Series
from mlpcore.messages import N_
from mlpcore.numbers import round_tenths
from mlpcore.runs.records import RunStatus
from pages.components.compare.rows import MARK, MARK_WIDTH, draw_mark
from pages.components.shared.state import hash_recipe
from pages.components.shared.words import _, show_duration, status_word

NOISY_VALIDATION = N_("The labels of the held-out examples are noisy too, so val_acc is lower than on clean labels.")
LABEL_WIDTH = 226  # pixels: the longest of the lecture's, SGD lr=0.01 momentum=0.9 nesterov=on


def show_table(series: Sequence[Series], picked: frozenset[str], *, baseline: int, fingerprints: bool) -> None:
    """Draw one row per recipe with the look of its curve; choosing a row picks its curve.

    baseline: the place of the recipe that the others are compared with.
    """
    target = st.session_state["compare.target"] / 100
    validated = are_validated(series)
    rows = [_row(one, target, validated=validated, fingerprints=fingerprints) for one in series]
    ranked = _("chosen by validation") if validated else _("final")
    for place, row in enumerate(rows):
        known = None not in (row[ranked], rows[baseline][ranked])
        gain = round_tenths(row[ranked] - rows[baseline][ranked]) if known else None
        row[_("vs baseline, pp")] = None if place == baseline else gain
    frame = pd.DataFrame(rows)
    always = (ranked, _("steps to target"))
    frame = frame.loc[:, [name in always or not frame[name].isna().all() for name in frame]]
    looks = [draw_mark(one.place)[1] for one in series]
    percent = st.column_config.NumberColumn(format="%.1f%%")
    spread = _("One standard deviation over the seeds.")
    difference = _("Minus the baseline. The sentences below say what can be concluded from it.")
    of_seeds = _("With several seeds: the mean of each seed's own best, which is not the best of the mean curve.")
    key = f"compare.table.{st.session_state['compare.shown']}.{st.session_state.get('compare.clicks', 0)}"
    st.dataframe(
        frame.style.apply(lambda _cells: looks, subset=[MARK, _("recipe")]),
        hide_index=True,
        key=key,
        on_select=lambda: _take_rows(key, series),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [n for n, one in enumerate(series) if one.label in picked]}},
        height="content" if len(series) < 13 else 380,
        placeholder="—",
        column_config={
            MARK: st.column_config.TextColumn(width=MARK_WIDTH),
            _("recipe"): st.column_config.TextColumn(width=LABEL_WIDTH),
            _("± pp"): st.column_config.NumberColumn(format="%.1f", help=spread),
            _("vs baseline, pp"): st.column_config.NumberColumn(format="%+.1f", help=difference),
            _("best"): st.column_config.NumberColumn(format="%.1f%%", help=of_seeds),
            _("final"): percent,
            _("final, averaged"): st.column_config.NumberColumn(
                format="%.1f%%", help=_("Test accuracy of the averaged weights (EMA or SWA) at the last step.")
            ),
            _("chosen by validation"): percent,
            _("best step"): st.column_config.NumberColumn(format="localized", help=of_seeds),
            _("chosen step"): st.column_config.NumberColumn(format="localized"),
            _("steps to target"): st.column_config.NumberColumn(format="localized"),
            _("weights' size"): st.column_config.NumberColumn(
                format="%.1f", help=_("The Euclidean norm of all weight matrices together at the latest evaluation.")
            ),
            _("computing"): st.column_config.TextColumn(
                help=_("Time spent training and evaluating. Runs that train in lockstep share it.")
            ),
            _("initial weights"): st.column_config.TextColumn(help=_("Equal hashes: the same initial weights.")),
            _("batches"): st.column_config.TextColumn(help=_("Equal hashes: the same examples in the same order.")),
        },
    )


def _take_rows(key: str, series: Sequence[Series]) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state["compare.picked"] = frozenset(series[row].label for row in rows if row < len(series))


def describe_choice(series: Sequence[Series]) -> str:
    """Say which step the accuracies of the table belong to."""
    if are_validated(series):
        chosen = _(
            "Chosen by validation is the test accuracy at the step that was best on the held-out examples: the test "
            "examples had no part in the choice. Final is the test accuracy at the last step."
        )
        is_noisy = any(run.recipe.label_noise > 0 for one in series for run in one.runs)
        return f"{chosen} {_(NOISY_VALIDATION)}" if is_noisy else chosen
    return _(
        "Best is the highest test accuracy of all evaluations. The test examples chose it, so it is optimistic: hold "
        "out 500 examples or more to choose the step without them."
    )


def _row(one: Series, target: float, *, validated: bool, fingerprints: bool) -> dict[str, Any]:
    """Return the figures of a recipe, averaged over its seeds."""
    best = [found for run in one.runs if (found := run.chosen if validated else run.best) is not None]
    latest = [run.latest for run in one.runs if run.latest is not None]
    reached = [find_steps_to(run.evaluations, target) for run in one.runs if run.evaluations]
    steps_to_target = [step for step in reached if step is not None]
    states = {run.status for run in one.runs}
    final = _mean(100 * evaluation.test_acc for evaluation in latest)
    chosen = _mean(100 * evaluation.test_acc for evaluation in best)
    ranked = [100 * evaluation.test_acc for evaluation in (best if validated else latest)]
    row: dict[str, Any] = {
        MARK: draw_mark(one.place)[0],
        _("recipe"): one.label,
        _("chosen by validation") if validated else _("final"): chosen if validated else final,
        _("± pp"): statistics.stdev(ranked) if len(ranked) > 1 else None,
        _("vs baseline, pp"): None,
        _("final") if validated else _("best"): final if validated else chosen,
        _("final, averaged"): _mean(100 * one.avg_test_acc for one in latest if one.avg_test_acc is not None),
        _("chosen step") if validated else _("best step"): _round(_mean(evaluation.step for evaluation in best)),
        _("steps to target"): _round(_mean(steps_to_target)) if len(steps_to_target) == len(reached) else None,
        _("computing"): show_duration(sum(run.seconds for run in one.runs) / len(one.runs)),
        _("weights' size"): _mean(norm for evaluation in latest if (norm := weight_norm(evaluation)) is not None),
        _("state"): ", ".join(status_word(status) for status in RunStatus if status in states),
    }
    if fingerprints:
        weights, batches = hash_recipe(one.runs[0].recipe) or (None, None)
        row |= {_("initial weights"): weights, _("batches"): batches}
    return row


def are_validated(series: Sequence[Series]) -> bool:
    """Return whether held-out images choose the step of every run: all rows are ranked in the same way."""
    return all(is_validated(run) for one in series for run in one.runs)


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.fmean(values) if values else None


def _round(value: float | None) -> int | None:
    return None if value is None else round(value)
