"""Rows of the history: what was started together shares one, filters are cleared by a click, lessons are named."""

from mlpcore.recipes.recipe import Adam, Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, shown, texts
from tests.support.history_page import make_run, names, open_history

ADAM = Recipe(dataset="Tiny", optimizer=Adam())


def test_runs_of_a_comparison_share_a_row_that_stands_for_all_of_them(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a"), make_run("z", created=9.0)])
    page_store.create_many(
        [
            make_run("b", created=2.0, submission="1", starred=True),
            make_run("c", created=3.0, submission="1", recipe=ADAM, test_acc=0.7, status=RunStatus.DIVERGED),
        ]
    )
    page = open_history(open_page)
    assert names(page) == ["run z", "run b and 1 more", "run a"]
    (frame,) = (element.value for element in page.dataframe)
    row = frame.iloc[1]
    assert (row["★"], row["best"], row["state"]) == ("★", 70.0, "finished, diverged")
    assert row["recipe"] == "SGD lr=0.01 weight_decay=5e-4 · Adam lr=0.001 weight_decay=0"
    shown(page.toggle(key="history.folded").set_value(False).run())
    assert names(page) == ["run z", "run c", "run b", "run a"]


def test_folded_row_names_each_recipe_once_however_many_seeds_it_has(open_page: Open, page_store: RunStore) -> None:
    seeds = [
        make_run(f"{name}{seed}", submission="1", recipe=recipe.replace(seed=seed))
        for name, recipe in (("a", Recipe(dataset="Tiny")), ("b", ADAM))
        for seed in (0, 1)
    ]
    page_store.create_many(seeds)
    page_store.create_many([make_run(f"one{n}", submission="2", recipe=ADAM.replace(seed=n)) for n in (0, 1)])
    (frame,) = (element.value for element in open_history(open_page).dataframe)
    assert sorted(frame["recipe"]) == [
        "Adam · lr 0.001 · StepLR 1,000 × 0.5 · dropout 0.5",
        "SGD lr=0.01 weight_decay=5e-4 · Adam lr=0.001 weight_decay=0",
    ]


def test_a_folded_row_opens_all_its_runs(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("b", submission="1"), make_run("c", submission="1", recipe=ADAM)])
    page = open_history(open_page, "b", "c")
    assert "2 runs ticked" in [caption.value for caption in page.caption]
    shown(page.button(key="history.compare").click().run())
    assert page.session_state["compare.runs"] == ["b", "c"]


def test_runs_on_different_images_are_not_ranked(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a"), make_run("b", recipe=Recipe(dataset="Elsewhere"), test_acc=0.9)])
    page = open_history(open_page, "a", "b")
    assert "The rows are of different data sets, so none is named the best." in texts(page)


def test_filters_are_cleared_by_a_click(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a")])
    page = open_history(open_page)
    assert "history.clear" not in [button.key for button in page.button]
    page.toggle(key="history.starred").set_value(True)
    shown(page.text_input(key="history.words").set_value("nothing").run())
    assert "No run fits these filters." in texts(page)
    shown(page.button(key="history.clear").click().run())
    assert names(page) == ["run a"]
    assert (page.text_input(key="history.words").value, page.toggle(key="history.starred").value) == ("", False)


def test_actions_stand_above_the_rows_and_only_while_some_are_ticked(open_page: Open, page_store: RunStore) -> None:
    page_store.create_many([make_run("a")])
    page = open_history(open_page)
    assert "1 row. Tick it to open, compare, export, stop or delete its runs." in [one.value for one in page.caption]
    assert "history.delete" not in [button.key for button in page.button]
    page = open_history(open_page, "a")
    keys = [getattr(element, "key", None) for element in page]
    table = next(place for place, key in enumerate(keys) if key and key.startswith("history.table"))
    assert keys.index("history.delete") < table
    shown(page.button(key="history.none").click().run())
    assert "history.delete" not in [button.key for button in page.button]


class TestLessons:
    def test_they_have_a_column_if_there_are_any(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", created=2.0)])
        (frame,) = (element.value for element in open_history(open_page).dataframe)
        assert "lesson" not in frame.columns
        page_store.create_many([make_run("b", lesson="1a2b Which rate?"), make_run("c", created=0.0, lesson="1a2b")])
        (frame,) = (element.value for element in open_history(open_page).dataframe)
        assert list(frame["lesson"]) == ["", "Which rate?", "A lesson"]

    def test_link_shows_what_the_class_does_named_by_what_each_changed(
        self, open_page: Open, page_store: RunStore
    ) -> None:
        page = open_history(open_page, lesson="1a2b Which rate?")
        page_store.create_many([make_run("other", created=7.0)])
        shown(page.run())
        assert "No run of this lesson yet: every run that a student starts appears here within seconds." in texts(page)
        mine = make_run("b", lesson="1a2b Which rate?", created=2.0)
        theirs = make_run("c", lesson="1a2b Which rate?", created=3.0, owner="ann", recipe=ADAM, test_acc=0.7)
        page_store.create_many([mine, theirs])
        shown(page.run())
        assert [heading.value for heading in page.subheader] == ["Which rate?"]
        assert "2 runs · 2 people · 0 going on" in [caption.value for caption in page.caption]
        frame = next(element.value for element in page.dataframe if "changed" in element.value.columns)
        assert list(frame["who"]) == ["you", "student 2"]
        assert list(frame["changed"]) == ["SGD lr=0.01 weight_decay=5e-4", "Adam lr=0.001 weight_decay=0"]
        assert list(frame["best"]) == [50.0, 70.0]
        assert names(page) == ["run c", "run b"]  # and the list below shows the same
