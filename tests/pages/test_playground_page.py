"""The playground's knobs, their schedule and its address, run by Streamlit's own test runner."""

from typing import Any

import pytest

from mlpcore.recipes.points import POINT_SETS
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Recipe
from mlpcore.training.schedules import preview_rates
from tests.support.app_tests import Open, figure, sentences, shown
from tests.support.playground_page import planned_rate, says
from tests.support.recipes import after_warmup


def test_playground_opens_with_the_lectures_recipe_and_its_schedule(open_page: Open) -> None:
    page = open_page()
    assert figure(page, "preview")["data"][0]["x"][0] == 1
    assert planned_rate(page, 1) == pytest.approx(0.01)
    assert planned_rate(page, 3000) == pytest.approx(0.0025)
    assert not page.button(key="start").disabled
    assert page.button(key="stop").disabled
    assert page.button(key="pause").disabled
    assert says(page, "Tiny, all images · 3,000 iterations of 64")


def test_data_to_choose_from_are_those_on_disk_and_what_is_drawn(open_page: Open) -> None:
    page = open_page()
    assert page.selectbox(key="knob.dataset").options == ["Tiny", "Shapes", *POINT_SETS]


def test_address_names_what_differs_from_the_lectures_recipe(open_page: Open) -> None:
    page = open_page(lr="0.003", optimizer="Adam")
    assert dict(page.query_params) == {"dataset": "Tiny", "optimizer": "Adam", "scheduler": "StepLR", "lr": "0.003"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_can_be_chosen_and_its_rate_is_previewed(open_page: Open, optimizer: str) -> None:
    page = open_page()
    shown(page.selectbox(key="knob.optimizer").select(optimizer).run())
    if OPTIMIZERS[optimizer].needs_full_batch:
        shown(page.button(key="full_batch").click().run())
    assert planned_rate(page, 1) == OPTIMIZERS[optimizer]().model_dump()["lr"]
    assert not page.button(key="start").disabled


def test_rprop_is_refused_until_all_training_images_are_in_each_batch_and_a_button_puts_them_there(
    open_page: Open,
) -> None:
    page = open_page(train_size="50")
    shown(page.selectbox(key="knob.optimizer").select("Rprop").run())
    assert says(page, "train_size and batch_size must be the same number from 1 to 100,000, but they are 50 and 64.")
    assert page.button(key="start").disabled
    assert page.button(key="full_batch").label == "Train on 50 examples, all in each batch"
    shown(page.button(key="full_batch").click().run())
    assert not page.button(key="start").disabled
    assert (page.query_params["train_size"], page.query_params["batch_size"]) == ("50", "50")
    assert not [button for button in page.button if button.key == "full_batch"]
    assert page.button(key="lr_test").disabled
    assert says(page, "Rprop reads lr at its first iteration only: the schedule does nothing after it.")
    shown(page.button(key="apply_fix").click().run())
    assert page.query_params["scheduler"] == "none"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("warmup_iters", [0, 100])
def test_scheduler_can_be_chosen_and_is_previewed(open_page: Open, scheduler: str, warmup_iters: int) -> None:
    page = open_page()
    shown(page.selectbox(key="knob.scheduler").select(scheduler).run())
    knobs: Any = SCHEDULERS[scheduler]()
    if "warmup_iters" in type(knobs).model_fields:
        shown(page.number_input(key=f"knob.{scheduler}.warmup_iters").set_value(warmup_iters).run())
    expected = preview_rates(Recipe(scheduler=after_warmup(knobs, warmup_iters)))[0]
    assert planned_rate(page, 1) == pytest.approx(expected, rel=1e-4)  # charts have five digits
    assert page.query_params["scheduler"] == scheduler


def test_log_axis_of_the_rate_is_a_switch(open_page: Open) -> None:
    page = open_page()
    assert figure(page, "preview")["layout"]["yaxis"].get("type", "linear") == "linear"
    shown(page.toggle(key="log_lr").set_value(True).run())
    assert figure(page, "preview")["layout"]["yaxis"]["type"] == "log"


def test_nesterov_without_momentum_is_refused_with_a_sentence(open_page: Open) -> None:
    page = open_page()
    shown(page.slider(key="knob.SGD.momentum").set_value(0.0).run())
    assert says(page, "nesterov is on while momentum is 0: turn it off, or set momentum above 0.")
    assert page.button(key="start").disabled
    shown(page.toggle(key="knob.SGD.nesterov").set_value(False).run())
    assert not says(page, "nesterov")
    assert not page.button(key="start").disabled


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("128, many", "hidden_sizes is many: it must be a whole number from 1 to 4,096."),
        ("0", "hidden_sizes is 0: it must be a whole number from 1 to 4,096."),
        ("", "hidden_sizes has 0 values: it must have 1 to 6."),
        ("1,2,3,4,5,6,7", "hidden_sizes has 7 values: it must have 1 to 6."),
        ("![](http://a.example/b.png)", "hidden_sizes is ![](http://a.example/b.png)"),
    ],
)
def test_hidden_sizes_that_are_none_are_named(open_page: Open, text: str, sentence: str) -> None:
    page = open_page()
    shown(page.text_input(key="knob.hidden_sizes").set_value(text).run())
    assert says(page, sentence)
    assert page.button(key="start").disabled
    shown(page.text_input(key="knob.hidden_sizes").set_value("32, 16").run())
    assert page.query_params["hidden_sizes"] == "32,16"
    assert not page.button(key="start").disabled


