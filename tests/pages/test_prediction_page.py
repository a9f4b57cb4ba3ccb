"""A prediction in the overfitting lab: nothing of the test images is shown before it."""

import pytest

from mlpcore.analysis.curve_shapes import Shape
from tests.support.app_tests import Open, shown
from tests.support.overfitting_page import finish, open_lab, read_test_curves, runs, texts, tiles, train


class TestPrediction:
    def test_nothing_of_the_test_images_is_shown_until_it_is_made(self, open_page: Open) -> None:
        page = open_lab(open_page)
        shown(page.toggle(key="lab.predict").set_value(True).run())
        train(page)
        shown(page.button(key="lab.try.dropout").click().run())
        finish(page)
        last = runs(page)[0].evaluations[-1]
        assert read_test_curves(page) == [[None], [None]]
        hidden = ("Test accuracy", "Gap, pp", "Best step", "Lowest test loss", "Early stop, pp")
        assert {tiles(page)[name] for name in hidden} == {"—"}
        assert tiles(page)["Train accuracy"] == f"{last.train_acc:.1%}"
        assert list(page.dataframe) == []
        assert f"{last.test_acc:.1%}" not in texts(page)

    def test_both_are_shown_once_it_is_made_and_compared_by_a_rule(self, open_page: Open) -> None:
        page = open_lab(open_page)
        shown(page.toggle(key="lab.predict").set_value(True).run())
        train(page)
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.CHANCE).run())
        assert read_test_curves(page)[1] == pytest.approx([one.test_acc for one in runs(page)[0].evaluations])
        assert "You predicted that test accuracy “stays at chance”; it “" in texts(page)  # 2 classes soon told apart
        assert "Test accuracy stays at chance: that is your prediction." in texts(page)
        assert "lab.prediction" not in {control.key for control in page.segmented_control}

    def test_it_belongs_to_one_run(self, open_page: Open) -> None:
        page = open_lab(open_page)
        shown(page.toggle(key="lab.predict").set_value(True).run())
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.FLATTENS).run())
        train(page)
        assert "You predicted" in texts(page)
        train(page)
        assert page.segmented_control(key="lab.prediction").value is None
        assert read_test_curves(page) == [[None], [None]]

    def test_made_for_changed_knobs_it_is_of_the_run_that_start_trains(self, open_page: Open) -> None:
        page = train(open_lab(open_page))
        shown(page.toggle(key="lab.predict").set_value(True).run())
        page.session_state["lab.label_noise"] = 1.0
        shown(page.run())
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.CHANCE).run())
        assert read_test_curves(page) == [[None], [None]]
        assert page.segmented_control(key="lab.prediction").value == Shape.CHANCE
        train(page)
        assert "Test accuracy stays at chance: that is your prediction." in texts(page)
        assert read_test_curves(page)[1] == pytest.approx([one.test_acc for one in runs(page)[0].evaluations])

    def test_of_the_run_shown_it_stays_while_another_is_predicted(self, open_page: Open) -> None:
        page = train(open_lab(open_page))
        shown(page.toggle(key="lab.predict").set_value(True).run())
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.CHANCE).run())
        page.session_state["lab.label_noise"] = 1.0
        shown(page.run())
        assert page.segmented_control(key="lab.prediction").value is None
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.RISES).run())
        assert "You predicted that test accuracy “stays at chance”" in texts(page)

    def test_note_does_not_answer_it(self, open_page: Open) -> None:
        page = open_lab(open_page)
        assert "With many examples the two curves stay together for longer." in texts(page)
        shown(page.toggle(key="lab.predict").set_value(True).run())
        assert "The network trains on 40 examples. Watch what happens to train and test accuracy." in texts(page)
        assert "many examples" not in texts(page)
        page = open_lab(open_page, label_noise=1.0)
        assert "test accuracy stays at chance" in texts(page)
        shown(page.toggle(key="lab.predict").set_value(True).run())
        assert "chance" not in texts(page)
        shown(page.segmented_control(key="lab.prediction").set_value(Shape.CHANCE).run())
        assert "test accuracy stays at chance" in texts(page)


def test_prediction_of_one_run_is_not_that_of_another_that_an_address_shows(open_page: Open) -> None:
    page = train(open_lab(open_page))
    first = page.session_state["lab.run"]
    train(page)
    second = page.session_state["lab.run"]
    page.session_state["lab.predicted"] = Shape.FALLS
    shown(page.run())
    assert page.session_state["lab.predicted"] is Shape.FALLS
    page.session_state["lab.late_until"] = 0.0  # the visitor goes back, long after
    page.query_params["lab"] = first
    shown(page.run())
    assert (page.session_state["lab.run"], page.session_state["lab.predicted"]) == (first, None)
    assert second != first
