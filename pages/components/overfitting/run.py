"""A run of the overfitting lab: train against test, the gap in numbers, and the norms of the weights."""

from typing import Any

import streamlit as st

from mlpcore.analysis.comparison import is_validated
from mlpcore.analysis.comparison_wording import describe_curve
from mlpcore.analysis.curve_shapes import Shape, classify_curve
from mlpcore.analysis.diagnoses.trends import measure_gap
from mlpcore.analysis.remedies import find_lowest_loss, percentage_points, stop_early
from mlpcore.charts.overfitting import accuracy_gap_chart, loss_gap_chart, norms_chart
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from pages.components.compare.results_table import NOISY_VALIDATION
from pages.components.overfitting.form import LESSON
from pages.components.recipe_form.form_state import find_lesson
from pages.components.run.plane import show_plane, show_units
from pages.components.run.run_view import describe_wait, show_badge
from pages.components.run.tiles import show_gap
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import (
    describe_loading,
    is_loading,
    preload_images,
    refresh_interval,
    rerun_page,
    show_fragment,
)
from pages.components.shared.state import count_test_images, find_images, find_run, get_manager, request_images
from pages.components.shared.words import _, say, show_duration

CHART_HEIGHT, NORMS_HEIGHT = 280, 190  # pixels; with the header and the tiles the charts fit a window 800 high
RISEN = 1.1  # times the lowest test loss, from which on the page says that it has risen
OVERFITTED = 10.0  # percentage points of train over test accuracy, from which on the page speaks of overfitting


def shape_names() -> dict[Shape, str]:
    """Name what test accuracy can do."""
    return {
        Shape.RISES: _("keeps rising"),
        Shape.FLATTENS: _("rises, then flattens"),
        Shape.FALLS: _("rises, then falls"),
        Shape.CHANCE: _("stays at chance"),
    }


def show_lab(run: Run | None, recipe: Recipe | None, *, prediction: Shape | None, hidden: bool) -> None:
    """Show a run, updated every second while it goes on; without one, the empty charts.

    prediction: what the visitor predicts of the test curve. hidden: whether they still have to predict it; until then
    no result on the test images is shown.
    """
    shown = run.recipe if run else recipe
    if shown is None:
        return
    loads = preload_images(shown)
    ticks = loads or (run is not None and not run.status.is_over)
    every = refresh_interval(run) if ticks else None
    drawn = (run.id, run.status.is_over, bool(run.evaluations)) if run else None
    show_fragment(_draw, drawn, shown, ticks, prediction, hidden, every=every)


def _draw(
    drawn: tuple[str, bool, bool] | None, recipe: Recipe, ticks: bool, prediction: Shape | None, hidden: bool
) -> None:
    run = find_run(drawn[0]) if drawn else None
    if drawn is not None and (run is None or drawn[1:] != (run.status.is_over, bool(run.evaluations))):
        rerun_page()  # deleted meanwhile, or the timer and the buttons above belong to another state
    if ticks and (run is None or run.status.is_over) and not is_loading(recipe):
        rerun_page()
    _status_line(run, recipe)
    stop = stop_early(run) if run and not hidden else None
    lowest = find_lowest_loss(run) if run and not hidden else None
    _curves(run, recipe, stop, lowest, hidden=hidden)
    _tiles(run, stop, lowest, hidden=hidden)
    norms, words = st.columns(2, gap="medium")
    with norms:
        _norms(run, recipe)
    with words:
        _findings(run, prediction, hidden=hidden)
    if recipe.points is not None:
        show_units(run, key="lab-units")


def _status_line(run: Run | None, recipe: Recipe) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        if run is not None:
            show_badge(run)
        st.text(_tell_state(run, recipe), width="stretch")


def _tell_state(run: Run | None, recipe: Recipe) -> str:
    if run is None:
        loading = request_images(recipe)
        if loading is not None and not loading.images.done():
            return describe_loading(loading.progress)
        return _("Press Start: both curves are measured with dropout off.")
    if message := run.message or (None if run.status.is_over else get_manager().trouble):
        return say(message)
    return describe_wait(run) if run.status is RunStatus.QUEUED else tell_progress(run)


def tell_progress(run: Run) -> str:
    """Say how many iterations are done and how long they took."""
    template = _("{step:,} of {train_iter:,} iterations · {duration} of computing")
    return template.format(step=run.step, train_iter=run.recipe.train_iter, duration=show_duration(run.seconds))


def _curves(
    run: Run | None, recipe: Recipe, stop: Evaluation | None, lowest: Evaluation | None, *, hidden: bool
) -> None:
    evaluations = run.evaluations if run else ()
    common: dict[str, Any] = {
        "train_iter": recipe.train_iter,
        "show_test": not hidden,
        "translate": _,
    }
    classes = _count_classes(recipe)
    loss, accuracy, *beside = st.columns(2 if recipe.points is None else 3, gap="small")
    revision = run.id if run else ""
    with loss:
        alt = _("Train and test loss over the iterations, the gap between them shaded.")
        live_plot(
            loss_gap_chart(evaluations, lowest=lowest, **common),
            key="lab-loss",
            height=CHART_HEIGHT,
            alt=alt,
            revision=revision,
        )
    with accuracy:
        figure = accuracy_gap_chart(evaluations, best=stop, chance=classes and 1 / classes, **common)
        alt = _("Train and test accuracy over the iterations, the gap between them shaded.")
        live_plot(figure, key="lab-accuracy", height=CHART_HEIGHT, alt=alt, revision=revision)
    for column in beside:
        with column:
            show_plane(run, recipe, key="lab-plane", height=CHART_HEIGHT, axes=False, hides_test=hidden)


