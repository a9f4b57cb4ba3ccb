"""The chart of the plane: who leads where, the boundary between them, and the points of both splits."""

import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from mlpcore.charts.plane import find_leads, fit_picture, picture_chart, plane_chart
from mlpcore.charts.traces import Json
from mlpcore.runs.plane import SIDE, Plane, Surface

FILE = BytesIO()
Image.new("L", (8, 4)).save(FILE, "PNG")
PNG = FILE.getvalue()
ALONG = np.linspace(0, 255, SIDE).round().astype(np.uint8)
RIGHT = np.tile(ALONG, (SIDE, 1))  # more and more probable from left to right
PLANE = Plane(
    limit=1.5,
    train=np.array([[-1, 0], [1, 0], [0.5, 0.25]], np.float32),
    train_labels=np.array([0, 1, 0], np.uint8),
    is_wrong=np.array([False, False, True]),
    test=np.array([[1, 1], [-1, 1]], np.float32),
    test_labels=np.array([1, 0], np.uint8),
    surfaces=(Surface(1, 20, np.stack([255 - RIGHT, RIGHT])),),
)


def find(figure: Json, uid: str) -> Json:
    return next(trace for trace in figure["data"] if trace["uid"] == uid)


def unpack(packed: Json) -> np.ndarray:
    kinds = {"u1": np.uint8, "i1": np.int8}
    return np.frombuffer(base64.b64decode(packed["bdata"]), kinds[packed["dtype"]]).reshape(SIDE, SIDE)


def test_a_class_leads_by_what_it_has_more_than_the_best_of_the_others() -> None:
    shares = np.array([[10, 100, 85], [200, 100, 85], [45, 55, 85]], np.uint8)
    assert find_leads(shares).tolist() == [[-190, 0, 0], [155, 0, 0], [-155, -45, 0]]


def test_each_class_colours_where_it_leads() -> None:
    figure = plane_chart(PLANE)
    left, right = (unpack(find(figure, f"class-{label}")["z"]) for label in (0, 1))
    assert (left[:, 0] == 255).all()
    assert (left[:, SIDE // 2 :] == 0).all()
    assert (right[:, : SIDE // 2] == 0).all()
    assert (right[:, -1] == 255).all()


def test_boundary_is_the_level_zero_of_the_lead_where_the_grid_says() -> None:
    contour = find(plane_chart(PLANE), "boundary-0")
    assert (contour["contours"]["start"], contour["contours"]["end"]) == (0, 0)
    lead = unpack(contour["z"])[0]
    middle = np.interp(0, -lead[20:44].astype(float), contour["x0"] + contour["dx"] * np.arange(20, 44))
    assert abs(middle) < 0.02
    assert contour["x0"] + contour["dx"] * (SIDE - 1) == 1.5


def test_three_classes_have_two_lines_for_all_their_boundaries() -> None:
    surface = Surface(1, 20, np.stack([RIGHT, 255 - RIGHT, RIGHT.T]))
    figure = plane_chart(replace(PLANE, surfaces=(surface,)))
    assert [trace["uid"] for trace in figure["data"] if trace["type"] != "scatter"] == [
        *("class-0", "class-1", "class-2"),
        *("boundary-0", "boundary-1"),
    ]


def test_points_have_the_colours_of_their_labels_and_wrong_labels_have_rings() -> None:
    figure = plane_chart(PLANE)
    assert (find(figure, "train-0")["x"], find(figure, "train-0")["y"]) == ([-1, 0.5], [0, 0.25])
    assert find(figure, "train-1")["marker"]["color"] == find(figure, "class-1")["colorscale"][1][1]
    assert find(figure, "test-1")["marker"]["symbol"] == "circle-open"
    assert (find(figure, "wrong")["x"], find(figure, "wrong")["y"]) == ([0.5], [0.25])
    assert [trace["name"] for trace in figure["data"] if "name" in trace] == ["train", "test", "wrong label"]


def test_both_axes_have_one_scale_and_hold_the_plane() -> None:
    layout = plane_chart(PLANE)["layout"]
    assert layout["xaxis"]["range"] == layout["yaxis"]["range"] == [-1.5, 1.5]
    assert layout["yaxis"]["scaleanchor"] == "x"


def test_points_are_there_before_any_surface_is() -> None:
    figure = plane_chart(replace(PLANE, surfaces=()))
    assert {trace["type"] for trace in figure["data"]} == {"scatter"}


def test_a_small_one_has_no_test_points_no_axes_and_no_legend() -> None:
    figure = plane_chart(PLANE, small=True)
    assert not any(trace["uid"].startswith(("test", "legend")) for trace in figure["data"])
    assert not figure["layout"]["xaxis"]["visible"]


def test_a_picture_travels_inside_its_chart() -> None:
    layout = picture_chart(PNG)["layout"]
    assert layout["images"][0]["source"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert layout["meta"]["narrow"]["height"] == 181  # 362 pixels wide


def test_a_picture_keeps_its_shape() -> None:
    assert [fit_picture(PNG, width) for width in (40, 80, 81)] == [20, 40, 41]


def test_plotly_takes_the_figures() -> None:
    for figure in (plane_chart(PLANE), plane_chart(PLANE, small=True), picture_chart(PNG)):
        go.Figure(figure)
