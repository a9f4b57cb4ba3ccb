"""The rows of a comparison: edits of its table, as they reach the server, and the recipes they make."""

from typing import Any

from mlpcore.recipes.flat import flatten
from mlpcore.recipes.recipe import SGD, Adam, Recipe
from pages.components.compare.rows import CHOSEN, MAX_ROWS, apply_edits, copy_rows, read_names, read_rows

ROWS = [flatten(Recipe(optimizer=SGD(lr=lr))) for lr in (0.1, 0.2, 0.3)]
NOTHING: dict[str, Any] = {"edited_rows": {}, "deleted_rows": [], "added_rows": []}


class TestEdits:
    def lrs(self, rows: list[dict]) -> list[float]:
        recipes, refused = read_rows(rows)
        assert refused == []
        return [recipe.optimizer.lr for recipe in recipes]

    def test_cell_is_changed_in_its_row_only(self) -> None:
        after, _chosen, said = apply_edits(ROWS, NOTHING | {"edited_rows": {1: {"lr": 0.5}}}, Recipe())
        assert (self.lrs(after), said) == ([0.1, 0.5, 0.3], [])
        assert self.lrs(ROWS) == [0.1, 0.2, 0.3]

    def test_blank_row_copies_the_last_and_what_was_typed_holds(self) -> None:
        edits = NOTHING | {"added_rows": [{}, {"lr": 0.7, CHOSEN: True}, {"optimizer": None, "lr": None}]}
        assert self.lrs(apply_edits(ROWS, edits, Recipe())[0]) == [0.1, 0.2, 0.3, 0.3, 0.7, 0.7]

    def test_blank_row_of_an_empty_table_is_the_playgrounds(self) -> None:
        after, *_rest = apply_edits([], NOTHING | {"added_rows": [{}]}, Recipe(optimizer=Adam(lr=0.05)))
        assert read_rows(after)[0] == [Recipe(optimizer=Adam(lr=0.05))]

    def test_rows_are_removed(self) -> None:
        assert self.lrs(apply_edits(ROWS, NOTHING | {"deleted_rows": [0, 2]}, Recipe())[0]) == [0.2]

    def test_more_than_sixteen_rows_are_refused_with_a_sentence(self) -> None:
        after, _chosen, said = apply_edits(ROWS, NOTHING | {"added_rows": [{}] * 20}, Recipe())
        assert len(after) == MAX_ROWS == 16
        assert [str(sentence) for sentence in said] == ["A comparison has at most 16 rows."]

    def test_row_is_named_until_its_name_is_emptied_and_a_copy_has_none(self) -> None:
        named, _chosen, said = apply_edits(ROWS, NOTHING | {"edited_rows": {1: {"name": " my best "}}}, Recipe())
        assert (read_names(named), said) == (("", "my best", ""), [])
        assert read_names(copy_rows(named, {1})) == ("", "my best", "", "")
        assert read_names(apply_edits(named, NOTHING | {"edited_rows": {1: {"name": None}}}, Recipe())[0]) == ()

    def test_name_that_no_run_may_have_is_refused_and_the_old_one_stays(self) -> None:
        named = [row | {"name": "mine"} for row in ROWS]
        after, _chosen, said = apply_edits(named, NOTHING | {"edited_rows": {0: {"name": "<b>"}}}, Recipe())
        assert read_names(after) == ("mine", "mine", "mine")
        problem = "name is <b>: it must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores."
        assert [str(sentence) for sentence in said] == [f"Row 1: {problem}"]

    def test_rows_are_chosen_and_copied_below_themselves(self) -> None:
        edits = NOTHING | {"edited_rows": {0: {CHOSEN: True}, 2: {CHOSEN: True}}}
        after, chosen, _said = apply_edits(ROWS, edits, Recipe())
        assert (self.lrs(after), chosen) == ([0.1, 0.2, 0.3], {0, 2})
        assert self.lrs(copy_rows(after, chosen)) == [0.1, 0.1, 0.2, 0.3, 0.3]
        assert len(copy_rows(ROWS * 5, {0, 5, 7})) == 16  # there is room for one

    def test_rate_is_typed_in_any_notation_and_what_is_no_number_is_named(self) -> None:
        edits = NOTHING | {"edited_rows": {0: {"lr": "5e-4"}, 1: {"lr": " 0.05 "}, 2: {"lr": ""}}}
        assert self.lrs(apply_edits(ROWS, edits, Recipe())[0]) == [5e-4, 0.05, 0.01]
        _recipes, refused = read_rows(apply_edits(ROWS, NOTHING | {"edited_rows": {0: {"lr": "fast"}}}, Recipe())[0])
        assert refused == ["Row 1: lr is fast: it must be a number from 1e-6 to 10."]

    def test_lists_are_typed_and_emptied_cells_are_the_default(self) -> None:
        edits = NOTHING | {"edited_rows": {0: {"hidden_sizes": "64, 32", "batch_size": 16.0}, 1: {"lr": None}}}
        first, second, _third = read_rows(apply_edits(ROWS, edits, Recipe())[0])[0]
        assert (first.hidden_sizes, first.batch_size) == ((64, 32), 16)
        assert second.optimizer.lr == 0.01

    def test_emptied_choice_keeps_what_it_was(self) -> None:
        after, *_rest = apply_edits(ROWS, NOTHING | {"edited_rows": {0: {"optimizer": None}}}, Recipe())
        assert after[0]["optimizer"] == "SGD"

    def test_knob_that_the_optimizer_lacks_is_named(self) -> None:
        rows = [flatten(Recipe(optimizer=Adam()))]
        _after, _chosen, said = apply_edits(rows, NOTHING | {"edited_rows": {0: {"momentum": 0.5}}}, Recipe())
        assert [str(one) for one in said] == ["Row 1: optimizer is Adam, which has no momentum."]

    def test_row_out_of_range_is_named_with_its_number(self) -> None:
        after, *_rest = apply_edits(ROWS, NOTHING | {"edited_rows": {1: {"lr": 99}}}, Recipe())
        recipes, refused = read_rows(after)
        assert len(recipes) == 2
        assert refused == ["Row 2: lr is 99: it must be a number from 1e-6 to 10."]
