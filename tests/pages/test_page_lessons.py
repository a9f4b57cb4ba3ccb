"""Lessons of Compare, Sweep, Concepts and Images: a link sets the page up, with a title and a task."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.recipes.lessons import title_of_label
from tests.support.app_tests import Open, get_runs, key_of, says, shown, texts, wait_for

LESSON = {"title": "Which one?", "task": "Say which curve falls first, then press Start."}
SHORT = {"dataset": "Tiny", "train_iter": "20", "eval_every": "10", "batch_size": "8"}
ROWS = SHORT | {"optimizer": "SGD", "scheduler": "none", "2.lr": "0.1", "rows": "2"}
PAGES = {
    "compare": ROWS,
    "concepts": {"concept": "schedules"},
    "sweep": {"kind": "budget", "dataset": "Tiny", "train_iter": "20", "datasets": "Tiny,Shapes"},
    "images": {"dataset": "Tiny", "label_noise": "0.4", "batch_size": "8"},
}


def address(page: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def links(page: AppTest) -> list[str]:
    return [element.value for element in page.code]


def train(page: AppTest) -> list[str]:
    shown(page.button(key="compare.start").click().run())
    ids = page.session_state["compare.runs"]
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    return ids


@pytest.mark.parametrize("name", PAGES)
def test_link_shows_title_and_task_until_the_lesson_is_left(open_page: Open, name: str) -> None:
    page = open_page(f"{name}.py", **PAGES[name], **LESSON)
    assert {"Which one?", "Say which curve falls first, then press Start."} <= set(texts(page))
    assert (PAGES[name] | LESSON).items() <= (address(page) | {"train_iter": "20", "eval_every": "10"}).items()
    assert not [button for button in page.button if button.key == f"{name}.lesson.build"]
    again = open_page(f"{name}.py", **address(page))
    assert address(again) == address(page)
    shown(again.button(key=f"{name}.lesson.leave").click().run())
    assert "Which one?" not in texts(again)
    assert not {"title", "task"} & set(address(again))
    assert address(again).items() >= {k: v for k, v in address(page).items() if k not in LESSON}.items()


@pytest.mark.parametrize("name", PAGES)
def test_dialog_makes_the_link_of_a_lesson(open_page: Open, name: str) -> None:
    page = open_page(f"{name}.py", **PAGES[name])
    shown(page.button(key=f"{name}.lesson.build").click().run())
    shown(page.text_input(key=f"{name}.lesson.title").set_value("Rates").run())
    shown(page.text_input(key=f"{name}.lesson.task").set_value("What  helps?").run())
    students = links(page)[0]
    assert f"/{name}?{next(iter(PAGES[name]))}=" in students
    assert students.endswith("&title=Rates&task=What+helps%3F")
    assert len(links(page)) == (2 if name == "compare" else 1)
    shown(page.button(key=f"{name}.lesson.done").click().run())
    assert "What helps?" in texts(page)
    assert page.button(key=f"{name}.lesson.build").label == "Change the lesson"


@pytest.mark.parametrize("name", PAGES)
def test_title_that_cannot_be_shown_is_refused_as_plain_text(open_page: Open, name: str) -> None:
    page = open_page(f"{name}.py", **PAGES[name], title="![](http://a.example/b)" * 5)
    assert any(text.startswith("⚠ title is ![](http://a.example/b)") for text in texts(page))
    assert not says(page, "a.example")


class TestCompare:
    def test_locked_rows_are_seen_and_cannot_be_changed(self, open_page: Open) -> None:
        page = open_page("compare.py", **ROWS, **LESSON, lock="rows")
        assert says(page, "This lesson locks the rows")
        assert page.number_input(key="compare.seeds").disabled
        assert page.number_input(key="compare.shared.train_iter").disabled
        assert page.selectbox(key="compare.shared.dataset").disabled
        keys = {button.key for button in page.button}
        assert not {"compare.copy", "compare.remove", "compare.add"} & keys
        page.session_state["compare.rows"][1]["lr"] = 7.0
        page.session_state["compare.seeds"] = 4
        shown(page.run())
        assert [run.recipe.optimizer.lr for run in get_runs(train(page))] == [0.01, 0.1]

    def test_runs_know_their_lesson_and_a_reload_keeps_both(self, open_page: Open) -> None:
        page = open_page("compare.py", **ROWS, **LESSON, lock="rows")
        ids = train(page)
        assert [title_of_label(run.lesson) for run in get_runs(ids)] == ["Which one?"] * 2
        again = open_page("compare.py", **address(page))
        assert again.session_state["compare.runs"] == ids
        assert not again.session_state["compare.setup"]
        ids += train(again)
        assert len({run.lesson for run in get_runs(ids)}) == 1
        shown(again.button(key="compare.lesson.runs").click().run())
        assert [heading.value for heading in again.subheader] == ["Which one?"]

    @pytest.mark.parametrize("hides", [True, False])
    def test_lesson_without_diagnoses_draws_no_conclusions(self, open_page: Open, hides: bool) -> None:
        page = open_page("compare.py", **ROWS, **LESSON, **({"hide": "diagnoses"} if hides else {}))
        train(page)
        compared = any(" minus " in text for text in texts(page))
        ranked = any(text.startswith(("Best", "The best row")) for text in texts(page))
        assert (compared, ranked) == (not hides, not hides)

    def test_dialog_locks_the_rows_as_they_are(self, open_page: Open) -> None:
        page = open_page("compare.py", **ROWS)
        shown(page.button(key="compare.lesson.build").click().run())
        shown(page.toggle(key="compare.lesson.lock").set_value(True).run())
        shown(page.toggle(key="compare.lesson.diagnoses").set_value(False).run())
        students, teacher = links(page)
        assert "&2.lr=0.1&rows=2&lock=rows&hide=diagnoses" in students
        assert "/history?lesson=" in teacher
        shown(page.toggle(key="compare.lesson.lock").set_value(False).run())
        assert "lock=" not in links(page)[0]

    def test_what_is_wrong_with_a_lesson_is_named(self, open_page: Open) -> None:
        page = open_page("compare.py", **ROWS, lock="lr")
        assert any("lock is lr: it must be one of rows." in text for text in texts(page))
        assert not page.button(key="compare.start").disabled


def test_images_link_leaves_the_playgrounds_other_knobs_alone(open_page: Open) -> None:
    page = open_page(lr="0.05", dropout="0.25", label_noise="0.1")
    page.switch_page("images.py")
    page.query_params.clear()
    for name, value in {"dataset": "Tiny", "batch_size": "8"}.items():
        page.query_params[name] = value
    shown(page.run())
    names = ("SGD.lr", "dropout", "batch_size", "label_noise")
    assert [page.session_state[key_of(page, f"knob.{name}")] for name in names] == [0.05, 0.25, 8, 0.0]


class TestSweep:
    def test_link_sets_up_learning_rates(self, open_page: Open) -> None:
        query = {"kind": "rates", "dataset": "Tiny", "train_iter": "20", "rates": "1e-05,0.1", "seeds": "2"}
        page = open_page("sweep.py", **query)
        assert page.selectbox(key="sweep.dataset").value == "Tiny"
        assert page.selectbox(key="sweep.range").value == "1e-5 … 0.1"
        assert says(page, "4 rows × 9 learning rates × 2 seeds: 72 runs in lockstep.")
        assert address(page) == query

    def test_link_sets_up_rows(self, open_page: Open) -> None:
        page = open_page(
            "sweep.py", kind="rates", **SHORT, optimizer="SGD", weight_decay="0", rows="2", **{"2.optimizer": "Adam"}
        )
        assert says(page, "2 rows × 9 learning rates × 1 seed")
        again = open_page("sweep.py", **address(page))
        assert [c.value for c in again.caption if "Rows" in c.value] == ["Rows: SGD · Adam"]
        assert address(again) == address(page)

    def test_link_of_a_search_sets_the_recipe_that_it_varies(self, open_page: Open) -> None:
        page = open_page("sweep.py", kind="search", **SHORT, optimizer="Adam", scheduler="none")
        assert says(page, "20 iterations of 8")
        assert address(page)["kind"] == "search"

    def test_what_is_wrong_with_a_link_is_named(self, open_page: Open) -> None:
        page = open_page("sweep.py", kind="all", rates="1,2", datasets="Nowhere", seeds="9")
        said = "\n".join(texts(page))
        assert "kind is all: it must be one of rates, search, budget." in said
        assert "rates is 1,2: it must be one of 0.0001,1.0, 1e-05,0.1, 0.001,10.0." in said
        assert (
            "datasets is Nowhere: this machine has Tiny, Shapes, Moons, Circles, Spiral, Checkerboard, Blobs." in said
        )
