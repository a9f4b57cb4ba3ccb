"""What a comparison shows: the best row, and each row compared with the baseline that the visitor chose."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.comparison import ComparisonVerdict, compare_recipes, find_best
from mlpcore.analysis.comparison_wording import describe_best, describe_comparison
from mlpcore.charts.compare import Series
from mlpcore.runs.records import Run, RunStatus
from pages.components.compare.results_table import are_validated
from pages.components.shared.state import count_test_images
from pages.components.shared.words import _, as_markdown, say

LOST = (RunStatus.DIVERGED, RunStatus.FAILED)  # these have no accuracy to rank by


def name_best(series: Sequence[Series]) -> str:
    """Name the best row by the images that may choose, or say why there is none; "" while there is nothing to rank."""
    runs = [run for one in series for run in one.runs]
    if len({run.recipe.data for run in runs}) > 1:
        return _("The rows are of different data sets, so none is named the best.")
    validated = are_validated(series)
    images = min(run.recipe.validation_size for run in runs) if validated else count_test_images(runs[0].recipe.data)
    accuracies = [_rank(one.runs, validated=validated) for one in series]
    best = find_best(accuracies, images=images)
    if best is None:
        return ""
    is_over = all(run.status.is_over for run in runs)
    labels = [one.label for one in series]
    return " ".join(map(say, describe_best(best, labels, validated=validated, is_over=is_over)))


def choose_baseline(series: Sequence[Series]) -> int:
    """Offer each row as the baseline; return the place of the chosen one, at first that of the first row."""
    if len(series) < 2:
        return 0
    labels = [one.label for one in series]
    if st.session_state.get("compare.baseline") not in labels:  # another comparison
        st.session_state["compare.baseline"] = labels[0]
    chosen = st.segmented_control(
        _("Baseline"),
        labels,
        required=True,
        format_func=as_markdown,
        key="compare.baseline",
        persist_state="session",
        wrap=True,
    )
    return labels.index(chosen) if chosen in labels else 0


def show_verdicts(series: Sequence[Series], *, baseline: int, going_on: bool) -> None:
    """Compare every recipe with the baseline by test accuracy."""
    if len(series) < 2:
        return
    validated = are_validated(series)
    ends = [
        {
            run.recipe.seed: evaluation.test_acc
            for run in one.runs
            if run.status is RunStatus.FINISHED and (evaluation := run.chosen if validated else run.latest)
        }
        for one in series
    ]
    others = [place for place in range(len(series)) if place != baseline]
    compared = compare_recipes(ends[baseline], [ends[place] for place in others])
    if all(one.verdict is ComparisonVerdict.NO_PAIRS for one in compared):
        if not going_on:
            st.caption(_("Nothing to compare yet: the baseline and another row must finish with the same seed."))
        return
    measure = _("test accuracy at the step chosen by validation") if validated else _("final test accuracy")
    st.caption(_("By {measure}, compared with the baseline:").format(measure=measure))
    with st.container(gap="xxsmall"):
        for place, result in zip(others, compared, strict=True):
            if result.verdict is not ComparisonVerdict.NO_PAIRS:
                labels = {"reference": series[baseline].label, "other": series[place].label}
                st.text(say(describe_comparison(result, **labels)))
    if any(result.p is not None for result in compared):
        st.caption(
            _("± is one standard deviation of the differences over the seeds. Significance: paired t-test at 5 %.")
        )


def _rank(runs: Sequence[Run], *, validated: bool) -> float | None:
    """Return the mean accuracy that a row is ranked by; None while a run has none, and if one has come to nothing."""
    found = [run.chosen if validated else run.latest for run in runs if run.status not in LOST]
    accuracies = [one.val_acc if validated else one.test_acc for one in found if one is not None]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return sum(known) / len(known) if len(known) == len(runs) else None
