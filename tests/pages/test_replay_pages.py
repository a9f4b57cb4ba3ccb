"""What is computed of a replayed run, below its curves: asked for, waited for, shown, and refused in sentences."""

import base64
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from mlpcore.runs.records import Run
from mlpcore.runs.store import RunStore
from pages.components.replay import own_picture
from tests.support.app_tests import (
    Open,
    await_replay,
    figure,
    get_runs,
    is_over,
    sentences,
    show_insight,
    shown,
    texts,
    wait_for,
)

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

TINY = Recipe(
    dataset="Tiny", optimizer=Adam(), train_iter=60, eval_every=10, batch_size=16, hidden_sizes=(8,), device="cpu"
)
DESCENT = TINY.replace(
    optimizer=SGD(lr=0.01, momentum=0.0, nesterov=False), dropout=0.0, batch_size=80, train_iter=20, eval_every=5
)


def submit(*recipes: Recipe) -> list[str]:
    return manager.shared_manager().submit(list(recipes), owner="somebody", names=["a run"] * len(recipes))


def open_run(open_page: Open, view: str, recipe: Recipe = TINY) -> tuple["AppTest", Run]:
    """Open the page of a run that is over, with a view of it."""
    (run_id,) = submit(recipe)
    page = open_page(run=run_id)
    wait_for(page, is_over(run_id))
    return show_insight(page, view), get_runs([run_id])[0]


def start(page: "AppTest", key: str) -> "AppTest":
    """Press the button that asks for a replay, and wait for its result."""
    shown(page.button(key=f"replay.{key}.start").click().run())
    return await_replay(page, key)


def has_button(page: "AppTest", key: str) -> bool:
    return any(button.key == key for button in page.button)


class TestLossSurface:
    def test_it_is_drawn_when_it_is_asked_for_and_kept(self, open_page: Open) -> None:
        page, run = open_run(open_page, "surface")
        assert "surface.chart" not in {element.key for element in page.get("bidi_component")}
        start(page, "surface")
        assert any("in the plane in which the weights moved most. It explains" in said for said in sentences(page))
        chart = figure(page, "surface.chart")
        assert np.array(chart["data"][0]["z"]).shape == (25, 25)
        path = chart["data"][1]
        assert [told[0] for told in path["customdata"]] == [0, *(one.step for one in run.evaluations)]
        assert path["customdata"][-1][1] == f"{run.evaluations[-1].train_eval_loss:.3f}"
        assert not has_button(page, "replay.surface.start")
        again = open_page(run=run.id)
        show_insight(again, "surface")
        assert figure(again, "surface.chart") == chart

    def test_sharpness_is_offered_for_full_batch_gradient_descent_alone(self, open_page: Open) -> None:
        page, _run = open_run(open_page, "surface")
        assert not has_button(page, "replay.sharpness.start")
        page, _run = open_run(open_page, "surface", DESCENT)
        start(page, "sharpness")
        chart = figure(page, "sharpness.chart")
        limit, measured = chart["data"]
        assert limit["name"] == "2/lr"
        assert limit["x"] == measured["x"] == [5, 10, 15, 20]
        assert limit["y"] == pytest.approx([2 / 0.01 - 5e-4] * 4, rel=1e-3)
        assert any("the edge of stability" in said for said in sentences(page))
        assert any(text.startswith("In this run it ") for text in texts(page))

    def test_a_run_with_one_evaluation_has_no_plane(self, open_page: Open) -> None:
        page, _run = open_run(open_page, "surface", TINY.replace(eval_every=60))
        start(page, "surface")
        assert any("It takes at least two evaluations" in text for text in texts(page))
        assert has_button(page, "replay.surface.start")

    def test_a_replay_is_cancelled(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        page, _run = open_run(open_page, "surface")
        monkeypatch.setattr("mlpcore.jobs.replay.replays.Replays._advance", lambda *_: None)  # it never gets on
        shown(page.button(key="replay.surface.start").click().run())
        shown(page.button(key="replay.surface.cancel").click().run())
        assert page.session_state["replays"]["surface"][1].result.cancelled()
        assert has_button(page, "replay.surface.start")


class TestRefusals:
    def test_a_run_that_goes_on_is_shown_when_it_is_over(self, open_page: Open) -> None:
        (run_id,) = submit(TINY.replace(train_iter=200_000, eval_every=1_000))
        page = open_page(run=run_id)
        for view in ("surface", "picture", "file"):
            show_insight(page, view)
            assert any(text.startswith("This appears when the run is over") for text in texts(page))
        manager.shared_manager().stop(run_id, owner="somebody")

    @pytest.mark.parametrize("key", ["torch", "processor", "kernels"])
    def test_a_run_of_another_machine_cannot_be_repeated(self, open_page: Open, page_store: RunStore, key: str) -> None:
        _page, run = open_run(open_page, "path")
        other = replace(run, id="other", versions=dict(run.versions) | {key: "another"})
        page_store.create_many([other])
        page = open_page(run="other")
        for view in ("surface", "picture", "file"):
            show_insight(page, view)
            assert any(text.startswith("This run cannot be repeated here") for text in texts(page))
            assert not any(button.key and button.key.startswith("replay.") for button in page.button)


class TestWeightsFile:
    def test_the_file_has_the_weights_that_the_run_recorded(self, open_page: Open, monkeypatch: Any) -> None:
        saved: list[Any] = []
        monkeypatch.setattr("streamlit.download_button", lambda _label, data, *_args, **_options: saved.append(data))
        page, run = open_run(open_page, "file")
        start(page, "weights_file")
        tensors = load(saved[-1]())
        norms = [torch.linalg.vector_norm(tensors[f"{layer}.weight"].double()).item() for layer in (0, 2)]
        assert norms == pytest.approx(run.evaluations[-1].weight_norms, rel=1e-12)
        (code,) = page.code
        assert f"load_file('Adam-{run.id}.safetensors')" in code.value
        assert "torch.nn.Linear(3072, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)" in code.value
        assert any("of shape (N, 3, 32, 32). The classes are: dark, light." in said for said in sentences(page))


def encode(level: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), (level, level, level)).save(file, "PNG")
    return file.getvalue()


