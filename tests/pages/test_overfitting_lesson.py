"""Lessons of the overfitting lab: a link sets it up before anything is trained, and keeps what it locks or hides."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.recipes.lessons import title_of_label
from tests.support.app_tests import Open, key_of, shown
from tests.support.overfitting_page import finish, open_lab, runs, texts, train

LINK = {"dataset": "Tiny", "train_size": "40", "hidden_sizes": "8", "train_iter": "30", "validation_size": "0"}
LESSON = {"title": "Noise", "task": "Find the noise at which nothing is learned."}


def open_link(open_page: Open, **query: str) -> AppTest:
    return open_page("overfitting.py", **LINK | query)


def keys(page: AppTest) -> set[str]:
    kinds = (page.selectbox, page.slider, page.select_slider, page.number_input, page.toggle)
    return {re.sub(r"\.\d+$", "", widget.key or "") for kind in kinds for widget in kind}


def test_link_sets_up_the_lab_before_anything_is_trained(open_page: Open) -> None:
    page = open_link(open_page, label_noise="0.4", predict="true", **LESSON)
    assert "Tiny, 40 images, 40% of the labels random · 30 iterations of 40" in texts(page).replace("\\", "")
    assert page.toggle(key="lab.predict").value
    assert "Noise" in texts(page)
    assert "Find the noise at which nothing is learned." in texts(page)
    assert page.session_state["lab.run"] is None
    address = dict(page.query_params)
    again = open_page("overfitting.py", **address)
    assert dict(again.query_params) == address
    assert again.slider(key="lab.label_noise").value == 0.4


def test_address_without_a_run_sets_up_the_same_lab(open_page: Open) -> None:
    page = open_lab(open_page)
    shown(page.slider(key="lab.dropout").set_value(0.3).run())
    again = open_page("overfitting.py", **dict(page.query_params))
    assert again.slider(key="lab.dropout").value == 0.3
    assert again.select_slider(key="lab.train_size").value == 40
    assert not again.toggle(key="lab.hold_out").value


@pytest.mark.parametrize("parameter", ["lock", "hide"])
def test_knobs_keep_the_lessons_values_whatever_the_browser_made_of_them(open_page: Open, parameter: str) -> None:
    page = open_link(open_page, label_noise="0.4", **{parameter: "label_noise,hidden_sizes,seed,validation_size"})
    held = {"lab.label_noise", "lab.width", "lab.depth", "lab.seed", "lab.hold_out"}
    assert (held <= keys(page)) == (parameter == "lock")
    if parameter == "lock":
        assert page.slider(key="lab.label_noise").disabled
        assert page.select_slider(key="lab.width").disabled
    assert not page.slider(key="lab.dropout").disabled
    for name, value in {"label_noise": 0.9, "width": 512, "seed": 7, "hold_out": True}.items():
        page.session_state[key_of(page, f"lab.{name}")] = value
    train(page)
    (run,) = runs(page)
    recipe = run.recipe
    assert (recipe.label_noise, recipe.hidden_sizes, recipe.seed, recipe.validation_size) == (0.4, (8,), 0, 0)


def test_runs_of_a_lesson_know_it(open_page: Open) -> None:
    page = train(open_link(open_page, **LESSON))
    shown(page.button(key="lab.try.dropout").click().run())
    finish(page)
    assert [title_of_label(run.lesson) for run in runs(page)] == ["Noise", "Noise"]
    assert len({run.lesson for run in runs(page)}) == 1
    address = dict(page.query_params)
    assert (address["title"], address["lab"]) == ("Noise", runs(page)[0].id)
    shown(page.button(key="lab.lesson.leave").click().run())
    assert not {"title", "task"} & set(page.query_params)
    assert page.button(key="lab.preset.few_images").label == "Few images"


def test_lesson_without_diagnoses_says_nothing_about_the_run(open_page: Open) -> None:
    page = train(open_link(open_page, label_noise="1", hide="diagnoses"))
    shown(page.button(key="lab.try.dropout").click().run())
    finish(page)
    for said in ("nothing to learn", "The network is right on", "One seed only", "The best step is"):
        assert said not in texts(page)


def test_panel_makes_a_link_of_the_lab(open_page: Open) -> None:
    page = open_lab(open_page, label_noise=0.4)
    shown(page.button(key="lab.lesson.build").click().run())
    shown(page.segmented_control(key="lab.lesson.choice.label_noise").set_value("hidden").run())
    shown(page.text_input(key="lab.lesson.title").set_value("Noise").run())
    shown(page.text_input(key="lab.lesson.task").set_value("What  helps?").run())
    shown(page.toggle(key="lab.lesson.diagnoses").set_value(False).run())
    students, teacher = (element.value for element in page.code)
    assert "/overfitting?dataset=Tiny&" in students
    assert students.endswith("&hide=label_noise,diagnoses&title=Noise&task=What+helps%3F")
    assert "label_noise=0.4" in students
    assert "/history?lesson=" in teacher
    assert "lab.label_noise" not in keys(page)
    shown(page.button(key="lab.lesson.done").click().run())
    assert "What helps?" in texts(page)
    shown(page.button(key="lab.lesson.runs").click().run())
    assert [heading.value for heading in page.subheader] == ["Noise"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"label_noise": "7"}, "label_noise is 7: it must be a number from 0 to 1."),
        (
            {"dataset": "![](http://a.example/b)"},
            "dataset is ![](http://a.example/b): this machine has Tiny, Shapes, Moons, Circles, Spiral, Checkerboard, "
            "Blobs.",
        ),
        ({"hide": "width"}, "hide names width: there is no such hyperparameter."),
        ({"hidden_sizes": "8,8,8,8,8"}, ""),
    ],
)
def test_what_is_wrong_with_a_link_is_named_as_plain_text(
    open_page: Open, query: dict[str, str], sentence: str
) -> None:
    page = open_link(open_page, **query)
    assert sentence in "\n".join(element.value for element in page.text)
    assert not any("a.example" in element.value for element in [*page.markdown, *page.caption])
    assert not page.button(key="lab.start").disabled
