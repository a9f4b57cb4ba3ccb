"""The length of a run in epochs, beside the field for iterations: the recipe counts in iterations."""

import streamlit as st

from mlpcore.recipes.validation import find_limits
from pages.components.recipe_form.form_state import PATHS, find_lesson, get_knob, put_knob, read_source
from pages.components.shared.choices import set_widget, widget_key
from pages.components.shared.state import count_images
from pages.components.shared.words import _

KEY = "knob.train_iter.epochs"
LONGEST = find_limits(PATHS["train_iter"][1], "train_iter")[1]  # iterations


def draw_epochs() -> None:
    """Draw a field for the length in epochs; a number entered here sets the iterations, to the nearest whole one."""
    lesson = find_lesson()
    if "train_iter" in lesson.hidden:
        return
    per_epoch = _count_steps_per_epoch()
    epochs = _count_epochs(per_epoch)
    st.number_input(
        _("Epochs"),
        0.0,
        max(LONGEST / per_epoch, epochs),
        step=1.0,
        format="%g",
        key=set_widget(KEY, epochs),
        disabled=lesson.holds("train_iter"),
        on_change=_take_epochs,
        help=_("One epoch is as many iterations as all training images need: {n:,.5g} here.").format(n=per_epoch),
    )


def _count_steps_per_epoch() -> float:
    images = get_knob("train_size") or count_images(read_source()) - (get_knob("validation_size") or 0)
    return max(images, 1) / max(get_knob("batch_size") or 1, 1)


def _count_epochs(per_epoch: float) -> float:
    return round((get_knob("train_iter") or 0) / per_epoch, 2)


def _take_epochs() -> None:
    entered, per_epoch = st.session_state[key := widget_key(KEY)], _count_steps_per_epoch()
    if entered != _count_epochs(per_epoch):
        put_knob("train_iter", int(min(max(round(entered * per_epoch), 1), LONGEST)))
        st.session_state[key] = _count_epochs(per_epoch)  # in place: the visitor may go on typing
