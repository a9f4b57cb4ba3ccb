"""A data set in pictures and numbers, as a recipe uses it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from mlpcore.data.image_grid import draw_grid
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from pages.components.shared.flash import show_warning
from pages.components.shared.layout import table_height
from pages.components.shared.refresh import is_loading, preload_images, rerun_page, show_fragment, show_loading
from pages.components.shared.state import draw_class_sheet, summarise_dataset
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.data.summary import DatasetSummary

IMAGES_A_CLASS = 3  # on the sheet, two classes side by side: their names can be read on a phone
HALF_WIDTH = 300  # pixels


def show_images(recipe: Recipe) -> None:
    """Show a data set, and how far it is while it is being loaded."""
    ticks = preload_images(recipe)
    show_fragment(_draw, recipe, ticks, every=1.0 if ticks else None)


def _draw(recipe: Recipe, was_loading: bool) -> None:
    if was_loading and not is_loading(recipe):
        rerun_page()
    no_device = _("This machine has no such device: choose another one on the playground.")
    if show_loading(recipe, no_device=no_device) is None:
        return
    try:
        exhibit = summarise_dataset(recipe)
    except SentenceError as error:
        show_warning(say(error.sentence))
        return
    _classes(recipe, exhibit)
    _labels(exhibit)
    _batch(exhibit)


def _classes(recipe: Recipe, exhibit: "DatasetSummary") -> None:
    channels, height, width = exhibit.mean_images.shape[1:]
    facts = _("{train:,} training and {test:,} test images of {width} × {height} pixels, {kind}, in {n} classes.")
    kind = _("in colour") if channels == 3 else _("grey")
    values = {"train": sum(exhibit.train_counts), "test": sum(exhibit.test_counts), "n": len(exhibit.classes)}
    st.text(f"{recipe.dataset} · {facts.format(width=width, height=height, kind=kind, **values)}")
    sheet, counts = st.columns([3, 2], gap="medium")
    with sheet:
        st.image(draw_class_sheet(recipe, each=IMAGES_A_CLASS), width="stretch", alt=_("Images of each class."))
    with counts:
        st.dataframe(
            _table(exhibit),
            hide_index=True,
            height=table_height(len(exhibit.classes)),
        )
    st.markdown(f"###### {_('The mean image of each class')}")
    st.caption(_("What a class has in common, pixel by pixel. Plain grey: no pixel by itself tells the class."))
    _grid(exhibit.mean_images, exhibit.classes, columns=5, alt=_("The mean image of each class"))


def _table(exhibit: "DatasetSummary") -> pd.DataFrame:
    columns = {
        _("class"): exhibit.classes,
        _("train"): exhibit.train_counts,
        _("test"): exhibit.test_counts,
        _("in this run"): exhibit.drawn_counts,
        _("wrong label"): exhibit.changed_counts,
    }
    return pd.DataFrame(columns)


def _labels(exhibit: "DatasetSummary") -> None:
    st.markdown(f"###### {_('What label noise did')}")
    if not exhibit.changed_captions:
        st.caption(
            _("Every label is the true one: raise the label noise to see which ones change. Test labels never do.")
        )
        return
    wrong, all_images = sum(exhibit.changed_counts), sum(exhibit.drawn_counts)
    template = _(
        "{wrong:,} of {all:,} training labels are wrong, {share:.1%}; test labels never change. Some of them, the true "
        "class above the label they got:"
    )
    st.caption(template.format(wrong=wrong, all=all_images, share=wrong / all_images))
    _grid(exhibit.changed_images, exhibit.changed_captions, columns=6, alt=_("Images whose label was changed"))


def _batch(exhibit: "DatasetSummary") -> None:
    st.markdown(f"###### {_('The first mini-batch, as the network sees it')}")
    template = _(
        "Each channel has the training images' mean taken off and is divided by their deviation; then the {pixels:,} "
        "numbers of an image stand in one row."
    )
    pixels = exhibit.batch_images[0].size
    st.caption(template.format(pixels=pixels))
    _grid(exhibit.batch_images, exhibit.batch_captions, columns=6, alt=_("The first mini-batch"))


def _grid(images: np.ndarray, captions: Sequence[str], *, columns: int, alt: str) -> None:
    """Draw images in two halves, side by side, on a phone under each other: so their captions can be read there."""
    half = -(-len(images) // 2)
    with st.grid(2, min_column_width=HALF_WIDTH, gap="small"):
        for part in (slice(half), slice(half, None)):
            if len(images[part]):
                sheet = draw_grid(images[part], columns=columns, scale=3, captions=captions[part])
                st.image(sheet, width="stretch", alt=alt)