def _count_classes(recipe: Recipe) -> int | None:
    """Count the classes of a recipe's images, None until they are loaded."""
    images = find_images(recipe)
    return len(images.train.classes) if images else None


def _tiles(run: Run | None, stop: Evaluation | None, lowest: Evaluation | None, *, hidden: bool) -> None:
    latest = run.latest if run else None
    seen = latest if not hidden else None
    with st.grid(6, min_column_width=104, gap="small"):
        st.metric(_("Train accuracy"), f"{latest.train_acc:.1%}" if latest else None)
        st.metric(_("Test accuracy"), f"{seen.test_acc:.1%}" if seen else None)
        show_gap(seen)
        help_best = _(
            "The first step with the highest accuracy on the held-out examples, or on the test examples if fewer "
            "than 500 are held out."
        )
        st.metric(_("Best step"), f"{stop.step:,}" if stop else None, help=help_best)
        help_lowest = _(
            "The step with the lowest loss on the test examples. Often earlier than the best step: the network grows "
            "more confident in its wrong answers while it still gets a few more examples right."
        )
        st.metric(_("Lowest test loss"), f"{lowest.step:,}" if lowest else None, help=help_lowest)
        kept = f"{percentage_points(stop.test_acc, latest.test_acc):+.1f}" if stop and latest else None
        help_kept = _("The percentage points of test accuracy that stopping at the best step would have kept.")
        st.metric(_("Early stop, pp"), kept, help=help_kept)


def _norms(run: Run | None, recipe: Recipe) -> None:
    st.caption(_("The size of each layer's weights: memorising takes large ones, weight decay keeps them small."))
    figure = norms_chart(run.evaluations if run else (), train_iter=recipe.train_iter, translate=_)
    alt = _("The Euclidean norm of each layer's weights over the iterations.")
    live_plot(figure, key="lab-norms", height=NORMS_HEIGHT, alt=alt, revision=run.id if run else "")


def _findings(run: Run | None, prediction: Shape | None, *, hidden: bool) -> None:
    """Say how large the gap is, how the best step was chosen, and whether the prediction came true."""
    if run is None or run.latest is None:
        return
    if find_lesson(LESSON).hides_diagnoses:
        return
    if hidden:
        st.text(_("Results on the test examples are hidden until you have predicted them."))
        return
    gap, latest = measure_gap(run.evaluations), run.latest
    if gap.train_over_test >= OVERFITTED:
        template = _(
            "Train loss {train:.3f}, test loss {test:.2f}: a small training loss does not mean a good test result. "
            "The network is right on {train_acc:.1%} of the examples it trains on and on {test_acc:.1%} of new ones."
        )
    else:
        template = _(
            "Train loss {train:.3f}, test loss {test:.2f}: little overfitting so far. The network is right on "
            "{train_acc:.1%} of the examples it trains on and on {test_acc:.1%} of new ones."
        )
    st.text(
        template.format(
            train=latest.train_eval_loss,
            test=latest.test_loss,
            train_acc=latest.train_acc,
            test_acc=latest.test_acc,
        )
    )
    if (lowest := find_lowest_loss(run)) and latest.test_loss > RISEN * lowest.test_loss:
        template = _(
            "Test loss was lowest at step {step:,} ({lowest:.2f}) and has risen since, although accuracy may still "
            "grow: the network becomes more confident in its wrong answers."
        )
        st.text(template.format(step=lowest.step, lowest=lowest.test_loss))
    if prediction is not None and run.status is RunStatus.FINISHED:
        _show_outcome(run, prediction)
    if is_validated(run):
        chosen = _("The best step is the best on the held-out examples; the test examples had no part in the choice.")
        st.caption(f"{chosen} {_(NOISY_VALIDATION)}" if run.recipe.label_noise else chosen)
    else:
        st.caption(
            _(
                "The test examples chose the best step, so it is optimistic. Hold out 500 examples or more to avoid "
                "that."
            )
        )


def _show_outcome(run: Run, prediction: Shape) -> None:
    classes = _count_classes(run.recipe)
    if classes is None:
        return
    accuracies = [evaluation.test_acc for evaluation in run.evaluations]
    curve = classify_curve(accuracies, classes=classes, test_images=count_test_images(run.recipe.data))
    names = shape_names()
    values = {"predicted": names[prediction], "outcome": names[curve.shape]}
    if curve.shape is prediction:
        sentence = _("You predicted that test accuracy “{predicted}”, and so it did.").format(**values)
    else:
        sentence = _("You predicted that test accuracy “{predicted}”; it “{outcome}”.").format(**values)
    st.text(sentence)
    st.caption(say(describe_curve(curve)))
