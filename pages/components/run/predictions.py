"""What the network of a run sees: test images and their likeliest classes, the confusion matrix, the first layer."""

import numpy as np
import streamlit as st

from mlpcore.charts.confusion import confusion_chart, confusion_height
from mlpcore.runs.records import Run
from mlpcore.runs.snapshots import Snapshot, count_confusion, rank_class, rank_mistakes
from pages.components.shared.choices import choose
from pages.components.shared.flash import show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import show_loading
from pages.components.shared.state import draw_test_image, draw_units, read_snapshot
from pages.components.shared.words import _

SHOWN = 24  # images on a sheet: three rows of eight at 1280 pixels
CELL = 110  # pixels, the least a cell of the sheet takes: three side by side on a phone
IMAGE = 96  # pixels: three for one of the image
UNITS_WIDTH = 816  # pixels: three for a weight
MATRIX_WIDTH = 760  # pixels


def show_images_seen(run: Run) -> None:
    """Show test images with their three likeliest classes."""
    snapshot = _find_sight(run)
    if snapshot is None:
        return
    picked = _pick_images(run, snapshot)
    if not _images_are_there(run, snapshot):
        return
    if not len(picked):
        st.text(_("There are none: every one of these test images is classified correctly."))
    with st.grid(8, min_column_width=CELL, gap="small"):
        for index in picked[:SHOWN].tolist():
            with st.container(gap="xxsmall"):
                st.image(
                    draw_test_image(run.recipe, index),
                    width=IMAGE,
                    alt=_shorten(snapshot.classes[snapshot.labels[index]]),
                )
                st.text(_describe(snapshot, index))


def has_snapshot(run: Run) -> bool:
    """Whether what the run's network saw is kept: without it no images are asked for."""
    return read_snapshot(run.id) is not None


def show_per_class(run: Run) -> None:
    """Show the confusion matrix, and the accuracy of each class."""
    snapshot = _find_sight(run)
    if snapshot is None:
        return
    counts = count_confusion(snapshot)
    hits, images = int(counts.trace()), int(counts.sum())
    template = _(
        "After {step:,} iterations {hits:,} of {images:,} test images lie on the diagonal, classified correctly: "
        "{share:.1%} test accuracy. A row is a true class, a column what the network said."
    )
    st.text(template.format(step=snapshot.step, hits=hits, images=images, share=hits / images))
    with st.container(width=MATRIX_WIDTH):
        live_plot(
            confusion_chart(counts, snapshot.classes, translate=_),
            key="confusion",
            height=confusion_height(len(snapshot.classes)),
            alt=_("Test images by true and predicted class, and the accuracy of each class."),
            revision=run.id,
        )


def show_filters(run: Run) -> None:
    """Show the first layer's weights as images, over the evaluations."""
    snapshot = _find_sight(run)
    if snapshot is None:
        return
    layer = snapshot.first_layers[_pick_first_layer(run, snapshot)]
    units, _channels, height, width = layer.units.shape
    template = _(
        "The weights of the first {units} units of the first layer, each as a {width} × {height} image: a unit answers "
        "to what looks like it. Middle grey is 0; each is scaled by its own largest weight."
    )
    st.caption(template.format(units=units, width=width, height=height))
    st.image(
        draw_units(layer.units),
        width=UNITS_WIDTH,
        alt=_("The first layer's weights after {step:,} iterations").format(step=layer.step),
    )


def _find_sight(run: Run) -> Snapshot | None:
    """What the run's network saw last; where that is nothing, say why and what to do."""
    snapshot = read_snapshot(run.id)
    if snapshot is not None:
        return snapshot
    if not run.status.is_over:
        first = min(run.recipe.eval_every, run.recipe.train_iter)
        st.text(_("This appears with the first evaluation, after {step:,} iterations.").format(step=first))
    else:
        st.text(
            _(
                "What this run's network saw was not kept. Press Start with the same knobs: the same recipe gives the "
                "same run, this time with it."
            )
        )
    return None


def _pick_images(run: Run, snapshot: Snapshot) -> np.ndarray:
    """Let the visitor choose which test images to see; return their indices, what to show first in front."""
    views = {"mistakes": _("Mistakes"), "all": _("All images"), "class": _("One class")}
    mistakes = rank_mistakes(snapshot)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = choose(_("Which images"), views, key="snapshot.view", default="mistakes")
        label = st.selectbox(
            _("Class"),
            range(len(snapshot.classes)),
            format_func=lambda label: snapshot.classes[label],
            key=f"snapshot.class.{run.recipe.dataset}",
            label_visibility="collapsed",
            width=150,
            disabled=view != "class",
            persist_state="session",
        )
        template = _("After {step:,} iterations {wrong:,} of {images:,} test images are classified wrongly.")
        st.text(template.format(step=snapshot.step, wrong=len(mistakes), images=len(snapshot.labels)))
    explanations = {
        "mistakes": _(
            "The most confident mistakes first: the true class and the three likeliest, ✓ where one is true."
        ),
        "all": _("As they come: the true class and the three that the network finds likeliest, ✓ where one is true."),
        "class": _(
            "The most confident mistakes first, the surest hits last: the three likeliest, ✓ where one is true."
        ),
    }
    st.caption(explanations[view])
    if view == "all":
        return np.arange(len(snapshot.labels))
    return mistakes if view == "mistakes" else rank_class(snapshot, label)


def _images_are_there(run: Run, snapshot: Snapshot) -> bool:
    """Whether the run's test images are in memory, and still those it was tested with; where not, say so."""
    images = show_loading(
        run.recipe, no_device=_("The run's device is not here any more, so its images cannot be shown.")
    )
    if images is None:
        return False
    test = images.test
    if test.classes != snapshot.classes or not np.array_equal(test.targets.numpy(), snapshot.labels):
        show_warning(_("The data set has changed since this run, so its images cannot be shown."))
        return False
    return True


def _describe(snapshot: Snapshot, index: int) -> str:
    """The true class, and the likeliest ones with their shares, the true one marked."""
    true = int(snapshot.labels[index])
    lines = [_("true: {name}").format(name=_shorten(snapshot.classes[true]))]
    for label, share in zip(snapshot.top_classes[index].tolist(), snapshot.top_probabilities[index].tolist(), strict=True):
        lines.append(f"{share:.0%} {_shorten(snapshot.classes[label])}{' ✓' if label == true else ''}")
    return "\n".join(lines)


def _shorten(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"


def _pick_first_layer(run: Run, snapshot: Snapshot) -> int:
    """Let the visitor choose a moment; who looks at the newest goes on with what comes."""
    steps = [layer.step for layer in snapshot.first_layers]
    key, newest_key = f"snapshot.step.{run.id}", f"snapshot.newest.{run.id}"
    state = st.session_state
    chosen = state.get(key)
    if chosen is None or chosen == state.get(newest_key):
        chosen = steps[-1]
    state[key] = min(steps, key=lambda step: abs(step - chosen))  # a moment that was thinned out gives way to the next
    state[newest_key] = steps[-1]
    step = st.select_slider(
        _("After so many iterations"),
        steps,
        format_func=lambda step: f"{step:,}",
        key=key,
        width=UNITS_WIDTH,
    )
    return steps.index(step)
