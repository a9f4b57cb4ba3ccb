"""Points in the plane on the pages: their knobs, their words, and what stands in place of images."""

from streamlit.testing.v1 import AppTest

from mlpcore.recipes.points import Moons, Spiral
from mlpcore.recipes.recipe import Recipe
from tests.support.app_tests import Open, figure, get_runs, key_of, says, shown, texts, wait_for

QUICK = {"data_seed": "0", "hidden_sizes": "16", "train_iter": "40", "eval_every": "20", "scheduler": "none"}


def uids(page: AppTest, key: str) -> set[str]:
    return {trace["uid"] for trace in figure(page, key)["data"]}


class TestPlayground:
    def test_knobs_of_points_stand_beside_the_data_set_and_images_have_none(self, open_page: Open) -> None:
        page = open_page("playground.py", dataset="Spiral", noise="0.1", classes="3", **QUICK)
        assert page.slider(key="knob.Spiral.noise").value == 0.1
        assert page.number_input(key="knob.Spiral.classes").value == 3
        shown(page.selectbox(key="knob.dataset").select("Moons").run())
        assert page.slider(key="knob.Moons.noise").value == Moons().noise
        keys = {element.key for element in page.number_input}
        assert "knob.Moons.count" in keys
        assert "knob.Moons.classes" not in keys
        shown(page.selectbox(key="knob.dataset").select("Tiny").run())
        assert not any("count" in (element.key or "") for element in page.number_input if "Tiny" in (element.key or ""))

    def test_points_are_there_before_start_and_the_surface_after_it(self, open_page: Open) -> None:
        page = open_page("playground.py", dataset="Spiral", **QUICK)
        assert says(page, "Spiral, 500 points")
        assert "train-0" in uids(page, "plane")
        assert "class-0" not in uids(page, "plane")
        shown(page.button(key="start").click().run())
        run_id = page.session_state["run"]
        wait_for(page, lambda: get_runs([run_id])[0].status.is_over)
        assert {"class-0", "class-1", "boundary-0"} <= uids(page, "plane")
        assert says(page, "After 40 iterations.")
        assert get_runs([run_id])[0].recipe.data == Recipe(dataset="Spiral").data


class TestOverfitting:
    def test_preset_tells_the_story_on_a_spiral_and_another_goes_back_to_images(self, open_page: Open) -> None:
        page = open_page("overfitting.py")
        before = page.session_state["lab.dataset"]
        shown(page.button(key="lab.preset.spiral").click().run())
        assert any("Watch the boundary: it first follows the shape" in one.value for one in page.markdown)
        assert says(page, "Spiral, 100 points, 200 held out, 40% of the labels random")
        wait_for(page, lambda: "wrong" in uids(page.run(), "lab-plane"))
        shown(page.button(key="lab.preset.few_images").click().run())
        assert page.session_state["lab.dataset"] == before

    def test_link_of_the_lab_says_how_its_points_are_drawn(self, open_page: Open) -> None:
        query = {"dataset": "Spiral", "count": "300", "noise": "0.1", "classes": "3", "data_seed": "5"}
        page = open_page("overfitting.py", **query, train_size="50")
        assert page.session_state[key_of(page, "lab.classes")] == 3
        assert [page.number_input(key=f"lab.{name}").value for name in ("count", "data_seed")] == [300, 5]
        assert says(page, "Spiral, 50 points")
        values = Spiral(count=300, noise=0.1, classes=3, data_seed=5)
        assert {name: page.session_state[key_of(page, f"lab.{name}")] for name in query if name != "dataset"} == {
            name: value for name, value in values if name != "name"
        }


def test_images_page_shows_the_points_and_counts_wrong_labels(open_page: Open) -> None:
    page = open_page("images.py", dataset="Moons", data_seed="0", label_noise="0.4")
    wait_for(page, lambda: any("test points" in text for text in texts(page.run())))
    assert "Moons · 500 training and 1,000 test points in 2 classes." in texts(page)
    assert says(page, "97 of 500 training labels are wrong, 19.4%")
    assert {"train-0", "train-1", "wrong"} <= uids(page, "images.plane")


def test_comparison_draws_a_plane_per_row_and_shares_the_points(open_page: Open) -> None:
    query = {"dataset": "Spiral", "optimizer": "SGD", "2.optimizer": "Adam", "rows": "2", **QUICK}
    page = open_page("compare.py", **query)
    assert page.number_input(key="compare.shared.count").value == 500
    shown(page.button(key="compare.start").click().run())
    ids = page.session_state["compare.runs"]
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    for place in range(2):
        assert "boundary-0" in uids(page, f"compare.plane.{place}")
    slider = page.select_slider(key="moment.step.compare")
    assert (slider.options[0], slider.value) == ("0", get_runs(ids)[0].evaluations[-1].step)
    newest = [figure(page, f"compare.plane.{place}")["data"][0]["z"] for place in range(2)]
    shown(slider.set_value(0).run())
    untrained = [figure(page, f"compare.plane.{place}")["data"][0]["z"] for place in range(2)]
    assert untrained[0] == untrained[1]  # the same initial weights
    assert untrained[0] not in newest
