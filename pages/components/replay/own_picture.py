"""A visitor's own picture, drawn or uploaded, and what a run's network makes of it."""

import base64
import binascii
from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.charts.replay.picture import picture_chart, picture_height
from mlpcore.data.catalog import GREY_DATASETS
from mlpcore.data.image_grid import draw_grid
from mlpcore.data.pictures import GREY_SIDE, MAX_FILE_BYTES, Picture, read_picture
from mlpcore.messages import SentenceError
from mlpcore.runs.records import Run
from pages.components.replay.draw_pad import CLEAR, PAD_WIDTH, draw_pad
from pages.components.replay.waiting import is_replayable, show_replay
from pages.components.shared.flash import show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.training.replay.network import TrainedNetwork

# in the session: the picture, why the last one was refused, and what is on the pad
PICTURE, REFUSED, DRAWN = "own_picture.taken", "own_picture.refused", "own_picture.drawn"
PREFIX = "data:image/png;base64,"
SEEN_WIDTH = 128  # pixels: four per pixel of the picture


def show_own_picture(run: Run, step: int) -> None:
    """Draw what takes a picture, beside the probability that the run's network gives to each class after `step`."""
    if not is_replayable(run):
        return
    is_grey = run.recipe.dataset in GREY_DATASETS
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _take_picture(is_grey)
    picture: Picture | None = st.session_state.get(PICTURE)
    with right:
        if sentence := st.session_state.get(REFUSED):
            show_warning(say(sentence))
        if picture is None:
            st.text(_("Draw something, or upload a picture: the classes that the network sees in it appear here."))
        else:
            _show_classes(run, step, picture, is_grey=is_grey)


def _take_picture(is_grey: bool) -> None:
    """Draw the pad and the field for a file; keep in the session what was drawn or uploaded last."""
    side, drawn = GREY_SIDE if is_grey else 32, st.session_state.get(DRAWN, "")
    draw_pad(side=side, is_grey=is_grey, picture=drawn, key="own_picture.pad", on_drawn=_take_drawing)
    st.file_uploader(
        _("Or a picture of yours, PNG or JPEG"),
        type=["png", "jpg", "jpeg"],
        key="own_picture.file",
        max_upload_size=MAX_FILE_BYTES // 1_000_000,
        on_change=_take_file,
        width=PAD_WIDTH,
    )
    if is_grey:
        st.caption(_("This data set's images are grey, bright on black. Pictures are made grey too."), width=PAD_WIDTH)


def _take_drawing() -> None:
    state = st.session_state
    drawn = state["own_picture.pad"].drawn
    state[DRAWN] = ""
    if drawn == CLEAR:
        state.pop(PICTURE, None)
    elif (data := read_drawing(drawn)) is not None:
        _keep(data)
        state[DRAWN] = drawn


def read_drawing(drawn: object) -> bytes | None:
    """Read the file in what a browser says was drawn; None if it is not one."""
    if not isinstance(drawn, str) or not drawn.startswith(PREFIX) or len(drawn) > MAX_FILE_BYTES:
        return None
    with suppress(binascii.Error):
        return base64.b64decode(drawn.removeprefix(PREFIX), validate=True)
    return None


def _take_file() -> None:
    if (file := st.session_state["own_picture.file"]) is not None:
        _keep(file.getvalue())


def _keep(data: bytes) -> None:
    """Keep a picture, or the sentence that says what is wrong with it."""
    state = st.session_state
    state.pop(REFUSED, None)
    try:
        state[PICTURE] = read_picture(data)
    except SentenceError as error:
        state[REFUSED] = error.sentence


def _show_classes(run: Run, step: int, picture: Picture, *, is_grey: bool) -> None:
    from mlpcore.training.replay.network import NetworkView
    from mlpcore.training.replay.replay import PastRun

    pixels = picture.fit(1 if is_grey else 3)

    def draw(trained: "TrainedNetwork") -> None:
        probabilities = trained.classify(pixels)
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        template = _("After {step:,} iterations the network says: {name}, with {share:.1%}.")
        st.text(template.format(step=step, name=trained.classes[best], share=probabilities[best]))
        alt = _("The probability of each class, the likeliest on top.")
        figure = picture_chart(probabilities, trained.classes, translate=_)
        live_plot(figure, key="own_picture.classes", height=picture_height(len(trained.classes)), alt=alt)

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.image(draw_grid(pixels[None], columns=1, scale=4), width=SEEN_WIDTH, alt=_("Your picture"))
        st.caption(_("What the network gets: {side} × {side} pixels.").format(side=pixels.shape[1]), width="stretch")
    told = _("The weights are not stored: the run is trained once more in the background, up to this evaluation.")
    show_replay(
        NetworkView(PastRun.of(run), step), draw, key="own_picture", label=_("Classify it"), told=told, begins=True
    )
