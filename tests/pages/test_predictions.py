"""What a run's network sees, on its page."""

import shutil
from typing import TYPE_CHECKING

import numpy as np
from plotly import graph_objects

from mlpcore.charts.confusion import MOST_NUMBERED, confusion_chart
from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.snapshots import rank_mistakes
from tests.support.app_tests import Open, figure, is_over, show_insight, shown, texts, wait_for
from tests.support.present import present

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

TINY = Recipe(dataset="Tiny", train_iter=60, eval_every=5, batch_size=4, hidden_sizes=(8,))


def submit(recipe: Recipe) -> str:
    (run_id,) = manager.shared_manager().submit([recipe], owner="somebody", names=["a run"])
    return run_id


def snapshot_step(run_id: str) -> int:
    """Return the step of the newest snapshot of a run that is going on."""
    return present(manager.shared_manager().get_snapshot(run_id)).step


def open_finished(open_page: Open, view: str) -> tuple["AppTest", str]:
    run_id = submit(TINY)
    page = open_page(run=run_id)
    wait_for(page, is_over(run_id))
    return show_insight(page, view), run_id


class TestPage:
    def test_the_sentence_of_the_matrix_names_the_test_set_and_the_runs_test_accuracy(self, open_page):
        page, run_id = open_finished(open_page, "classes")
        latest = present(manager.shared_manager().get(run_id).latest)
        hits = round(10 * latest.test_acc)
        expected = f"After 60 iterations {hits} of 10 test examples lie on the diagonal, classified correctly: "
        (sentence,) = (text for text in texts(page) if text.startswith(expected))
        assert f"{latest.test_acc:.1%} test accuracy" in sentence
        numbers = next(trace for trace in figure(page, "confusion")["data"] if trace["uid"] == "numbers")
        assert sum(map(int, numbers["text"])) == 10

    def test_the_sheet_shows_mistakes_all_or_one_class(self, open_page):
        page, run_id = open_finished(open_page, "images")
        snapshot = manager.shared_manager().store.snapshots.read(run_id)
        mistakes = len(rank_mistakes(present(snapshot)))
        assert f"After 60 iterations {mistakes} of 10 test images are classified wrongly." in texts(page)
        assert self.labels(page) == mistakes
        shown(page.button_group(key="snapshot.view").set_value("all").run())
        assert self.labels(page) == 10
        shown(page.button_group(key="snapshot.view").set_value("class").run())
        shown(page.selectbox(key="snapshot.class.Tiny").set_value(1).run())
        assert [text.split("\n")[0] for text in texts(page) if text.startswith("true: ")] == ["true: light"] * 5

    @staticmethod
    def labels(page: "AppTest") -> int:
        described = [text for text in texts(page) if text.startswith("true: ")]
        for text in described:
            true, *likeliest = text.split("\n")
            assert len(likeliest) == 2
            assert [line.endswith(f"{true.removeprefix('true: ')} ✓") for line in likeliest].count(True) == 1
        return len(described)

    def test_who_looks_at_the_newest_frame_follows_and_who_looks_at_another_stays(self, open_page):
        run_id = submit(TINY.model_copy(update={"train_iter": 200_000, "eval_every": 50}))
        page = open_page(run=run_id)
        wait_for(page, lambda: manager.shared_manager().get_snapshot(run_id) is not None)
        show_insight(page, "weights")
        newest = page.select_slider(key=f"moment.step.{run_id}").value
        wait_for(page, lambda: snapshot_step(run_id) > newest)
        assert page.select_slider(key=f"moment.step.{run_id}").value > newest
        shown(page.select_slider(key=f"moment.step.{run_id}").set_value(0).run())
        newest = snapshot_step(run_id)
        wait_for(page, lambda: snapshot_step(run_id) > newest)
        assert page.select_slider(key=f"moment.step.{run_id}").value == 0
        manager.shared_manager().stop(run_id, owner="somebody")

    def test_a_run_that_waits_says_when_its_first_snapshot_comes(self, open_page):
        run_id = submit(TINY.model_copy(update={"train_iter": 200_000, "eval_every": 150_000}))
        page = show_insight(open_page(run=run_id), "classes")
        assert "This appears with the first evaluation, after 150,000 iterations." in texts(page)
        manager.shared_manager().stop(run_id, owner="somebody")

    def test_images_that_are_not_those_of_the_run_are_not_shown(self, open_page, data, tmp_path, monkeypatch):
        page, _run_id = open_finished(open_page, "script")
        changed = tmp_path / "data"
        shutil.copytree(data, changed)
        (changed / "Tiny" / "test" / "dark" / "0.png").unlink()
        monkeypatch.setenv("MLPCORE_DATA", str(changed))
        show_insight(page, "images")
        says = "⚠ The data set has changed since this run, so its images cannot be shown."
        wait_for(page, lambda: says in texts(shown(page.run())))
        assert not any(text.startswith("true: ") for text in texts(page))


class TestChart:
    COUNTS = np.array([[3, 1, 0], [0, 0, 4], [0, 0, 0]])

    def traces(self, counts: np.ndarray, names: list[str]) -> dict[str, dict]:
        built = confusion_chart(counts, names)
        graph_objects.Figure(built)
        return {trace["uid"]: trace for trace in built["data"]}

    def test_hits_are_coloured_by_their_share_of_the_row_and_mistakes_by_that_of_the_largest(self):
        found = self.traces(self.COUNTS, ["a", "b", "c"])
        assert found["hits"]["z"] == [[0.75, None, None], [None, 0.0, None], [None, None, 0.0]]
        assert (found["hits"]["zmin"], found["hits"]["zmax"]) == (0, 1)
        assert found["mistakes"]["z"] == [[None, 1.0, 0.0], [0.0, None, 4.0], [0.0, 0.0, None]]
        assert (found["mistakes"]["zmin"], found["mistakes"]["zmax"]) == (0, 4)
        assert found["accuracy"]["x"] == [0.75, 0.0, 0.0]
        assert found["accuracy"]["text"] == ["75%", "0%", "0%"]
        texts = list(zip(found["numbers"]["x"], found["numbers"]["y"], found["numbers"]["text"], strict=True))
        assert (1, 0, "1") in texts
        assert (2, 1, "4") in texts

    def test_names_of_classes_are_no_markup_and_long_ones_are_cut(self):
        built = confusion_chart(self.COUNTS, ["<b>a</b>", "x" * 30, "c"])
        assert built["layout"]["yaxis"]["ticktext"] == ["&lt;b&gt;a&lt;/b&gt;", "x" * 11 + "…", "c"]
        assert "<b>" not in str(built["data"])

    def test_many_classes_have_no_numbers_in_their_cells(self):
        size = MOST_NUMBERED + 1
        assert "numbers" not in self.traces(np.eye(size, dtype=int), [str(place) for place in range(size)])
        assert "numbers" in self.traces(np.eye(size - 1, dtype=int), [str(place) for place in range(size - 1)])
