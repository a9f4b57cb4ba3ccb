"""The overfitting lab without its page: what its recipes say, what its figures hold, which words its rules choose."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlpcore.analysis.comparison import ComparisonVerdict
from mlpcore.analysis.comparison_wording import describe_curve, describe_expectation, describe_remedies, describe_remedy
from mlpcore.analysis.curve_shapes import Shape, classify_curve
from mlpcore.analysis.differences import find_given_name
from mlpcore.analysis.remedies import (
    OVERFITTING_PRESETS,
    REMEDIES,
    build_lab_recipe,
    build_remedies,
    compare_repeats,
    judge_remedies,
    name_lab_run,
    percentage_points,
    repeat_recipes,
    stop_early,
)
from mlpcore.recipes.points import Spiral
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.recipes.validation import find_limits
from mlpcore.runs.records import NAME, Evaluation, Run, RunStatus
from tests.support.histories import evaluations
from tests.support.present import present

IMAGES = 50_000
NAMES = {name: name.replace("_", " ") for name in REMEDIES} | {"smaller_network": "the smaller network"}
BASE = build_lab_recipe(dataset="Shapes", images=IMAGES)


def run(history: tuple[Evaluation, ...], status: RunStatus = RunStatus.FINISHED) -> Run:
    return Run("a", "a run", BASE, status, 0.0, evaluations=history)


def validated(history: tuple[Evaluation, ...], val_accs: tuple[float, ...], *, images: int = 500) -> Run:
    """A finished run whose held-out images measured these accuracies."""
    measured = tuple(replace(one, val_acc=accuracy) for one, accuracy in zip(history, val_accs, strict=True))
    return replace(run(measured), recipe=BASE.model_copy(update={"validation_size": images}))


def judged(base: Run, tried: dict[str, Run], *, test_images: int = 10_000) -> str:
    results = present(judge_remedies(base, tried, test_images=test_images))
    return " ".join(map(str, describe_remedies(results, NAMES)))


class TestRecipes:
    def test_lab_opens_with_a_thousand_images_and_nothing_against_overfitting(self) -> None:
        assert (BASE.train_size, BASE.dropout, BASE.optimizer.weight_decay, BASE.label_noise) == (1000, 0.0, 0.0, 0.0)
        assert (BASE.hidden_sizes, BASE.scheduler.name, BASE.seed) == ((128, 64), "none", 0)
        assert (BASE.optimizer, BASE.batch_size) == (SGD(lr=0.01, momentum=0.9, weight_decay=0.0), 64)

    def test_points_are_learned_at_a_higher_rate(self) -> None:
        assert build_lab_recipe(dataset="Spiral", images=300, points=Spiral()).optimizer.lr == 0.1

    def test_a_run_has_thirty_evaluations(self) -> None:
        assert [build_lab_recipe(dataset="Shapes", images=9, train_iter=n).eval_every for n in (10, 600, 3000)] == [
            1,
            20,
            100,
        ]

    @pytest.mark.parametrize(
        ("width", "depth", "sizes"), [(128, 1, (128,)), (512, 3, (512, 256, 128)), (2, 4, (2, 1, 1, 1))]
    )
    def test_each_layer_has_half_the_units_of_the_one_before(self, width, depth, sizes) -> None:
        assert build_lab_recipe(dataset="Shapes", images=9, width=width, depth=depth).hidden_sizes == sizes

    @pytest.mark.parametrize(("asked", "held", "size"), [(None, 0, None), (80, 0, None), (79, 0, 79), (75, 8, None)])
    def test_as_many_images_as_there_are_is_all_of_them(self, asked, held, size) -> None:
        recipe = build_lab_recipe(dataset="Tiny", images=80, train_size=asked, validation_size=held)
        assert recipe.train_size == size

    def test_small_set_has_batches_that_fit_it(self) -> None:
        assert build_lab_recipe(dataset="Tiny", images=30).batch_size == 30
        assert build_lab_recipe(dataset="Tiny", images=80, validation_size=20).batch_size == 60

    def test_presets_are_recipes(self) -> None:
        presets = OVERFITTING_PRESETS.items()
        built = {
            name: build_lab_recipe(**{"dataset": "Shapes", "images": IMAGES, **fields}) for name, fields in presets
        }
        assert built["few_images"] == BASE
        assert built["random_labels"] == BASE.model_copy(update={"label_noise": 1.0})
        assert built["all_images"] == BASE.replace(train_size=None, train_iter=3000, eval_every=100)
        assert built["noisy_labels"] == BASE.replace(train_size=5000, label_noise=0.4, train_iter=2000, eval_every=66)

    @pytest.mark.parametrize(
        ("knobs", "name"),
        [
            ({}, "1000 images"),
            ({"train_size": None, "label_noise": 0.4}, "all images noise 0.4"),
            ({"dropout": 0.5, "weight_decay": 1e-4, "seed": 2}, "1000 images dropout 0.5 seed 2"),
            ({"width": 64, "depth": 3, "label_noise": 1.0}, "1000 images noise 1 units 64 32 16"),
            (
                {"width": 1024, "depth": 4, "dropout": 0.5, "weight_decay": 0.05, "seed": 2_147_483_647},
                "1000 images dropout 0.5 seed 2147483647",
            ),
            ({"label_noise": 0.4, "dropout": 0.5, "seed": 1}, "1000 images noise 0.4 dropout 0.5 seed 1"),  # 40 long
        ],
    )
    def test_run_is_named_by_what_it_is(self, knobs: dict[str, Any], name: str) -> None:
        recipe = build_lab_recipe(dataset="Shapes", images=IMAGES, **knobs)
        assert name_lab_run(recipe) == name
        assert re.fullmatch(NAME, name_lab_run(recipe))
        assert find_given_name(name_lab_run(recipe), recipe) == ""

    def test_value_out_of_range_is_refused(self) -> None:
        with pytest.raises(ValueError, match="dropout"):
            build_lab_recipe(dataset="Shapes", images=IMAGES, dropout=0.99)

    @pytest.mark.parametrize(
        ("knobs", "said"),
        [
            ({}, "with 1,000 examples"),
            ({"label_noise": 1.0}, "stays at chance"),
            ({"label_noise": 0.4}, "40% of the labels"),
            ({"train_size": None}, "many examples"),
        ],
    )
    def test_what_to_look_for_depends_on_the_knobs(self, knobs, said) -> None:
        recipe = build_lab_recipe(dataset="Shapes", images=IMAGES, **knobs)
        assert said in str(describe_expectation(recipe, images=IMAGES))
        asked = str(describe_expectation(recipe, images=IMAGES, predicting=True))
        assert asked.endswith("Watch what happens to train and test accuracy.")


class TestRemedies:
    def test_each_changes_one_thing_and_keeps_the_seed(self) -> None:
        built = build_remedies(BASE, images=IMAGES)
        assert tuple(remedy.name for remedy in built) == REMEDIES
        changed = [
            {name for name in Recipe.model_fields if getattr(remedy.recipe, name) != getattr(BASE, name)}
            for remedy in built
        ]
        assert changed == [{"train_size"}, {"dropout"}, {"optimizer"}, {"hidden_sizes"}]

    def test_their_values(self) -> None:
        more, dropout, decay, smaller = (remedy.recipe for remedy in build_remedies(BASE, images=IMAGES))
        assert (more.train_size, dropout.dropout, smaller.hidden_sizes) == (10_000, 0.5, (32, 16))
        assert decay.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=0.05)

    def test_they_are_recipes_that_validation_takes(self) -> None:
        for remedy in build_remedies(BASE, images=IMAGES):
            assert Recipe.model_validate_json(remedy.recipe.model_dump_json()) == remedy.recipe

    def test_more_data_is_all_there_are_where_that_is_less_than_ten_times_as_many(self) -> None:
        (more, *_rest) = build_remedies(BASE, images=6_000)
        assert (more.recipe.train_size, str(describe_remedy(more))) == (None, "6,000 examples")

    def test_a_base_that_has_a_remedy_already_is_not_offered_it(self) -> None:
        base = build_lab_recipe(
            dataset="Shapes", images=IMAGES, train_size=None, dropout=0.5, weight_decay=0.1, width=1, depth=1
        )
        assert build_remedies(base, images=IMAGES) == []

    def test_early_stop_is_the_step_best_on_enough_held_out_images_or_on_the_test_images(self) -> None:
        history = evaluations([0.2, 0.4, 0.3])
        assert present(stop_early(run(history))).step == 40
        assert present(stop_early(validated(history, (0.1, 0.2, 0.3)))).step == 60
        assert present(stop_early(validated(history, (0.1, 0.2, 0.3), images=499))).step == 40
        assert stop_early(run(())) is None

    def test_gains_of_one_seed_are_said_best_first_without_a_verdict(self) -> None:
        accuracies = {"dropout": 0.38, "more_data": 0.45, "smaller_network": 0.32}
        tried = {name: run(evaluations([0.2, accuracy])) for name, accuracy in accuracies.items()}
        assert judged(run(evaluations([0.3, 0.36])), tried) == (
            "More data (+9.0 pp) and dropout (+2.0 pp) helped. The smaller network hurt (-4.0 pp). One seed only: "
            "repeat with three seeds for a verdict."
        )

    def test_those_that_differ_by_no_more_than_chance_are_said_together(self) -> None:
        accuracies = {"more_data": 0.606, "dropout": 0.37, "weight_decay": 0.355, "smaller_network": 0.33}
        tried = {name: run(evaluations([0.2, accuracy])) for name, accuracy in accuracies.items()}
        assert judged(run(evaluations([0.3, 0.36])), tried) == (
            "More data helped (+24.6 pp). Dropout and weight decay are within noise (±1.4). "
            "The smaller network hurt (-3.0 pp). One seed only: repeat with three seeds for a verdict."
        )

    @pytest.mark.parametrize(
        ("images", "accuracy", "said"),
        [
            (10_000, 0.375, "Dropout helped (+1.5 pp)."),
            (10_000, 0.374, "Dropout is within noise (±1.4)."),
            (10_000, 0.345, "Dropout hurt (-1.5 pp)."),
            (1_000, 0.405, "Dropout helped (+4.5 pp)."),
            (1_000, 0.404, "Dropout is within noise (±4.5)."),
        ],
    )
    def test_noise_is_what_so_many_test_images_vary(self, images: int, accuracy: float, said: str) -> None:
        tried = {"dropout": run(evaluations([accuracy]))}
        assert said in judged(run(evaluations([0.36])), tried, test_images=images)

    def test_differences_are_those_of_the_accuracies_as_they_are_read(self) -> None:
        assert f"{0.1044:.1%} {0.1036:.1%}" == "10.4% 10.4%"
        assert (percentage_points(0.1036), percentage_points(0.1036, 0.1044)) == (10.4, 0.0)
        assert (percentage_points(0.1034, 0.1036), percentage_points(0.9, 0.3)) == (-0.1, 60.0)
        assert percentage_points(0.34552, 0.333) == 1.3
        results = judge_remedies(
            run(evaluations([0.1044])), {"dropout": run(evaluations([0.1036]))}, test_images=10_000
        )
        assert present(results).within == {"dropout": 0.0}

    @pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.FINISHED])
    def test_nothing_is_judged_before_the_base_and_a_remedy_have_finished(self, status: RunStatus) -> None:
        done, not_done = run(evaluations([0.36])), run(evaluations([0.45]), status)
        for base, remedy in ((not_done, done), (done, not_done)):
            assert judge_remedies(base, {"dropout": remedy}, test_images=10_000) is None
        said = judged(done, {"dropout": not_done, "more_data": run(evaluations([0.45]))})
        assert "More data helped (+9.0 pp)." in said
        assert "ropout" not in said

    def test_remedies_are_compared_at_the_step_that_enough_held_out_images_choose(self) -> None:
        base = validated(evaluations([0.2, 0.4, 0.3]), (0.1, 0.3, 0.2))
        tried = {"dropout": validated(evaluations([0.5, 0.35, 0.1]), (0.1, 0.3, 0.2))}
        results = present(judge_remedies(base, tried, test_images=10_000))
        assert (results.base_acc, results.hurt, results.early_stop) == (0.4, {"dropout": -5.0}, 10.0)
        assert "Early stop: +10.0 percentage points over the last step of the base." in judged(base, tried)
        without = run(evaluations([0.2, 0.4, 0.3]))
        results = present(judge_remedies(without, {"dropout": run(evaluations([0.35]))}, test_images=10_000))
        assert (results.base_acc, results.helped, results.early_stop) == (0.3, {"dropout": 5.0}, None)

    def test_repeats_are_the_base_and_remedies_with_three_seeds_its_own_among_them(self) -> None:
        for seed in (0, 7, 2**32):
            limited = min(seed, int(find_limits(Recipe, "seed")[1]))
            base = BASE.model_copy(update={"seed": limited})
            repeats = repeat_recipes(base, ["dropout"], images=IMAGES)
            assert {name for name, _seed in repeats} == {"base", "dropout"}
            assert len(repeats) == 6
            assert repeats["base", limited] == base
            for (name, own), recipe in repeats.items():
                assert Recipe.model_validate(recipe.model_dump()).seed == own
                assert recipe.dropout == (0.5 if name == "dropout" else 0.0)

    def test_repeats_are_compared_in_pairs_of_one_seed_with_holms_correction(self) -> None:
        accuracies = {"base": [0.30, 0.32, 0.31], "dropout": [0.35, 0.372, 0.361], "more_data": [0.31, 0.31, 0.32]}
        repeats = {
            name: {seed: run(evaluations([0.2, accuracy])) for seed, accuracy in enumerate(values)}
            for name, values in accuracies.items()
        }
        compared = compare_repeats(repeats)
        assert list(compared) == ["dropout", "more_data"]
        assert compared["dropout"].verdict is ComparisonVerdict.SIGNIFICANT
        assert compared["more_data"].verdict is ComparisonVerdict.NOT_SIGNIFICANT
        p = stats.ttest_rel(accuracies["dropout"], accuracies["base"]).pvalue
        assert compared["dropout"].p == pytest.approx(2 * p)
        del repeats["base"][1]
        assert compare_repeats(repeats)["dropout"].verdict is ComparisonVerdict.TOO_FEW_SEEDS


@pytest.mark.parametrize(
    ("accuracies", "shape"),
    [
        ([0.2, 0.3, 0.4, 0.5], Shape.RISES),
        ([0.2, 0.3, 0.31, 0.31], Shape.FLATTENS),
        ([0.2, 0.40, 0.39, 0.38], Shape.FALLS),
        ([0.2, 0.40, 0.39, 0.381], Shape.FLATTENS),
        ([0.1, 0.12, 0.129, 0.1], Shape.CHANCE),
        ([0.1, 0.12, 0.131, 0.1], Shape.FALLS),
        ([0.5], Shape.FLATTENS),
    ],
)
def test_shape_of_a_test_curve_follows_the_rule(accuracies: list[float], shape: Shape) -> None:
    curve = classify_curve(accuracies, classes=10, test_images=10_000)
    assert curve.shape is shape
    assert str(describe_curve(curve)).endswith(".")


@pytest.mark.parametrize(
    ("test_images", "shape"), [(10_000, Shape.FALLS), (1_000, Shape.FLATTENS), (100, Shape.FLATTENS)]
)
def test_fall_within_the_sampling_error_of_so_few_test_images_is_none(test_images: int, shape: Shape) -> None:
    curve = classify_curve([0.2, 0.5, 0.48, 0.46], classes=10, test_images=test_images)
    assert curve.shape is shape


def test_best_of_many_guesses_on_few_test_images_is_chance() -> None:
    rng = np.random.default_rng(0)
    for images in (100, 1_000, 10_000):
        shapes = [
            classify_curve((rng.binomial(images, 0.1, 30) / images).tolist(), classes=10, test_images=images).shape
            for _ in range(200)
        ]
        assert shapes.count(Shape.CHANCE) >= 0.9 * len(shapes)
