"""A pad to draw a small picture on, pixel by pixel."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.components.shared.words import _

PAD_WIDTH = 288  # CSS pixels: nine per pixel of 32
COLOURS = ("#000000", "#ffffff", "#d62728", "#ff9d2e", "#f7e14b", "#3ba55d", "#2f7ed8", "#7b4fb5", "#8a5a33", "#9a9a9a")
CLEAR = "clear"  # what a pad that is cleared sends
GREYS = ("#ffffff", "#000000", "#808080")

_mount = st.components.v2.component(
    "drawpad",
    html=(Path(__file__).parent / "draw_pad.html").read_text(encoding="utf-8"),
    css=(Path(__file__).parent / "draw_pad.css").read_text(encoding="utf-8"),
    js=(Path(__file__).parent / "draw_pad.js").read_text(encoding="utf-8"),
)


def draw_pad(*, side: int, is_grey: bool, picture: str, key: str, on_drawn: Callable[[], None]) -> None:
    """Draw a pad of `side` × `side` pixels, with `picture` on it when it is new on the page.

    `on_drawn` is called after each stroke, and finds the picture in `st.session_state[key].drawn`: a PNG as data URL,
    or CLEAR. A grey pad is white on black, as handwritten digits are; one in colours begins white.
    """
    colours = GREYS if is_grey else COLOURS
    _mount(
        key=key,
        data={
            "side": side,
            "colours": colours,
            "paper": "#000000" if is_grey else "#ffffff",
            "picture": picture,
            "words": {
                "pad": _("A pad to draw on with the mouse or a finger"),
                "colour": _("Colour"),
                "brush": _("Brush"),
                "sizes": [_("thin"), _("medium"), _("thick")],
                "clear": _("Clear"),
            },
        },
        width=PAD_WIDTH,
        height="content",
        on_drawn_change=on_drawn,
    )
