"""Recipes with points: which data they need, their links, their flags, and what is refused in a sentence."""

import pytest

from mlpcore.cli.flags import build_recipe
from mlpcore.messages import SentenceError
from mlpcore.recipes.flat import flatten, list_fields, unflatten
from mlpcore.recipes.lessons import lesson_from_query, lesson_to_query
from mlpcore.recipes.points import POINT_SETS, Blobs, DataSource, Moons, Spiral
from mlpcore.recipes.presets import COMPARISONS, build_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import Plan, from_query, plan_from_query, plan_to_query, to_query
from mlpcore.recipes.validation import find_problems
from mlpcore.sweeps.definition import read_definition
from tests.support.present import present

SPIRAL = Recipe(dataset="Spiral", points=Spiral(count=200, noise=0.1, classes=4, data_seed=3))
COUNTS = {"count": "200", "noise": "0.1", "classes": "4", "data_seed": "3"}


def problems(**values: object) -> list[str]:
    try:
        Recipe.model_validate(values)
    except ValueError as error:
        return [str(sentence) for _field, sentence in find_problems(error)]
    return []


class TestRecipes:
    def test_points_of_a_data_set_are_the_default_ones_where_none_are_named(self) -> None:
        assert Recipe(dataset="Moons").points == Moons()
        assert Recipe.model_validate({"dataset": "Blobs", "points": {"count": 50}}).points == Blobs(count=50)
        assert DataSource("Spiral") == Recipe(dataset="Spiral").data

    def test_images_have_none_and_are_written_as_before(self) -> None:
        assert Recipe().points is None
        assert "points" not in Recipe().model_dump()
        assert {"count", "noise", "classes", "data_seed"}.isdisjoint(flatten(Recipe()))

    def test_runs_on_other_points_need_other_data(self) -> None:
        assert SPIRAL.data == DataSource("Spiral", Spiral(count=200, noise=0.1, classes=4, data_seed=3))
        assert SPIRAL.data != Recipe(dataset="Spiral").data
        assert SPIRAL.data == SPIRAL.replace(seed=9, label_noise=0.5).data

    def test_a_network_on_points_may_be_wider_than_one_on_images(self) -> None:
        assert Recipe(dataset="Spiral", hidden_sizes=(4096, 4000)).data.largest_input.size == 2
        with pytest.raises(ValueError, match="a network may have at most 20,000,000"):
            Recipe(hidden_sizes=(4096, 4000))

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"dataset": "Spiral", "points": {"noise": 0.6}}, "noise is 0.6: it must be a number from 0 to 0.5."),
            ({"dataset": "Spiral", "points": {"count": 3}}, "count is 3: it must be a whole number from 20 to 10,000."),
            ({"dataset": "Spiral", "points": {"classes": 7}}, "classes is 7: it must be a whole number from 2 to 6."),
            (
                {"dataset": "Moons", "points": {"classes": 2}},
                "classes is not a hyperparameter of Moons, which has count, data_seed, noise.",
            ),
            ({"dataset": "Moons", "points": Spiral()}, "points are those of Spiral, but the data set is Moons."),
            (
                {"dataset": "Shapes", "points": {"count": 50}},
                "count is for points in the plane, but this data set has images. With points: "
                "Moons, Circles, Spiral, Checkerboard, Blobs.",
            ),
        ],
    )
    def test_what_does_not_fit_is_refused_in_a_sentence(self, values: dict[str, object], sentence: str) -> None:
        assert problems(**values) == [sentence]


class TestFlatNames:
    def test_they_are_chosen_by_the_data_set_as_others_by_the_optimizer(self) -> None:
        fields = list_fields()
        assert {name: list(fields[name].owners) for name in ("noise", "classes")} == {
            "noise": list(POINT_SETS),
            "classes": ["Circles", "Spiral", "Checkerboard", "Blobs"],
        }
        assert fields["classes"].chosen_by == "dataset"
        assert fields["classes"].chosen_in(SPIRAL) == "Spiral"

    def test_what_another_data_set_lacks_is_left_out(self) -> None:
        flat = flatten(SPIRAL)
        assert unflatten(flat | {"dataset": "Shapes"}).points is None
        assert unflatten(flat | {"dataset": "Moons"}).points == Moons(count=200, noise=0.1, data_seed=3)


class TestLinks:
    def test_a_link_says_what_differs_and_always_the_data_seed(self) -> None:
        query = to_query(SPIRAL)
        assert {name: query[name] for name in COUNTS} == COUNTS
        assert to_query(Recipe(dataset="Moons"))["data_seed"] == "0"
        assert "data_seed" not in to_query(Recipe())
        assert from_query(query, Recipe()) == (SPIRAL, [])

    def test_a_wrong_value_is_left_at_its_default_and_named(self) -> None:
        recipe, refused = from_query({"dataset": "Spiral", "noise": "9", "count": "50"}, Recipe())
        assert recipe.points == Spiral(count=50)
        assert [str(sentence) for sentence in refused] == ["noise is 9: it must be a number from 0 to 0.5."]

    def test_values_of_points_are_passed_over_for_images(self) -> None:
        assert from_query({"dataset": "Shapes", **COUNTS}, Recipe()) == (Recipe(), [])

    def test_a_comparison_of_points_and_images_survives_its_link(self) -> None:
        recipes = (SPIRAL, Recipe(), Recipe(dataset="Moons"), SPIRAL.replace(seed=2), Recipe(dataset="Spiral"))
        plan = Plan(recipes)
        assert plan_from_query(plan_to_query(plan), Recipe()) == (plan, [])

    def test_a_lesson_keeps_them(self) -> None:
        query = to_query(SPIRAL) | {"lock": "points", "hide": "dataset", "title": "Boundaries"}
        recipe, lesson, refused = lesson_from_query(query, Recipe())
        assert (recipe, refused) == (SPIRAL, [])
        assert lesson.locked == {"count", "noise", "classes", "data_seed"}
        assert lesson.values["noise"] == 0.1
        assert lesson_from_query(lesson_to_query(recipe, lesson), Recipe())[1] == lesson


class TestFlags:
    def test_flags_override_the_points_of_a_file(self, tmp_path) -> None:
        file = tmp_path / "recipe.json"
        file.write_text(SPIRAL.model_dump_json())
        assert build_recipe(str(file), {"noise": 0.2}).points == present(SPIRAL.points).replace(noise=0.2)
        assert build_recipe(str(file), {"dataset": "Moons", "count": 90}).points == Moons(count=90)
        assert build_recipe(str(file), {"dataset": "Shapes"}).points is None

    def test_flags_of_points_are_refused_for_images(self) -> None:
        with pytest.raises(ValueError, match=r"^count is for points in the plane, but this data set has images"):
            build_recipe(None, {"dataset": "Shapes", "count": 90})


@pytest.mark.parametrize("title", COMPARISONS)
def test_every_comparison_can_be_made_on_the_same_points(title: str) -> None:
    assert {recipe.data for recipe in build_comparison(title, SPIRAL)} == {SPIRAL.data}


def test_a_sweep_keeps_its_points() -> None:
    base = {"dataset": "Spiral", "validation_size": 50}
    with pytest.raises(SentenceError, match=r"^noise cannot vary within a sweep"):
        read_definition({"base": base, "space": {"noise": [0.1, 0.2]}})
    rows = [base, base | {"points": {"count": 100}}]
    with pytest.raises(SentenceError, match="must agree in points"):
        read_definition({"rows": rows, "space": {"lr": [0.1]}})
