"""The length of a run in epochs, beside the field for iterations: the recipe counts in iterations."""

import streamlit as st

from mlpcore.recipes.validation import find_limits
from pages.components.recipe_form.form_state import PATHS, find_lesson, get_knob, put_knob, read_source
from pages.components.shared.state import count_images
from pages.components.shared.words import _

KEY = "knob.train_iter.epochs"


def draw_epochs() -> None:
    """Draw a field for the length in epochs; a number entered here sets the iterations, to the nearest whole one."""
    lesson = find_lesson()
    if "train_iter" in lesson.hidden:
        return
    per_epoch, longest = _count_steps_per_epoch(), find_limits(PATHS["train_iter"][1], "train_iter")[1]
    st.session_state[KEY] = round((get_knob("train_iter") or 0) / per_epoch, 2)
    st.number_input(
        _("Epochs"),
        0.0,
        max(longest / per_epoch, st.session_state[KEY]),
        step=1.0,
        format="%g",
        key=KEY,
        disabled=lesson.holds("train_iter"),
        on_change=_take_epochs,
        args=(per_epoch, longest),
        help=_("One epoch is as many iterations as all training images need: {n:,.5g} here.").format(n=per_epoch),
    )


def _count_steps_per_epoch() -> float:
    images = get_knob("train_size") or count_images(read_source()) - (get_knob("validation_size") or 0)
    return max(images, 1) / max(get_knob("batch_size") or 1, 1)


def _take_epochs(per_epoch: float, longest: float) -> None:
    put_knob("train_iter", int(min(max(round(st.session_state[KEY] * per_epoch), 1), longest)))
