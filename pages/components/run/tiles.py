"""A run's newest numbers as tiles, with their differences to an earlier run."""

from typing import Literal, TypedDict

import streamlit as st

from mlpcore.analysis.diagnoses.own_runs import find_common_step
from mlpcore.analysis.remedies import percentage_points
from mlpcore.analysis.statistics import detectable_difference
from mlpcore.runs.records import Evaluation, Run
from pages.components.run.reference import Reference
from pages.components.shared.state import count_test_images
from pages.components.shared.words import _


class Delta(TypedDict, total=False):
    """The arguments of a tile that show a difference."""

    delta: str
    delta_description: str
    delta_color: Literal["green", "red", "gray"]
    delta_arrow: Literal["up", "down", "off"]


def show_tiles(run: Run | None, reference: Reference | None) -> None:
    """Draw the numbers of the newest evaluation; the differences are those at the last step that both runs have."""
    latest, best = (run.latest, run.best) if run else (None, None)
    with st.grid(5, min_column_width=130, gap="small"):
        help_ = _(
            "Mean over the mini-batches since the last evaluation, with dropout on. All other measures are taken with "
            "dropout off."
        )
        value = f"{latest.train_loss:.3f}" if latest else None
        st.metric(_("Mini-batch loss"), value, help=help_, **_compare(run, reference, "train_loss"))
        value = f"{latest.test_acc:.1%}" if latest else None
        st.metric(_("Test accuracy"), value, **_compare(run, reference, "test_acc"))
        value = f"{latest.train_acc:.1%}" if latest else None
        st.metric(_("Train accuracy"), value, **_compare(run, reference, "train_acc"))
        show_gap(latest)
        help_best = _("Best on the test examples, at step {step:,}.").format(step=best.step) if best else None
        st.metric(_("Best on test set"), f"{best.test_acc:.1%}" if best else None, help=help_best)


def show_gap(evaluation: Evaluation | None) -> None:
    """Draw the tile of the gap between train and test accuracy, empty without an evaluation."""
    gap = percentage_points(evaluation.train_acc, evaluation.test_acc) if evaluation else None
    help_ = _("Train accuracy minus test accuracy. A large gap: the network knows its training examples by heart.")
    st.metric(_("Gap, pp"), None if gap is None else f"{gap:+.1f}", help=help_)


def _compare(run: Run | None, reference: Reference | None, measure: str) -> Delta:
    """Return the arguments of a tile that compare it with the earlier run, with a place kept until both have a step."""
    if run is None or reference is None:
        return {}
    versus = _("vs {run}").format(run=reference.name)
    pair = find_common_step(run, reference.run)
    if pair is None:
        return {"delta": versus, "delta_color": "gray", "delta_arrow": "off"}
    mine, other = pair
    if mine is not run.latest:
        versus = _("{versus}, step {step:,}").format(versus=versus, step=mine.step)
    change = getattr(mine, measure) - getattr(other, measure)
    text = f"{change:+.3f}" if measure == "train_loss" else _("{gain:+.1f} pp").format(gain=100 * change)
    # only a difference that so many test images can tell is coloured
    is_told = measure == "test_acc" and abs(change) >= detectable_difference(count_test_images(run.recipe.data))
    return {
        "delta": text,
        "delta_description": versus,
        "delta_color": "gray" if not is_told else "green" if change > 0 else "red",
        "delta_arrow": "up" if change > 0 else "down" if change < 0 else "off",
    }
