"""Sizes and colours that several pages share."""

import streamlit as st

ROW_HEIGHT = 31  # pixels of a table's row at the theme's font size; Streamlit reckons with 35 and leaves empty rows
DARK = {"#0072B2": "#56B4E9", "#D55E00": "#F0803C", "#009E73": "#2DC296"}  # as liveplot.js lifts a run's colour


def table_height(rows: int, *, most: int = 14) -> int:
    """The height, in pixels, of a table that shows up to `most` rows without scrolling."""
    return ROW_HEIGHT * (min(rows, most) + 1) + 3


def row_colour(colour: str) -> str:
    """A run's colour as its chart shows it on the visitor's page: lifted where the page is dark."""
    return DARK.get(colour, colour) if st.context.theme.type == "dark" else colour
