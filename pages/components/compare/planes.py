"""A small surface per row of a comparison: what each row's network makes of the plane so far."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.charts.compare import Series
from mlpcore.charts.plane import plane_chart
from pages.components.compare.rows import draw_mark
from pages.components.shared.live_plot import live_plot
from pages.components.shared.planes import find_plane, read_plane
from pages.components.shared.words import _

SIDE = 160  # pixels


def show_planes(series: Sequence[Series]) -> None:
    """Draw the plane of each row that trains on points, by its first seed; nothing for rows on images."""
    rows = [one for one in series if one.runs and one.runs[0].recipe.points is not None]
    if not rows:
        return
    with st.grid(min(len(rows), 6), min_column_width=SIDE, gap="small"):
        for one in rows:
            run = one.runs[0]
            plane = read_plane(run) or find_plane(run.recipe)
            if plane is None:
                continue
            with st.container(gap=None):
                st.text(f"{draw_mark(one.place)[0]} {one.label}")
                live_plot(
                    plane_chart(plane, small=True, translate=_),
                    key=f"compare.plane.{one.place}",
                    height=SIDE,
                    alt=_(
                        "The plane: the probability of each class as colour, the boundary as a line, and the points."
                    ),
                    revision=run.id,
                )
