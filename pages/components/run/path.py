"""A run's path through the plane of loss and accuracy."""

from mlpcore.charts.run import path_chart
from mlpcore.runs.records import Run
from pages.components.shared.live_plot import live_plot
from pages.components.shared.words import _

HEIGHT = 360  # pixels


def show_path(run: Run, step: int) -> None:
    """Draw the path of a run up to a step, from pale at its beginning to deep at its end."""
    walked = [evaluation for evaluation in run.evaluations if evaluation.step <= step]
    figure = path_chart(walked, train_iter=run.recipe.train_iter, translate=_)
    alt = _("The run's path in the plane of mini-batch loss and test accuracy.")
    live_plot(figure, key="path", height=HEIGHT, alt=alt, revision=run.id)
