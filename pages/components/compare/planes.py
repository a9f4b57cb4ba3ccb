"""A small surface per row of a comparison: what each row's network makes of the plane so far."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from mlpcore.charts.compare import Series
from mlpcore.charts.plane import plane_chart
from mlpcore.runs.plane import Plane
from pages.components.compare.rows import draw_mark
from pages.components.replay.time_slider import show_time_slider
from pages.components.run.plane import draw_plane
from pages.components.shared.planes import find_plane, read_plane
from pages.components.shared.words import _

SIDE = 160  # pixels
SLIDER = "compare"  # the time slider of all rows


def show_planes(series: Sequence[Series]) -> None:
    """Draw the plane of each row that trains on points, by its first seed; nothing for rows on images."""
    rows = [one for one in series if one.runs and one.runs[0].recipe.points is not None]
    if not rows:
        return
    planes = [read_plane(one.runs[0]) or find_plane(one.runs[0].recipe) for one in rows]
    steps = sorted({surface.step for plane in planes if plane for surface in plane.surfaces})
    above = st.container()  # the planes: they are in sight below the curves
    step = _show_slider(steps) if len(steps) > 1 else None
    with above, st.grid(min(len(rows), 6), min_column_width=SIDE, gap="small"):
        for one, plane in zip(rows, planes, strict=True):
            run = one.runs[0]
            if plane is None:
                continue
            shown = plane if step is None else _cut(plane, step)
            with st.container(gap=None):
                st.text(f"{draw_mark(one.place)[0]} {one.label}")
                figure = plane_chart(shown, small=True, translate=_)
                draw_plane(figure, key=f"compare.plane.{one.place}", height=SIDE, revision=run.id)


def _show_slider(steps: Sequence[int]) -> int:
    """Draw the slider that moves the planes of all rows together."""
    told = _("All rows move together. Each shows the nearest of its stored moments, at or before this one.")
    return show_time_slider(SLIDER, steps, describe=lambda _step: told)


def _cut(plane: Plane, step: int) -> Plane:
    """Leave out what a plane's network made of it after a step; at least the first surface stays."""
    known = [surface for surface in plane.surfaces if surface.step <= step]
    return replace(plane, surfaces=tuple(known) or plane.surfaces[:1])
