"""What there is to learn from a run: its path, what its network sees, its loss surface, and what to take along."""

from collections.abc import Callable

import streamlit as st

from mlpcore.runs.records import Run
from pages.components.replay.loss_surface import show_loss_surface
from pages.components.replay.own_picture import show_own_picture
from pages.components.replay.time_slider import PLAYED_SECONDS, is_playing
from pages.components.replay.weights_file import show_weights_file
from pages.components.run.health import show_health
from pages.components.run.moments import show_slider
from pages.components.run.path import show_path
from pages.components.run.plane import show_boundary
from pages.components.run.predictions import has_snapshot, show_confusion, show_first_layer, show_predictions
from pages.components.run.script import show_script
from pages.components.shared.choices import choose
from pages.components.shared.refresh import is_loading, preload_images, rerun_page, show_fragment
from pages.components.shared.state import find_run
from pages.components.shared.words import _

SECONDS = 2.0  # between two looks while a run goes on: an evaluation seldom comes sooner


def show_insight(run: Run) -> None:
    """Show the chosen view of a run, updated while the run goes on or its images load."""
    wants_images = st.session_state.get("insight") == "images" and has_snapshot(run)
    waits, plays = preload_images(run.recipe if wants_images else None), is_playing(run.id)
    every = SECONDS if waits or not run.status.is_over else None
    show_fragment(_draw, run.id, waits, plays, every=PLAYED_SECONDS if plays else every)


def _draw(run_id: str, waited: bool, plays: bool) -> None:
    moving: dict[str, tuple[str, Callable[[Run, int], None]]] = {  # what the time slider moves
        "path": (_("Path"), show_path),
        "health": (_("Health"), show_health),
        "images": (_("Images"), show_predictions),
        "classes": (_("Classes"), show_confusion),
        "weights": (_("Weights"), show_first_layer),
        "plane": (_("Boundary"), show_boundary),
        "picture": (_("Own picture"), show_own_picture),
    }
    still: dict[str, tuple[str, Callable[[Run], None]]] = {
        "surface": (_("Loss surface"), show_loss_surface),
        "script": (_("Script"), show_script),
        "file": (_("Weights file"), show_weights_file),
    }
    run = find_run(run_id)
    if run is None:  # deleted meanwhile, on another page
        return
    if is_playing(run.id) != plays:
        rerun_page()  # so that the timer begins or ends
    for name in ("plane",) if run.recipe.points is None else ("images", "picture"):
        del moving[name]
    if st.session_state.get("insight") not in (*moving, *still):
        st.session_state.pop("insight", None)
    step = show_slider(run) if run.evaluations else 0
    titles = {name: title for name, (title, _show) in (moving | still).items()}
    chosen = choose(_("About this run"), titles, key="insight", default="path")
    waits = chosen == "images" and has_snapshot(run) and is_loading(run.recipe)
    if waited and not waits:
        rerun_page()
    if waits and run.status.is_over and not waited:
        st.rerun()  # with a timer
    if chosen in moving:
        moving[chosen][1](run, step)
    else:
        still[chosen][1](run)
