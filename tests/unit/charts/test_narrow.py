"""What a figure asks of live_plot.js in layout.meta, for all charts: the keys are those that the script reads."""

import importlib
import pkgutil
import re
from collections.abc import Callable

import numpy as np
import pytest
from plotly import graph_objects

from mlpcore import charts
from mlpcore.analysis.learning_rate.lr_test import LrTest
from mlpcore.analysis.learning_rate.suggestions import suggest_rates
from mlpcore.charts.claims import accuracy_by_lr_chart, steps_chart
from mlpcore.charts.compare import compare_chart
from mlpcore.charts.concepts import (
    Layer,
    MatrixPanel,
    activations_chart,
    connections_chart,
    network_chart,
    probabilities_chart,
)
from mlpcore.charts.confusion import confusion_chart
from mlpcore.charts.lr_test import lr_test_chart
from mlpcore.charts.overfitting import accuracy_gap_chart, loss_gap_chart, norms_chart, remedies_chart
from mlpcore.charts.plane import picture_chart, plane_chart
from mlpcore.charts.run import path_chart, run_chart
from mlpcore.charts.schedule import schedule_chart, small_schedule_chart
from mlpcore.charts.surfaces import trajectory_chart
from mlpcore.data.image_grid import draw_grid
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.plane import Plane
from mlpcore.runs.records import Run, RunStatus
from tests.support.app_tests import ROOT

PANEL = MatrixPanel("W", "weight", np.ones((2, 2)), (0.0, 0.0), is_known=True, is_current=False)
LAYER = Layer("x", np.ones(2), is_known=True, is_current=False, weights=np.ones((2, 2)))
RUN = Run("a", "a run", Recipe(), RunStatus.RUNNING, 0.0)
NONE = np.empty(0, np.int64)
PLANE = Plane(1.0, np.empty((0, 2), np.float32), NONE, NONE.astype(bool), np.empty((0, 2), np.float32), NONE)
PNG = draw_grid(np.zeros((1, 1, 2, 2), np.uint8), columns=1)
TEST = LrTest((1e-6, 1e-5), ((2.3, 2.2),))
DRAW: dict[str, Callable[[], dict]] = {
    "accuracy_by_lr_chart": lambda: accuracy_by_lr_chart([RUN]),
    "accuracy_gap_chart": lambda: accuracy_gap_chart((), train_iter=9, best=None),
    "activations_chart": lambda: activations_chart(0.0),
    "compare_chart": lambda: compare_chart([]),
    "connections_chart": lambda: connections_chart([LAYER, LAYER], chosen=(0, 1)),
    "confusion_chart": lambda: confusion_chart(np.eye(2), ["a", "b"]),
    "loss_gap_chart": lambda: loss_gap_chart((), train_iter=9, lowest=None),
    "lr_test_chart": lambda: lr_test_chart(TEST, suggest_rates(TEST)),
    "network_chart": lambda: network_chart([PANEL], unit=0, feature=0),
    "norms_chart": lambda: norms_chart((), train_iter=9),
    "path_chart": lambda: path_chart((), train_iter=9),
    "picture_chart": lambda: picture_chart(PNG),
    "plane_chart": lambda: plane_chart(PLANE),
    "probabilities_chart": lambda: probabilities_chart(["a", "b"], [0.5, 0.5], [0.5, -0.5], true_class=1),
    "remedies_chart": lambda: remedies_chart([], train_iter=9),
    "run_chart": lambda: run_chart((), planned_rates=[0.1], train_iter=9, steps_per_epoch=1.0),
    "schedule_chart": lambda: schedule_chart([0.1], batch_size=1, train_size=9),
    "small_schedule_chart": lambda: small_schedule_chart([0.1], top=0.1),
    "steps_chart": lambda: steps_chart({"Shapes": []}, ("test_acc",)),
    "trajectory_chart": lambda: trajectory_chart(([0, 1], [0, 1], [[0, 1], [1, 2]]), [], minima=[(0, 0)]),
}


def read_keys() -> set[str]:
    """The keys of layout.meta that the script reads."""
    script = (ROOT / "pages/components/shared/live_plot.js").read_text(encoding="utf-8")
    return set(re.findall(r"layout\.meta\?\.(\w+)", script))


def test_every_chart_is_among_those_tested_here() -> None:
    modules = [
        importlib.import_module(f"mlpcore.charts.{module.name}") for module in pkgutil.iter_modules(charts.__path__)
    ]
    names = {name for module in modules for name in vars(module) if name.endswith("_chart") and name[0] != "_"}
    assert names == set(DRAW)


@pytest.mark.parametrize("name", DRAW)
def test_what_a_chart_changes_on_a_phone_stands_where_the_script_reads_it(name: str) -> None:
    layout = DRAW[name]()["layout"]
    meta = layout.get("meta", {})
    assert meta.keys() <= read_keys()
    narrow = meta.get("narrow", {})
    graph_objects.Layout(narrow)  # raises ValueError if Plotly has no such key
    axes = {key for key in narrow if key.startswith(("xaxis", "yaxis"))}
    assert axes <= layout.keys()
