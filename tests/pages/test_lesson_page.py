"""Lessons on the playground: what a link locks or hides stays as it is, and the panel that makes such a link."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import SGD, Change, Recipe
from tests.support.app_tests import Open, is_over, says, shown, wait_for

SHORT = {"train_iter": "20", "eval_every": "10", "batch_size": "8", "hidden_sizes": "8", "scheduler": "none"}
LONG = SHORT | {"train_iter": "200000", "eval_every": "200"}


def press_start(page: AppTest) -> str:
    shown(page.button(key="start").click().run())
    return page.session_state["run"]


def keys(page: AppTest) -> set[str | None]:
    kinds = (page.selectbox, page.slider, page.select_slider, page.number_input, page.text_input, page.toggle)
    return {widget.key for kind in kinds for widget in kind}


def link(page: AppTest) -> str:
    (code,) = (element.value for element in page.code if "?dataset=" in element.value)
    return code


def choose(page: AppTest, name: str, choice: str) -> AppTest:
    return shown(page.segmented_control(key=f"lesson.choice.{name}").set_value(choice).run())


def test_locked_knobs_cannot_be_moved_and_hidden_ones_are_not_there(open_page: Open) -> None:
    page = open_page(lr="0.05", lock="lr,optimizer,network", hide="momentum,schedule,seed", title="Which rate?")
    assert page.select_slider(key="knob.SGD.lr.slider").disabled
    assert page.text_input(key="knob.SGD.lr.text").disabled
    assert page.selectbox(key="knob.optimizer").disabled
    assert page.text_input(key="knob.hidden_sizes").disabled
    assert not page.number_input(key="knob.batch_size").disabled
    assert not keys(page) & {"knob.SGD.momentum", "knob.scheduler", "knob.StepLR.gamma", "knob.seed"}
    assert "Which rate?" in [element.value for element in page.text]


def test_lesson_that_hides_everything_leaves_no_empty_popover(open_page: Open) -> None:
    named = ["Images", "Network", "Run"]
    assert [popover.proto.popover.label for popover in open_page().get("popover")][:3] == named
    page = open_page(**SHORT, hide="optimizer,lr,momentum,images,network,run,schedule,batch_size,eps")
    assert not {popover.proto.popover.label for popover in page.get("popover")} & set(named)
    assert not page.button(key="start").disabled


@pytest.mark.parametrize("parameter", ["lock", "hide"])
def test_run_has_the_lessons_values_whatever_the_browser_made_of_the_widgets(open_page: Open, parameter: str) -> None:
    held = {"lr": "0.05", "seed": "7", "optimizer": "SGD", "momentum": "0.5", "dropout": "0.25"}
    page = open_page(**SHORT, **held, **{parameter: "lr,seed,optimizer,momentum,network"})
    for key, value in {
        "knob.SGD.lr": 5.0,
        "knob.SGD.lr.slider": 5.0,
        "knob.SGD.lr.text": "5",
        "knob.seed": 99,
        "knob.SGD.momentum": 0.1,
        "knob.hidden_sizes": "999",
        "knob.dropout": 0.0,
        "knob.optimizer": "Adam",
        "knob.changes": (Change(step=1, lr=9.0),),
    }.items():
        page.session_state[key] = value
    shown(page.run())
    run_id = press_start(page)
    wait_for(page, is_over(run_id))
    recipe = manager.shared_manager().get(run_id).recipe
    assert (recipe.seed, recipe.hidden_sizes, recipe.dropout) == (7, (8,), 0.25)
    assert recipe.optimizer == SGD(lr=0.05, momentum=0.5)
    assert recipe.changes == ()


def test_open_knobs_are_trained_as_they_were_turned(open_page: Open) -> None:
    page = open_page(**SHORT, lr="0.05", lock="lr")
    shown(page.slider(key="knob.SGD.momentum").set_value(0.3).run())
    assert manager.shared_manager().get(press_start(page)).recipe.optimizer == SGD(lr=0.05, momentum=0.3)


def test_locked_rate_is_not_changed_in_a_run_that_goes_on(open_page: Open) -> None:
    page = open_page(**LONG, lock="lr")
    run_id = press_start(page)
    wait_for(page, lambda: bool(manager.shared_manager().get(run_id).evaluations))
    page.session_state["knob.SGD.lr"] = page.session_state["knob.SGD.lr.slider"] = 0.3
    shown(page.run())
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.01
    shown(page.slider(key="knob.SGD.momentum").set_value(0.3).run())
    wait_for(page, lambda: manager.shared_manager().get(run_id).recipe.changes != ())
    (change,) = manager.shared_manager().get(run_id).recipe.changes
    assert change.values == {"momentum": 0.3}
    shown(page.button(key="stop").click().run())


def test_run_taken_over_from_another_keeps_the_lessons_values(open_page: Open) -> None:
    wanted = Recipe.model_validate({"dataset": "Tiny", "train_iter": 200_000, "eval_every": 200, "batch_size": 4})
    wanted = wanted.model_copy(update={"optimizer": SGD(lr=0.001, momentum=0.1)})
    (run_id,) = manager.shared_manager().submit([wanted], owner="ann", names=["SGD"])
    page = open_page(lr="0.05", lock="lr")
    shown(page.button(key=f"watch.{run_id}").click().run())
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.05
    assert page.slider(key="knob.SGD.momentum").value == 0.1
    assert page.query_params["lr"] == "0.05"


def test_buttons_that_would_mend_a_locked_knob_are_not_offered(open_page: Open) -> None:
    page = open_page(train_iter="600", eval_every="100", lock="step_size")
    assert says(page, "step_size is 1,000, but the run has 600 iterations: the learning rate never drops.")
    assert "apply_fix" not in [button.key for button in page.button]
    page = open_page(lr="10", train_iter="3000", batch_size="8", lock="lr")
    wait_for(page, is_over(press_start(page)))
    assert "diagnosis.0" not in [button.key for button in page.button]


def test_lesson_survives_a_page_switch_and_through_its_address_a_reload(open_page: Open) -> None:
    page = open_page(lr="0.05", lock="lr", hide="schedule", title="Which rate?")
    shown(page.slider(key="knob.SGD.momentum").set_value(0.3).run())
    for path in ("images.py", "playground.py"):
        page.query_params.clear()  # as a browser does
        shown(page.switch_page(path).run())
    address = dict(page.query_params)
    assert {name: address[name] for name in ("lock", "hide", "title", "lr", "momentum")} == {
        "lock": "lr",
        "hide": "schedule",
        "title": "Which rate?",
        "lr": "0.05",
        "momentum": "0.3",
    }
    again = open_page(**address)
    assert dict(again.query_params) == address
    assert again.select_slider(key="knob.SGD.lr.slider").disabled
    assert "knob.scheduler" not in keys(again)


def test_lesson_is_left_by_a_button_and_its_values_stay(open_page: Open) -> None:
    page = open_page(lr="0.05", lock="lr", hide="schedule", gamma="0.3")
    assert "lesson.build" not in [button.key for button in page.button]
    shown(page.button(key="lesson.leave").click().run())
    assert not page.select_slider(key="knob.SGD.lr.slider").disabled
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.05
    assert page.slider(key="knob.StepLR.gamma").value == 0.3
    assert not {"lock", "hide", "title"} & set(page.query_params)
    assert "lesson.leave" not in [button.key for button in page.button]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"hide": "__class__"}, "⚠ hide names __class__: there is no such hyperparameter."),
        ({"lock": "![](http://a.example/b)"}, "⚠ lock names ![](http://a.example/b): there is no such hyperparameter."),
        ({"title": "x" * 70}, f"⚠ title is {'x' * 39}…: it must be at most 60 printable characters."),
        ({"lr": "1e400", "lock": "lr"}, "⚠ lr is inf: it must be a number from 1e-6 to 10."),
    ],
)
def test_what_is_wrong_with_a_lesson_is_named_as_plain_text(
    open_page: Open, query: dict[str, str], sentence: str
) -> None:
    page = open_page(seed="5", **query)
    assert sentence in [element.value for element in page.text]
    assert not says(page, "a.example")
    assert page.query_params["seed"] == "5"


def test_title_of_a_lesson_is_never_markdown(open_page: Open) -> None:
    page = open_page(title="![](http://a.example/b)")
    assert "![](http://a.example/b)" in [element.value for element in page.text]
    assert not any("a.example" in element.value for element in [*page.markdown, *page.caption])


def test_panel_makes_a_link_of_the_knobs_and_shows_what_students_will_see(open_page: Open) -> None:
    page = open_page(lr="0.05")
    shown(page.button(key="lesson.build").click().run())
    choose(page, "lr", "locked")
    choose(page, "momentum", "hidden")
    shown(page.text_input(key="lesson.title").set_value("Which rate?").run())
    assert page.select_slider(key="knob.SGD.lr.slider").disabled
    assert "knob.SGD.momentum" not in keys(page)
    assert "Which rate?" in [element.value for element in page.text]
    query = "?dataset=Tiny&optimizer=SGD&scheduler=StepLR&lr=0.05&lock=lr&hide=momentum&title=Which+rate%3F"
    assert link(page).endswith(f"/{query}")
    choose(page, "momentum", "open")
    assert page.slider(key="knob.SGD.momentum").value == 0.9
    assert "hide" not in link(page)
    shown(page.button(key="lesson.done").click().run())
    assert page.select_slider(key="knob.SGD.lr.slider").disabled
    assert not page.button(key="start").disabled
    assert page.button(key="lesson.build").label == "Change the lesson"


def test_panel_offers_the_start_of_a_line_which_has_no_warm_up(open_page: Open) -> None:
    page = open_page(scheduler="LinearLR")
    shown(page.button(key="lesson.build").click().run())
    choose(page, "start_factor", "locked")
    assert "lock=start_factor" in link(page)


def test_all_knobs_are_locked_by_a_click_and_one_opened_again(open_page: Open) -> None:
    page = open_page()
    shown(page.button(key="lesson.build").click().run())
    shown(page.button(key="lesson.all.locked").click().run())
    choose(page, "lr", "open")
    assert link(page).endswith("&lock=images,network,run,schedule,momentum,weight_decay,nesterov,optimizer,batch_size")
    assert not page.select_slider(key="knob.SGD.lr.slider").disabled
    assert page.slider(key="knob.SGD.momentum").disabled
    shown(page.button(key="lesson.all.open").click().run())
    assert "lock" not in link(page)
