"""The set-up of a comparison: what all rows share, presets, names, and whose results are shown."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.recipes.presets import COMPARISONS, build_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from pages.components.compare.rows import read_rows
from tests.support.app_tests import Open, figure, get_runs, shown, texts, wait_for

SHORT = {"dataset": "Tiny", "train_iter": "20", "eval_every": "10", "batch_size": "8"}
LIKE = Recipe(dataset="Tiny", train_iter=20, eval_every=10, batch_size=8)
OTHERS = "The results below are those of the rows before your changes. Start trains the new ones."


def open_compare(open_page: Open, **shared: str) -> AppTest:
    """The page as a link opens it that says only what all rows share."""
    return open_page("compare.py", **shared)


def finish(page: AppTest) -> list[Run]:
    """Press Start and wait until all runs are over."""
    shown(page.button(key="compare.start").click().run())
    ids = page.session_state["compare.runs"]
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    return get_runs(ids)


def rename(page: AppTest, row: int, name: str) -> None:
    """Give a row a name, as the table's edit does."""
    page.session_state["compare.rows"][row]["name"] = name
    shown(page.run())


@pytest.mark.parametrize("preset", COMPARISONS)
def test_every_comparison_is_one_click_and_is_shown_as_chosen_until_a_row_is_changed(
    open_page: Open, preset: str
) -> None:
    page = open_compare(open_page, **SHORT)
    shown(page.button_group(key="compare.preset").set_value(preset).run())
    assert read_rows(page.session_state["compare.rows"]) == (build_comparison(preset, LIKE), [])
    assert page.button_group(key="compare.preset").value == preset
    assert f"##### {preset}" in [element.value for element in page.markdown]
    page.session_state["compare.rows"][0]["dropout"] = 0.123
    shown(page.run())
    assert page.button_group(key="compare.preset").value is None
    assert "##### Your own rows" in [element.value for element in page.markdown]


def test_comparisons_do_not_depend_on_the_playgrounds_knobs(open_page: Open) -> None:
    page = open_page(optimizer="Adam", lr="0.5", hidden_sizes="8", dropout="0.1", label_noise="0.5")
    page.query_params.clear()
    shown(page.switch_page("compare.py").run())
    expected = build_comparison(next(iter(COMPARISONS)), Recipe(dataset="Shapes"))
    assert read_rows(page.session_state["compare.rows"]) == (expected, [])


