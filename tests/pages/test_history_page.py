"""The history's page: finding, renaming, deleting, exporting and importing runs; changing only one's own."""

import json

import pytest

from mlpcore.export.tables import to_csv, to_json
from mlpcore.recipes.recipe import SGD, Adam, Change, Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, figure, says, shown, texts
from tests.support.history_page import ANN, ME, import_file, make_run, names, open_history
from tests.support.stores import list_runs

IMAGE = "![](http://a.example/b.png)"


class TestList:
    def test_without_runs_it_says_what_to_do(self, open_page: Open) -> None:
        page = open_page("history.py")
        assert texts(page) == ["No run is stored yet: every run that you start appears here."]
        assert [button.key for button in page.button] == ["history.begin"]
        assert not [*page.selectbox, *page.toggle]
        shown(page.button(key="history.begin").click().run())
        assert page.button(key="start").label == "Start"

    def test_runs_are_listed_newest_first_with_what_they_came_to(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a"), make_run("b", created=2.0, test_acc=0.6, owner=ANN, starred=True)])
        page = open_history(open_page)
        (frame,) = (element.value for element in page.dataframe)
        assert list(frame["name"]) == ["run b", "run a"]
        assert list(frame["best"]) == [60.0, 50.0]
        assert list(frame["mine"]) == [False, True]
        assert list(frame["★"]) == ["★", ""]
        assert frame["recipe"][0].startswith("SGD · lr 0.01 · Nesterov 0.9")

    @pytest.mark.parametrize(
        ("key", "value", "found"),
        [
            ("history.words", "second", ["b"]),
            ("history.words", "%", []),
            ("history.dataset", "elsewhere", ["c"]),
            ("history.optimizer", "Adam", ["b"]),
            ("history.status", RunStatus.DIVERGED, ["c"]),
            ("history.least", 55, ["b"]),
            ("history.starred", True, ["a"]),
            ("history.mine", True, ["c", "a"]),
            ("history.lesson", "1a rates", ["a"]),
            ("history.sort", "best_acc", ["b", "a", "c"]),
            ("history.sort", "name", ["a", "b", "c"]),
            ("history.backwards", True, ["a", "b", "c"]),
        ],
    )
    def test_it_is_filtered_and_sorted(
        self, open_page: Open, page_store: RunStore, key: str, value: object, found: list[str]
    ) -> None:
        adam, elsewhere = Recipe(dataset="Tiny", optimizer=Adam()), Recipe(dataset="elsewhere")
        page_store.create_many([make_run("a", starred=True, lesson="1a rates")])
        second = make_run("b", created=2.0, test_acc=0.6, recipe=adam, note="my second try", owner=ANN)
        page_store.create_many([second])
        page_store.create_many([make_run("c", created=3.0, test_acc=0.1, recipe=elsewhere, status=RunStatus.DIVERGED)])
        page = open_history(open_page)
        widgets = [*page.text_input, *page.selectbox, *page.number_input, *page.toggle]
        (widget,) = (one for one in widgets if one.key == key)
        shown(widget.set_value(value).run())
        assert names(page) == [f"run {run_id}" for run_id in found]
        assert ("No run fits these filters." in texts(page)) == (not found)

    def test_rows_come_in_pages_and_the_last_page_may_go(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run(f"{n:03}", created=float(n)) for n in range(101)])
        page = open_history(open_page)
        assert (len(names(page)), names(page)[0]) == (50, "run 100")
        assert page.number_input(key="history.page").label == "Page (of 3)"
        shown(page.number_input(key="history.page").set_value(3).run())
        assert names(page) == ["run 000"]
        page_store.delete(["000"])
        shown(page.run())
        assert names(page)[-1] == "run 001"
        assert page.number_input(key="history.page").value == 2

    def test_chosen_runs_stay_chosen_when_others_come_on_top(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a")])
        page = open_history(open_page, "a")
        page_store.create_many([make_run("b", created=2.0)])
        shown(page.run())
        assert names(page) == ["run b", "run a"]
        assert page.text_input(key="name.a").value == "run a"

    def test_user_text_is_never_markdown(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", note=IMAGE)])
        page = open_history(open_page, "a")
        shown(page.text_input(key="name.a").set_value(IMAGE).run())
        marked = [*page.markdown, *page.caption, *page.warning, *page.error, *page.info, *page.success]
        assert not [element.value for element in marked if "a.example" in element.value]
        assert any(f"name is {IMAGE}: it must be 1 to 40 letters" in text for text in texts(page))


def test_rows_that_differ_in_weight_decay_or_dropout_read_differently(open_page: Open, page_store: RunStore) -> None:
    recipes = Recipe(), Recipe(optimizer=SGD(weight_decay=0.003)), Recipe(dropout=0.4)
    for number, recipe in enumerate(recipes):
        page_store.create_many([make_run(f"{number}", created=-number, recipe=recipe)])
    (frame,) = (element.value for element in open_history(open_page).dataframe)
    plain = frame["recipe"][0]
    assert "weight_decay" not in plain
    assert "dropout 0.4" not in plain
    assert "weight_decay 0.003" in frame["recipe"][1]
    assert "dropout 0.4" in frame["recipe"][2]


class TestOwn:
    def test_name_note_and_star_of_ones_own_run_are_kept(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a")])
        page = open_history(open_page, "a")
        shown(page.text_input(key="name.a").set_value("best so far").run())
        shown(page.text_input(key="note.a").set_value(IMAGE).run())
        shown(page.toggle(key="star.a").set_value(True).run())
        kept = page_store.get("a")
        assert (kept.name, kept.note, kept.starred) == ("best so far", IMAGE, True)
        assert names(page) == ["best so far"]

    def test_note_is_kept_while_the_name_is_refused(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a")])
        page = open_history(open_page, "a")
        shown(page.text_input(key="name.a").set_value("my <b>run</b>").run())
        shown(page.text_input(key="note.a").set_value("too slow").run())
        assert (page_store.get("a").name, page_store.get("a").note) == ("run a", "too slow")
        assert any("name is my <b>run</b>: it must be" in text for text in texts(page))

    @pytest.mark.parametrize("name", ["", "<b>", "a/b", IMAGE])
    def test_name_that_is_none_is_refused_and_the_note_beside_it_kept(
        self, open_page: Open, page_store: RunStore, name: str
    ) -> None:
        page_store.create_many([make_run("a")])
        page = open_history(open_page, "a")
        page.text_input(key="note.a").set_value("worth a look")
        shown(page.text_input(key="name.a").set_value(name).run())
        assert page_store.get("a") == make_run("a", note="worth a look")

    def test_anothers_run_is_not_changed_by_widgets_that_a_browser_enabled(
        self, open_page: Open, page_store: RunStore
    ) -> None:
        page_store.create_many([make_run("a", owner=ANN)])
        page = open_history(open_page, "a")
        assert page.text_input(key="name.a").disabled
        assert page.button(key="history.delete").disabled
        page.session_state["name.a"], page.session_state["star.a"] = "mine now", True
        shown(page.run())
        assert page_store.get("a") == make_run("a", owner=ANN)

    def test_run_that_another_page_deleted_is_no_trouble(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a"), make_run("b")])
        page = open_history(open_page, "a", "b")
        page_store.delete(["a"])
        shown(page.run())
        assert names(page) == ["run b"]


class TestOpening:
    def test_run_is_opened_in_the_playground_with_its_knobs(self, open_page: Open, page_store: RunStore) -> None:
        recipe = Recipe(dataset="Tiny", optimizer=SGD(lr=0.5), changes=(Change(step=10, lr=0.003),))
        page_store.create_many([make_run("a", recipe=recipe)])
        page = open_history(open_page, "a")
        shown(page.button(key="history.open").click().run())
        assert page.session_state["run"] == "a"
        assert page.select_slider(key="knob.SGD.lr.slider").value == 0.003
        assert figure(page, "curves")["data"][0]["x"] == [100, 200]

    def test_runs_are_opened_in_compare_with_rows_of_their_own(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a"), make_run("b", recipe=Recipe(dataset="Tiny", optimizer=Adam()))])
        page = open_history(open_page, "a", "b")
        shown(page.button(key="history.compare").click().run())
        assert page.session_state["compare.runs"] == ["a", "b"]
        assert [row["optimizer"] for row in page.session_state["compare.rows"]] == ["SGD", "Adam"]
        assert page.query_params["runs"] == "a,b"

    def test_selection_is_laid_over_each_other_with_its_differences(
        self, open_page: Open, page_store: RunStore
    ) -> None:
        other = make_run("b", name="SGD 0.02", created=2.0, recipe=Recipe(dataset="Tiny", batch_size=8))
        page_store.create_many([make_run("a", name="SGD 0.01"), other])
        page = open_history(open_page, "a", "b")
        (frame,) = (element.value for element in page.dataframe if "run" in element.value.columns)
        assert frame.to_dict("list") == {"run": ["SGD 0.01", "SGD 0.02"], "batch_size": ["64", "8"]}
        drawn = [trace["name"] for trace in figure(page, "compare")["data"] if trace["showlegend"]]
        assert drawn == ["batch_size=64", "batch_size=8"]

    def test_runs_of_one_recipe_are_said_to_be_so(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a"), make_run("b")])
        assert says(open_history(open_page, "a", "b"), "These runs have the same recipe.")

    def test_run_on_images_that_are_not_here_is_shown_all_the_same(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", recipe=Recipe(dataset="elsewhere"))])
        page = open_history(open_page, "a")
        assert figure(page, "compare")["data"][0]["x"] == [100, 200]
        shown(page.button(key="history.compare").click().run())
        assert figure(page, "compare")["data"][0]["x"] == [100, 200]


class TestFiles:
    def test_selection_can_be_saved_in_five_forms(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a"), make_run("b")])
        page = open_history(open_page, "a", "b")
        assert [button.label for button in page.download_button] == [
            *("CSV, one table", "CSV, one file per run", "JSON, to import again", "TensorBoard events", "Report")
        ]

    def test_saved_runs_come_in_as_the_visitors_own(self, open_page: Open, page_store: RunStore) -> None:
        page = open_history(open_page)
        import_file(page, to_json([make_run("a", owner=ANN), make_run("b", owner=ANN)]).encode())
        assert [element.value for element in page.success] == ["2 runs imported."]
        assert sorted(names(page)) == ["run a", "run b"]
        assert {run.owner for run in list_runs(page_store)} == {ME}
        shown(page.run())
        assert page_store.count() == 2  # the same file, still there, is not read again

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (
                b"not json",
                "This file does not contain runs that this program saved: choose a JSON file from the History page.",
            ),
            (b'{"format": "mlp-playground-runs", "version": 9}', "this one reads files up to version 3"),
            (
                to_json([make_run("a"), make_run("b")]).replace('"name": "run b"', '"name": "<b>"').encode(),
                "The file is damaged at runs.1.name",
            ),
        ],
    )
    def test_bad_file_gets_a_sentence_and_changes_nothing(
        self, open_page: Open, page_store: RunStore, content: bytes, sentence: str
    ) -> None:
        page_store.create_many([make_run("c")])
        page = import_file(open_history(open_page), content)
        assert any(sentence in text for text in texts(page))
        assert [run.id for run in list_runs(page_store)] == ["c"]

    def test_key_of_a_bad_file_is_shown_as_text(self, open_page: Open, page_store: RunStore) -> None:
        file = json.loads(to_json([make_run("a")]))
        file["runs"][0][IMAGE] = 1
        page = import_file(open_history(open_page), json.dumps(file).encode())
        assert any(IMAGE in text for text in texts(page))
        assert not says(page, "a.example")
        assert page_store.count() == 0

    def test_csv_has_a_row_an_evaluation(self) -> None:
        assert to_csv([make_run("a")]).count("\n") == 3
