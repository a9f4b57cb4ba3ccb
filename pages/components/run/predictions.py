"""What a run's network predicts: test images with their likeliest classes, the confusion matrix; its first layer."""

from functools import partial

import numpy as np
import streamlit as st

from mlpcore.charts.confusion import confusion_chart, confusion_height, shorten_class
from mlpcore.runs.records import Run
from mlpcore.runs.snapshots import Snapshot, count_confusion, rank_class, rank_mistakes
from pages.components.run.moments import show_moment
from pages.components.run.plane import describe_maps, show_layer
from pages.components.shared.choices import choose, persistent
from pages.components.shared.flash import show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import show_loading
from pages.components.shared.state import draw_test_image, read_snapshot
from pages.components.shared.words import _

MAX_IMAGES = 24  # three rows of eight at 1280 pixels
UNITS_WIDTH = 816  # pixels: three per weight


def show_predictions(run: Run, step: int) -> None:
    """Draw test images with their three likeliest classes after `step` iterations."""
    show_moment(run, step, "predictions", partial(_draw_predictions, run))


def _draw_predictions(run: Run, snapshot: Snapshot) -> None:
    picked = _pick_images(run, snapshot)
    if not _images_are_there(run, snapshot):
        return
    if not len(picked):
        st.text(_("There are none: every one of these test images is classified correctly."))
    with st.grid(8, min_column_width=110, gap="small"):  # three cells side by side on a phone
        for index in picked[:MAX_IMAGES].tolist():
            with st.container(gap="xxsmall"):
                alt = shorten_class(snapshot.classes[snapshot.labels[index]])
                st.image(draw_test_image(run.recipe, index), width=96, alt=alt)  # three pixels per pixel of the image
                st.text(_describe(snapshot, index))


def has_snapshot(run: Run) -> bool:
    """Return whether the run has a snapshot; without one its images are not loaded."""
    return read_snapshot(run.id) is not None


def show_confusion(run: Run, step: int, *, beside: str = "") -> None:
    """Draw the confusion matrix and the accuracy of each class after `step` iterations.

    beside: tells the widgets of runs apart that are shown side by side.
    """
    show_moment(run, step, "predictions", partial(_draw_confusion, run, beside=beside), beside=beside)


def _draw_confusion(run: Run, snapshot: Snapshot, *, beside: str) -> None:
    counts = count_confusion(snapshot)
    hits, images = int(counts.trace()), int(counts.sum())
    template = _(
        "After {step:,} iterations {hits:,} of {images:,} test examples lie on the diagonal, classified correctly: "
        "{share:.1%} test accuracy. Rows are true classes, columns predicted ones."
    )
    st.text(template.format(step=snapshot.step, hits=hits, images=images, share=hits / images))
    with st.container(width=760):
        live_plot(
            confusion_chart(counts, snapshot.classes, translate=_),
            key=f"confusion{beside}",
            height=confusion_height(len(snapshot.classes)),
            alt=_("Test examples by true and predicted class, and the accuracy of each class."),
            revision=run.id,
        )


def show_first_layer(run: Run, step: int, *, beside: str = "", width: int = UNITS_WIDTH) -> None:
    """Draw the first layer's weights as images after `step` iterations.

    beside: as in `show_confusion`. width: in pixels.
    """
    show_moment(run, step, "first layer", partial(_draw_first_layer, beside=beside, width=width), beside=beside)


def _draw_first_layer(snapshot: Snapshot, *, beside: str, width: int) -> None:
    layer = snapshot.first_layers[-1]
    units, _channels, height, side = layer.units.shape
    if snapshot.plane is not None:
        st.caption(describe_maps(units))
    else:
        template = _(
            "The weights of the first {units} units of the first layer, each as a {width} × {height} image: a unit "
            "answers to what looks like it. Middle grey is 0; each is scaled by its own largest weight."
        )
        st.caption(template.format(units=units, width=side, height=height))
    alt = _("The first layer's weights after {step:,} iterations").format(step=layer.step)
    show_layer(layer.units, key=f"weights{beside}", width=width, alt=alt)


def _pick_images(run: Run, snapshot: Snapshot) -> np.ndarray:
    """Draw the choice of test images; return their indices in the order to show."""
    views = {"mistakes": _("Mistakes"), "all": _("All images"), "class": _("One class")}
    mistakes = rank_mistakes(snapshot)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = choose(_("Which images"), views, key="snapshot.view", default="mistakes")
        label = st.selectbox(
            _("Class"),
            range(len(snapshot.classes)),
            format_func=lambda label: snapshot.classes[label],
            label_visibility="collapsed",
            width=150,
            disabled=view != "class",
            **persistent(f"snapshot.class.{run.recipe.dataset}"),
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
    """Return whether the run's test images are loaded and still those it was tested with; say so if not."""
    images = show_loading(
        run.recipe, no_device=_("This machine no longer has the run's device, so its images cannot be shown.")
    )
    if images is None:
        return False
    test = images.test
    if test.classes != snapshot.classes or not np.array_equal(test.targets.numpy(), snapshot.labels):
        show_warning(_("The data set has changed since this run, so its images cannot be shown."))
        return False
    return True


def _describe(snapshot: Snapshot, index: int) -> str:
    """Write the true class and the likeliest ones with their probabilities, the true one marked."""
    true = int(snapshot.labels[index])
    lines = [_("true: {name}").format(name=shorten_class(snapshot.classes[true]))]
    for label, share in zip(
        snapshot.top_classes[index].tolist(), snapshot.top_probabilities[index].tolist(), strict=True
    ):
        lines.append(f"{share:.0%} {shorten_class(snapshot.classes[label])}{' ✓' if label == true else ''}")
    return "\n".join(lines)
