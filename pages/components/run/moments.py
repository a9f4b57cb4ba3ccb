"""The time slider of a run: its evaluations one after another, and what is known of the network at each."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from mlpcore.charts.measures import MEASURES
from mlpcore.runs.records import Evaluation, Run
from mlpcore.runs.snapshots import Snapshot
from pages.components.replay.time_slider import show_time_slider
from pages.components.replay.waiting import find_replayed, show_replay
from pages.components.shared.state import read_snapshot
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.training.replay.moments import MomentsView

Part = Literal["predictions", "first layer", "surface"]

MAX_MOMENTS = 100  # of a run: 17 MB on 10,000 test images
NAMED = ("train_loss", "test_acc", "train_acc")  # beside the slider


def list_moments(run: Run) -> list[int]:
    """List the steps at which a run can be looked at: before training, and its evaluations or each 2nd, 4th, … of them.

    So the list seldom changes under a slider while the run goes on.
    """
    steps = [0, *(evaluation.step for evaluation in run.evaluations)]
    stride = 1
    while len(steps) > MAX_MOMENTS * stride:
        stride *= 2
    return steps if stride == 1 else [*steps[:-1:stride], steps[-1]]


def find_evaluation(run: Run, step: int) -> Evaluation | None:
    """Return the evaluation of a run at a step; None before training."""
    return next((evaluation for evaluation in run.evaluations if evaluation.step == step), None)


def show_slider(run: Run) -> int:
    """Draw the time slider of a run with the figures of the moment it stands at; return that step."""
    return show_time_slider(run.id, list_moments(run), describe=partial(_describe, run), replays=[run.recipe])


def find_moment(run: Run, step: int, part: Part) -> Snapshot | None:
    """Return what was stored of a run's network at a step, or what a replay found there; None if neither is known."""
    from mlpcore.training.replay.replay import find_obstacle

    stored = read_snapshot(run.id)
    if stored is not None and not run.status.is_over and step == list_moments(run)[-1]:
        step = stored.step  # which may be newer than what this page read of the run
    if stored is not None and (kept := _cut(stored, step, part)) is not None:
        return kept
    replayed = None if find_obstacle(run) else find_replayed(_view(run))
    return replayed.get(step) if replayed else None


def show_moment(run: Run, step: int, part: Part, draw: Callable[[Snapshot], None], *, beside: str = "") -> None:
    """Draw a run's network at a step: as it was stored, else from a replay.

    Until that is computed, and where it cannot be, the nearest stored moment is drawn: so the page keeps its height.

    beside: tells the widgets of runs apart that are shown side by side.
    """
    from mlpcore.training.replay.replay import find_obstacle

    if (moment := find_moment(run, step, part)) is not None:
        draw(moment)
        return
    stored, obstacle = read_snapshot(run.id), find_obstacle(run)
    if obstacle is None and _replay(run, step, draw, begins=stored is not None, beside=beside):
        return
    if stored is not None:
        nearest = min(_list_stored(stored, part), key=lambda kept: abs(kept - step))
        template = _("This moment was not stored; here is the one after {step:,} iterations.")
        st.caption(" ".join([template.format(step=nearest), *([say(obstacle)] if obstacle else [])]))
        kept = _cut(stored, nearest, part)
        assert kept is not None, "it is among those that are stored"
        draw(kept)
    elif obstacle is not None:
        first = min(run.recipe.eval_every, run.recipe.train_iter)
        appears = _("This appears with the first evaluation, after {step:,} iterations.").format(step=first)
        st.text(say(obstacle) if run.status.is_over else appears)


def _replay(run: Run, step: int, draw: Callable[[Snapshot], None], *, begins: bool, beside: str) -> bool:
    """Show what a replay finds at a step, or its progress; return whether it was found."""
    drawn = []

    def draw_found(moments: Mapping[int, Snapshot]) -> None:
        drawn.append(step)
        draw(moments[step])

    told = _("Trains the run once more in the background, and looks at its network at {count} moments.")
    show_replay(
        _view(run),
        draw_found,
        key=f"moments{beside}",
        label=_("Replay the run"),
        told=told.format(count=len(list_moments(run))),
        begins=begins,
    )
    return bool(drawn)


def _view(run: Run) -> "MomentsView":
    from mlpcore.training.replay.moments import MomentsView
    from mlpcore.training.replay.replay import PastRun

    return MomentsView(PastRun.of(run), tuple(list_moments(run)))


def _list_stored(stored: Snapshot, part: Part) -> list[int]:
    """List the steps of which a snapshot holds this part."""
    if part == "first layer":
        return [layer.step for layer in stored.first_layers]
    if part == "surface":
        return [surface.step for surface in stored.plane.surfaces] if stored.plane else []
    return [stored.step]


def _cut(stored: Snapshot, step: int, part: Part) -> Snapshot | None:
    """Cut the moment of a step out of a snapshot; None if it does not hold this part of it."""
    if step not in _list_stored(stored, part):
        return None
    layers = tuple(layer for layer in stored.first_layers if layer.step == step)
    plane = stored.plane
    if plane is not None:
        plane = replace(plane, surfaces=tuple(surface for surface in plane.surfaces if surface.step == step))
    return replace(stored, step=step, first_layers=layers, plane=plane)


def _describe(run: Run, step: int) -> str:
    """Write the figures of a moment."""
    evaluation = find_evaluation(run, step)
    if evaluation is None:
        return _("before training")
    parts = []
    for name in NAMED:
        value = getattr(evaluation, name)
        written = f"{value:.3f}" if MEASURES[name].is_loss else f"{value:.1%}"
        parts.append(f"{_(MEASURES[name].name)} {written}")
    return " · ".join(parts)
