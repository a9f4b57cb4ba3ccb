"""The plane beside a run's curves: what the network makes of it, and the points that it learns from."""

from functools import partial

import numpy as np
import streamlit as st

from mlpcore.charts.plane import fit_picture, picture_chart, plane_chart
from mlpcore.charts.traces import Figure
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import Plane
from mlpcore.runs.records import Run
from mlpcore.runs.snapshots import Snapshot
from pages.components.run.moments import show_moment
from pages.components.shared.live_plot import live_plot
from pages.components.shared.planes import find_plane, read_plane
from pages.components.shared.state import draw_units, read_snapshot
from pages.components.shared.words import _

CAPTION_HEIGHT = 24  # pixels
BOUNDARY_HEIGHT = 420
UNITS_WIDTH = 408  # of eight maps in a row


def show_plane(
    run: Run | None, recipe: Recipe, *, key: str, height: int, axes: bool = True, hides_test: bool = False
) -> None:
    """Draw the plane at a run's newest evaluation; before there is one, the points of the recipe.

    axes: whether the axes are drawn. hides_test: whether the points that the network is tested on are left out.
    """
    plane = read_plane(run) or find_plane(run.recipe if run else recipe)
    if plane is None:
        return
    figure = plane_chart(plane, axes=axes, show_test=not hides_test, translate=_)
    draw_plane(figure, key=key, height=height - CAPTION_HEIGHT, revision=run.id if run else "")
    st.caption(_describe(plane))


def draw_plane(figure: Figure, *, key: str, height: int, revision: str) -> None:
    """Draw the chart of a plane."""
    alt = _("The plane: the probability of each class as colour, the boundary as a line, and the points.")
    live_plot(figure, key=key, height=height, alt=alt, revision=revision)


def show_boundary(run: Run, step: int) -> None:
    """Draw the plane after `step` iterations of a run."""
    show_moment(run, step, "surface", partial(_draw_boundary, run))


def _draw_boundary(run: Run, moment: Snapshot) -> None:
    if moment.plane is None:
        return
    plane, beside = st.columns([5, 6], gap="medium")
    with plane:
        figure = plane_chart(moment.plane, translate=_)
        draw_plane(figure, key="boundary", height=BOUNDARY_HEIGHT, revision=run.id)
    with beside:
        if moment.first_layers:  # fewer of them are stored than surfaces
            _show_maps(moment.first_layers[-1].units, key="boundary.units")


def show_units(run: Run | None, *, key: str) -> None:
    """Draw the first layer's units as small maps, once there are some."""
    snapshot = read_snapshot(run.id) if run is not None and run.evaluations else None
    if snapshot is not None and snapshot.plane is not None:
        _show_maps(snapshot.first_layers[-1].units, key=key)


def _show_maps(units: np.ndarray, *, key: str) -> None:
    st.caption(describe_maps(len(units)))
    show_layer(units, key=key, width=UNITS_WIDTH, alt=_("The first layer's units"))


def show_layer(units: np.ndarray, *, key: str, width: int, alt: str) -> None:
    """Draw the units of a first layer as a picture that is exchanged in place when they change."""
    png = draw_units(units)
    with st.container(width=width):
        live_plot(picture_chart(png), key=key, height=fit_picture(png, width), alt=alt)


def describe_maps(units: int) -> str:
    """Say what the maps of a first layer's units show."""
    template = _(
        "What the first {units} units of the first layer answer over the plane: blue above 0, orange below, nothing "
        "at 0. The later layers build the boundary from these."
    )
    return template.format(units=units)


def _describe(plane: Plane) -> str:
    if not plane.surfaces:
        return _("The boundary appears with the first evaluation.")
    return _("After {step:,} iterations.").format(step=plane.surfaces[-1].step)