@pytest.mark.parametrize("text", ["abc", "1e9", "nan", "inf", "-0.1", "0", ""])
def test_exact_rate_out_of_range_is_refused_and_the_knob_stays(open_page: Open, text: str) -> None:
    page = open_page(lr="0.02")
    shown(page.text_input(key="knob.SGD.lr.text").set_value(text).run())
    assert says(page, f"lr is {text or '—'}: it must be a number from 1e-6 to 10.")
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.02
    assert page.query_params["lr"] == "0.02"


def test_exact_rate_moves_the_slider_and_the_preview(open_page: Open) -> None:
    page = open_page()
    shown(page.text_input(key="knob.SGD.lr.text").set_value("0.0123").run())
    assert page.select_slider(key="knob.SGD.lr.slider").value == 0.0123
    assert planned_rate(page, 1) == pytest.approx(0.0123)
    assert page.query_params["lr"] == "0.0123"


def test_slider_moves_the_exact_rate(open_page: Open) -> None:
    page = open_page(lr="0.0123")
    shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.05).run())
    assert page.text_input(key="knob.SGD.lr.text").value == "0.05"
    assert planned_rate(page, 1) == pytest.approx(0.05)


def test_good_rate_takes_a_refusal_away(open_page: Open) -> None:
    page = open_page()
    shown(page.text_input(key="knob.SGD.lr.text").set_value("abc").run())
    shown(page.select_slider(key="knob.SGD.lr.slider").set_value(0.05).run())
    assert not says(page, "lr is abc")
    assert not page.button(key="start").disabled


def test_knobs_survive_while_they_are_out_of_sight(open_page: Open) -> None:
    page = open_page(momentum="0.42", lr="0.07", step_size="700")
    shown(page.selectbox(key="knob.optimizer").select("Adam").run())
    shown(page.selectbox(key="knob.scheduler").select("none").run())
    assert "momentum" not in page.query_params
    shown(page.selectbox(key="knob.optimizer").select("SGD").run())
    shown(page.selectbox(key="knob.scheduler").select("StepLR").run())
    assert {name: page.query_params[name] for name in ("momentum", "lr", "step_size")} == {
        "momentum": "0.42",
        "lr": "0.07",
        "step_size": "700",
    }


