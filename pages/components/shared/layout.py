"""Sizes and colours that several pages share."""

from collections.abc import Sequence

import streamlit as st

ROW_HEIGHT = 31  # pixels of a table's row at the theme's font size; Streamlit assumes 35 and leaves empty rows
DARK = {"#0072B2": "#56B4E9", "#D55E00": "#F0803C", "#009E73": "#2DC296"}  # of runs, as in live_plot.js


def table_height(rows: int) -> int:
    """Return the height, in pixels, of a table that shows up to 14 rows without scrolling."""
    return ROW_HEIGHT * (min(rows, 14) + 1) + 3


def number_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table of formatted numbers, right-aligned, under names in the first column."""
    st.dataframe(
        [dict(zip(columns, row, strict=True)) for row in rows],
        hide_index=True,
        height=table_height(len(rows)),
        column_config={name: st.column_config.TextColumn(alignment="right") for name in columns[1:]},
    )


def row_colour(colour: str) -> str:
    """Return a run's colour as the charts draw it on the visitor's page, which may be dark."""
    return DARK.get(colour, colour) if st.context.theme.type == "dark" else colour
