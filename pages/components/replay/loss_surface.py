"""The loss surface around the paths of runs, and the sharpness of full-batch gradient descent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.analysis.replay.sharpness import Sharpness, find_limits, is_full_batch, name_limit
from mlpcore.analysis.replay.wording import describe_edge, describe_plane, describe_projection, explain_sharpness
from mlpcore.charts.replay.loss_surface import PathOfRun, loss_surface_chart
from mlpcore.charts.replay.sharpness import sharpness_chart
from mlpcore.runs.records import Run
from pages.components.replay.waiting import is_replayable, show_replay
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import count_training_images
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.analysis.replay.loss_surface import LossSurface

SURFACE_HEIGHT, SHARPNESS_HEIGHT = 420, 260  # pixels
SURFACE_WIDTH = 860


def show_loss_surface(run: Run) -> None:
    """Draw the loss surface around a run's path, and the sharpness if the run is full-batch gradient descent."""
    if not is_replayable(run):
        return
    draw_loss_surface([run], [PathOfRun(_("path of the weights"), 0, run.evaluations)], key="surface")
    if is_full_batch(run.recipe, count_training_images(run.recipe)):
        _show_sharpness(run)


def draw_loss_surface(runs: Sequence[Run], paths: Sequence[PathOfRun], *, key: str) -> None:
    """Draw the loss surface around the paths of runs that can be replayed, or what asks for it."""
    from mlpcore.concepts.replay.loss_surface import LossSurfaceView
    from mlpcore.training.replay.replay import PastRun

    def draw(surface: "LossSurface") -> None:
        st.caption(f"{say(describe_plane(surface))} {say(describe_projection())}")
        with st.container(width=SURFACE_WIDTH):
            live_plot(
                loss_surface_chart(surface, paths, translate=_),
                key=f"{key}.chart",
                height=SURFACE_HEIGHT,
                alt=_("The loss around the path of the weights, with a mark at each evaluation."),
                revision=",".join(run.id for run in runs),
            )

    told = _("Trains each run once more in the background, and measures the loss at 625 places around its path.")
    view = LossSurfaceView(tuple(PastRun.of(run) for run in runs))
    show_replay(view, draw, key=key, label=_("Draw the loss surface"), told=told)


def _show_sharpness(run: Run) -> None:
    from mlpcore.concepts.replay.sharpness import SharpnessView
    from mlpcore.training.replay.replay import PastRun

    def draw(sharpness: Sharpness) -> None:
        limits = dict(zip((one.step for one in run.evaluations), find_limits(run), strict=True))
        st.text(say(describe_edge(sharpness, [limits[step] for step in sharpness.steps])))
        figure = sharpness_chart(
            sharpness,
            list(limits.items()),
            limit=name_limit(run.recipe),
            train_iter=run.recipe.train_iter,
            translate=_,
        )
        with st.container(width=SURFACE_WIDTH):
            alt = _("Sharpness over the iterations, with a dashed line for its limit.")
            live_plot(figure, key="sharpness.chart", height=SHARPNESS_HEIGHT, alt=alt, revision=run.id)

    st.caption(say(explain_sharpness()))
    told = _("Trains the run once more in the background, and looks for the largest eigenvalue at its evaluations.")
    view = SharpnessView(PastRun.of(run))
    show_replay(view, draw, key="sharpness", label=_("Measure the sharpness"), told=told)