class TestOwnPicture:
    @staticmethod
    def upload(page: "AppTest", data: bytes) -> "AppTest":
        return shown(page.file_uploader(key="own_picture.file").set_value(("mine.png", data, "image/png")).run())

    def test_the_network_says_what_it_sees_at_the_chosen_evaluation(self, open_page: Open) -> None:
        page, run = open_run(open_page, "picture")
        assert any(text.startswith("Draw something, or upload a picture") for text in texts(page))
        for level, name in ((40, "dark"), (220, "light")):
            await_replay(self.upload(page, encode(level)), "own_picture")
            (said,) = (text for text in texts(page) if text.startswith("After 60 iterations the network says: "))
            assert said.startswith(f"After 60 iterations the network says: {name}, with ")
            assert figure(page, "own_picture.classes")["layout"]["yaxis"]["ticktext"][0] == name
        shown(page.select_slider(key=f"moment.step.{run.id}").set_value(10).run())
        await_replay(page, "own_picture")
        assert any(text.startswith("After 10 iterations the network says: ") for text in texts(page))

    def test_what_is_no_picture_is_refused_and_the_last_one_stays(self, open_page: Open) -> None:
        page, _run = open_run(open_page, "picture")
        await_replay(self.upload(page, encode(40)), "own_picture")
        self.upload(page, b"no picture")
        assert any("This file is not a readable picture: choose another PNG or JPEG." in text for text in texts(page))
        assert figure(page, "own_picture.classes")["data"][0]["x"]

    @pytest.mark.parametrize(
        ("drawn", "is_taken"),
        [("data:image/png;base64," + base64.b64encode(encode(40)).decode(), True), ("clear", False), (None, False)]
        + [(bad, False) for bad in ("data:image/png;base64,***", "text", 7, {"a": 1}, ["data:image/png;base64,"])],
    )
    def test_a_pad_may_send_anything(self, drawn: object, is_taken: bool) -> None:
        assert (own_picture.read_drawing(drawn) is not None) is is_taken


class TestPoints:
    RECIPE = Recipe(
        dataset="Spiral", optimizer=Adam(lr=0.01), train_iter=60, eval_every=20, hidden_sizes=(8,), device="cpu"
    )

    def test_a_network_of_points_has_a_surface_and_a_file_but_takes_no_picture(self, open_page: Open) -> None:
        page, run = open_run(open_page, "surface", self.RECIPE)
        start(page, "surface")
        path = figure(page, "surface.chart")["data"][1]
        assert path["customdata"][-1][1] == f"{run.evaluations[-1].train_eval_loss:.3f}"
        start(show_insight(page, "file"), "weights_file")
        assert "torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)" in page.code[0].value
        assert "Own picture" not in page.button_group(key="insight").options


class TestCompare:
    def test_rows_share_a_plane_each_in_its_colour(self, open_page: Open) -> None:
        run_ids = submit(TINY, TINY.replace(optimizer=Adam(lr=0.01)), TINY.replace(hidden_sizes=(9,)))
        page = open_page("compare.py", runs=",".join(run_ids))
        for run_id in run_ids:
            wait_for(page, is_over(run_id))
        page.session_state["compare.surface.open"] = True
        shown(page.run())
        (rows,) = (one for one in page.multiselect if str(one.key).startswith("compare.surface.rows"))
        assert len(rows.value) == 2  # the third has another shape
        start(page, "compare.surface")
        chart = figure(page, "compare.surface.chart")
        curves = [trace for trace in chart["data"] if trace["uid"].startswith("path-")]
        assert [curve["name"] for curve in curves] == list(rows.options[:2])
        assert [curve["line"]["color"] for curve in curves] == ["#0072B2", "#D55E00"]
        shown(rows.set_value([]).run())
        assert any(text.startswith("Choose a row") for text in texts(page))
