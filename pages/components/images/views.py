"""Show a data set as a recipe uses it: its classes, its labels and the first mini-batch."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from mlpcore.data.download.sources import dataset_title
from mlpcore.data.image_grid import draw_grid
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from pages.components.run.plane import show_plane
from pages.components.shared.flash import show_warning
from pages.components.shared.layout import table_height
from pages.components.shared.refresh import is_loading, preload_images, rerun_page, show_fragment, show_loading
from pages.components.shared.state import draw_class_images, summarise_dataset
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.data.summary import DatasetSummary


def show_images(recipe: Recipe) -> None:
    """Show a data set, or the progress of loading it."""
    ticks = preload_images(recipe)
    show_fragment(_draw, recipe, ticks, every=1.0 if ticks else None)


def _draw(recipe: Recipe, was_loading: bool) -> None:
    if was_loading and not is_loading(recipe):
        rerun_page()
    no_device = _("This machine has no such device: choose another one on the playground.")
    if show_loading(recipe, no_device=no_device) is None:
        return
    try:
        summary = summarise_dataset(recipe)
    except SentenceError as error:
        show_warning(say(error.sentence))
        return
    if recipe.points is not None:
        _points(recipe, summary)
        return
    _classes(recipe, summary)
    _labels(summary)
    _batch(summary)


def _points(recipe: Recipe, summary: "DatasetSummary") -> None:
    """Draw points with the labels that the recipe trains with, and count them."""
    facts = _("{train:,} training and {test:,} test points in {n} classes.")
    values = {"train": sum(summary.train_counts), "test": sum(summary.test_counts), "n": len(summary.classes)}
    st.text(f"{dataset_title(recipe.dataset)} · {facts.format(**values)}")
    plane, counts = st.columns([3, 2], gap="medium")
    with plane:
        show_plane(None, recipe, key="images.plane", height=520)
    with counts:
        _count(summary)
        if wrong := sum(summary.relabelled_counts):
            template = _("{wrong:,} of {all:,} training labels are wrong, {share:.1%}; test labels never change.")
            every = sum(summary.run_counts)
            st.caption(template.format(wrong=wrong, all=every, share=wrong / every))


def _classes(recipe: Recipe, summary: "DatasetSummary") -> None:
    channels, height, width = summary.mean_images.shape[1:]
    facts = _("{train:,} training and {test:,} test images of {width} × {height} pixels, {kind}, in {n} classes.")
    kind = _("in colour") if channels == 3 else _("grey")
    values = {"train": sum(summary.train_counts), "test": sum(summary.test_counts), "n": len(summary.classes)}
    st.text(f"{dataset_title(recipe.dataset)} · {facts.format(width=width, height=height, kind=kind, **values)}")
    images, counts = st.columns([3, 2], gap="medium")
    with images:
        # three of each class: with two classes side by side their names can be read on a phone
        st.image(draw_class_images(recipe, each=3), width="stretch", alt=_("Images of each class."))
    with counts:
        _count(summary)
    if not len(summary.mean_images):
        st.caption(_("The mean image of each class is plain grey: no pixel by itself tells the class."))
        return
    st.markdown(f"###### {_('The mean image of each class')}")
    st.caption(_("What a class has in common, pixel by pixel."))
    _grid(summary.mean_images, summary.classes, columns=5, alt=_("The mean image of each class"))


def _count(summary: "DatasetSummary") -> None:
    columns = {
        _("class"): summary.classes,
        _("train"): summary.train_counts,
        _("test"): summary.test_counts,
        _("in this run"): summary.run_counts,
        _("wrong label"): summary.relabelled_counts,
    }
    counts_format = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        height=table_height(len(summary.classes)),
        column_config=dict.fromkeys(list(columns)[1:], counts_format),
    )


def _labels(summary: "DatasetSummary") -> None:
    st.markdown(f"###### {_('What label noise did')}")
    if not summary.relabelled_captions:
        st.caption(
            _("Every label is the true one: raise the label noise to see which ones change. Test labels never do.")
        )
        return
    wrong, all_images = sum(summary.relabelled_counts), sum(summary.run_counts)
    template = _(
        "{wrong:,} of {all:,} training labels are wrong, {share:.1%}; test labels never change. Some of every class, "
        "the true one in brackets above the label they got:"
    )
    st.caption(template.format(wrong=wrong, all=all_images, share=wrong / all_images))
    _grid(summary.relabelled_images, summary.relabelled_captions, columns=6, alt=_("Images whose label was changed"))


def _batch(summary: "DatasetSummary") -> None:
    st.markdown(f"###### {_('The first mini-batch, as the network sees it')}")
    template = _(
        "The mean of each channel over the training images is subtracted, and the result is divided by their standard "
        "deviation. Then the {pixels:,} numbers of an image form one row."
    )
    st.caption(template.format(pixels=summary.batch_images[0].size))
    if summary.batch_relabelled:
        st.caption(_("In a frame: the label is wrong; the true class stands in brackets."))
    alt, marked = _("The first mini-batch"), summary.batch_relabelled
    _grid(summary.batch_images, summary.batch_captions, columns=6, alt=alt, marked=marked)


def _grid(images: np.ndarray, captions: Sequence[str], *, columns: int, alt: str, marked: Collection[int] = ()) -> None:
    """Draw images in two halves, side by side or, on a phone, one below the other, so that captions stay readable."""
    half = -(-len(images) // 2)
    with st.grid(2, min_column_width=300, gap="small"):
        for first, part in ((0, slice(half)), (half, slice(half, None))):
            if len(images[part]):
                places = {place - first for place in marked}
                grid = draw_grid(images[part], columns=columns, scale=3, captions=captions[part], marked=places)
                st.image(grid, width="stretch", alt=alt)