def test_link_sets_every_kind_of_knob(open_page: Open) -> None:
    query = {
        "optimizer": "AdamW",
        "scheduler": "MultiStepLR",
        "betas": "0.8,0.99",
        "milestones": "10,20",
        "hidden_sizes": "7",
        "activation": "tanh",
        "dropout": "0.25",
        "label_noise": "0.2",
        "train_size": "30",
        "batch_size": "10",
        "train_iter": "30",
        "eval_every": "5",
        "seed": "9",
        "device": "cpu",
    }
    page = open_page(**query)
    assert dict(page.query_params) == {"dataset": "Tiny"} | query
    assert "Tiny, 30 images, 20% of the labels random · 30 iterations of 10" in sentences(page)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"lr": "fast"}, "lr is fast: it must be a number from 1e-6 to 10."),
        (
            {"dataset": "Nothing"},
            "dataset is Nothing: this machine has Tiny, Shapes, Moons, Circles, Spiral, Checkerboard, Blobs.",
        ),
        ({"train_iter": "1e6"}, "train_iter is 1000000.0: it must be a whole number from 1 to 200,000."),
        ({"optimizer": "Lion"}, f"optimizer is Lion: it must be one of {', '.join(OPTIMIZERS)}."),
    ],
)
def test_what_is_wrong_in_a_link_is_named_and_the_rest_holds(
    open_page: Open, query: dict[str, str], sentence: str
) -> None:
    page = open_page(seed="5", **query)
    assert says(page, sentence)
    assert page.query_params["seed"] == "5"
    assert not page.button(key="start").disabled


def test_step_size_past_the_end_is_mended_by_one_click(open_page: Open) -> None:
    page = open_page(train_iter="600", eval_every="100")
    assert says(page, "step_size is 1,000, but the run has 600 iterations: the learning rate never drops.")
    shown(page.button(key="apply_fix").click().run())
    assert page.query_params["step_size"] == "200"
    assert not says(page, "never drops")


def test_what_a_link_says_is_never_markdown(open_page: Open) -> None:
    page = open_page(lr="![](http://a.example/b)")
    assert says(page, "lr is ![](http://a.example/b): it must be a number from 1e-6 to 10.")
    drawn_as_markdown = [*page.markdown, *page.caption, *page.warning, *page.error]
    assert not any("a.example" in element.value for element in drawn_as_markdown)


def test_edits_that_a_link_brings_are_in_the_schedule_until_they_are_forgotten(open_page: Open) -> None:
    page = open_page(lr="0.003", scheduler="none", changes='[{"step":5,"lr":0.1}]')
    assert planned_rate(page, 5) == pytest.approx(0.003)
    assert planned_rate(page, 6) == pytest.approx(0.1)
    assert page.query_params["changes"] == '[{"step":5,"lr":0.1}]'
    page.button(key="forget").click().run()
    assert set(figure(page, "preview")["data"][0]["y"]) == {0.003}
    assert "changes" not in page.query_params


def test_more_images_than_there_are_cannot_be_started(open_page: Open) -> None:
    page = open_page(train_size="81", batch_size="4")
    assert says(page, "train_size is 81: it must be from 1 to 80, the number of images left for training.")
    assert page.button(key="start").disabled


def test_length_can_be_entered_in_epochs(open_page: Open) -> None:
    page = open_page(train_size="40", batch_size="8", train_iter="30", eval_every="5", scheduler="none")
    assert page.number_input(key="knob.train_iter.epochs").value == 6
    shown(page.number_input(key="knob.train_iter.epochs").set_value(2.5).run())
    assert page.number_input(key="knob.train_iter").value == 12  # of 12.5
    assert page.query_params["train_iter"] == "12"
    shown(page.number_input(key="knob.batch_size").set_value(4).run())
    assert (page.query_params["train_iter"], page.number_input(key="knob.train_iter.epochs").value) == ("12", 1.2)
    shown(page.number_input(key="knob.train_iter.epochs").set_value(0.0).run())
    assert page.query_params["train_iter"] == "1"