def test_one_bar_sets_what_all_rows_share_and_is_empty_where_they_differ(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    shown(page.number_input(key="compare.shared.train_iter").set_value(40).run())
    shown(page.selectbox(key="compare.shared.dataset").set_value("Shapes").run())
    recipes, _refused = read_rows(page.session_state["compare.rows"])
    assert {(recipe.train_iter, recipe.dataset, recipe.batch_size) for recipe in recipes} == {(40, "Shapes", 8)}
    page.session_state["compare.rows"][1]["batch_size"] = 16
    shown(page.run())
    assert page.number_input(key="compare.shared.batch_size").value is None
    assert page.number_input(key="compare.shared.train_iter").value == 40
    shown(page.number_input(key="compare.shared.batch_size").set_value(4).run())
    assert {row["batch_size"] for row in page.session_state["compare.rows"]} == {4}


def test_more_columns_offers_none_that_is_shown(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    offered = page.multiselect(key="compare.columns").options
    assert {"momentum", "nesterov", "lr", "optimizer", "scheduler"}.isdisjoint(offered)
    assert "dropout" in offered
    shown(page.multiselect(key="compare.columns").set_value(["dropout"]).run())
    assert page.multiselect(key="compare.columns").value == ["dropout"]


def test_schedule_that_is_probably_not_meant_is_told_with_its_row_and_fixed_by_a_click(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    rows = page.session_state["compare.rows"]
    page.session_state["compare.rows"] = [rows[0], rows[0] | {"scheduler": "StepLR", "step_size": 500, "gamma": 0.5}]
    shown(page.run())
    assert "⚠ Row 2: step_size is 500, but the run has 20 iterations: the learning rate never drops." in texts(page)
    shown(page.button(key="compare.fix.1").click().run())
    assert page.session_state["compare.rows"][1]["step_size"] == 6
    assert not [text for text in texts(page) if "Row 2:" in text]


def test_rows_can_be_copied_removed_and_taken_from_the_playground(open_page: Open) -> None:
    page = open_page(lr="0.5")
    page.query_params.clear()
    shown(page.switch_page("compare.py").run())
    assert page.button(key="compare.copy").disabled
    shown(page.button(key="compare.add").click().run())
    assert [row["lr"] for row in page.session_state["compare.rows"]] == [0.01, 0.01, 0.01, 0.001, 0.5]
    page.session_state["compare.chosen_rows"] = {0, 4}
    shown(page.run())
    shown(page.button(key="compare.copy").click().run())
    assert [row["lr"] for row in page.session_state["compare.rows"]] == [0.01, 0.01, 0.01, 0.01, 0.001, 0.5, 0.5]
    page.session_state["compare.chosen_rows"] = {0, 1, 2, 3}
    shown(page.run())
    shown(page.button(key="compare.remove").click().run())
    assert [row["lr"] for row in page.session_state["compare.rows"]] == [0.001, 0.5, 0.5]


def test_names_of_rows_go_into_runs_legends_tables_and_links(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    rename(page, 1, "with momentum")
    assert page.query_params["names"] in (",with momentum,,", [",with momentum,,"])
    runs = finish(page)
    assert [run.name for run in runs][:2] == ["SGD lr 0.01", "with momentum"]
    again = open_page("compare.py", runs=",".join(run.id for run in runs))
    for opened in (page, again):
        legend = [trace["name"] for trace in figure(opened, "compare")["data"] if trace["showlegend"]]
        assert legend[:2] == ["SGD lr=0.01", "with momentum"]
    assert [row.get("name") for row in again.session_state["compare.rows"]] == [None, "with momentum", None, None]
    assert OTHERS not in texts(again)


def test_start_folds_the_set_up_away_and_results_of_other_rows_are_labelled(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    assert page.session_state["compare.setup"]
    assert "annotations" in figure(page, "compare")["layout"]  # a sketch
    finish(page)
    assert not page.session_state["compare.setup"]
    assert OTHERS not in texts(page)
    page.session_state["compare.rows"][0]["lr"] = 0.5
    shown(page.run())
    assert OTHERS in texts(page)
    shown(page.button(key="compare.back").click().run())
    assert page.session_state["compare.rows"][0]["lr"] == 0.01
    assert OTHERS not in texts(page)


def test_curve_that_was_picked_stands_out_in_its_own_comparison_only(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    finish(page)
    page.session_state["compare.picked"] = frozenset({"Adam lr=0.001"})
    shown(page.run())
    table = page.session_state["compare.shown"]
    assert {trace["opacity"] for trace in figure(page, "compare")["data"]} == {0.25, 1.0}
    finish(page)
    assert {trace["opacity"] for trace in figure(page, "compare")["data"]} == {1.0}
    assert page.session_state["compare.shown"] != table  # a part of the table's key: no row of it is ticked


def test_seconds_are_offered_only_where_runs_did_not_share_them(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    runs = finish(page)
    titles = page.button_group(key="compare.x").options
    assert titles == ["by iteration", "by epoch"]
    alone = open_compare(open_page, **SHORT)
    shown(alone.button_group(key="compare.preset").set_value("Weight decay").run())
    alone.session_state["compare.rows"] = alone.session_state["compare.rows"][:1]
    shown(alone.run())
    others = finish(alone)
    both = open_page("compare.py", runs=f"{runs[0].id},{others[0].id}")
    titles = both.button_group(key="compare.x").options
    assert titles == ["by iteration", "by epoch", "by seconds"]


def test_rows_that_differ_in_lr_can_be_drawn_over_it(open_page: Open) -> None:
    page = open_compare(open_page, **SHORT)
    shown(page.button_group(key="compare.preset").set_value("Learning rates: SGD and Adam").run())
    finish(page)
    shown(page.button_group(key="compare.x").set_value("lr").run())
    chart = figure(page, "compare.rates")
    assert [trace["name"] for trace in chart["data"]] == ["SGD", "Adam"]
    assert chart["data"][0]["x"] == [1e-4, 1e-3, 1e-2, 0.1, 1.0]
    assert chart["layout"]["xaxis"]["type"] == "log"
