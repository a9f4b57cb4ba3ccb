"""What a sweep may say, the sentence for each thing that it may not, and the recipe of each of its points."""

import pytest

from mlpcore.messages import SentenceError
from mlpcore.recipes.flat import list_fields
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import OPTIMIZERS, SGD, Adam, Change, ExponentialLR, NoScheduler, Recipe, StepLR
from mlpcore.sweeps.definition import Definition, read_definition
from mlpcore.sweeps.space import Range

BASE = {"validation_size": 500}
KEPT = ("dataset", "count", "noise", "classes", "data_seed", "validation_size", "eval_every", "seed", "device")
ALL = ", ".join(name for name in list_fields() if name not in KEPT)


def read(**values: object) -> Definition:
    return read_definition({"base": BASE, "space": {"lr": [0.1]}} | values)


class TestRefusals:
    @pytest.mark.parametrize(
        ("space", "sentence"),
        [
            ({}, "space varies nothing: name 1 to 6 hyperparameters."),
            ([1], "space varies nothing: name 1 to 6 hyperparameters."),
            ({name: [1] for name in "abcdefg"}, "space varies 7 hyperparameters: it must vary 1 to 6."),
            ({"seed": [1]}, f"seed cannot vary within a sweep: choose from {ALL}."),
            ({"zoom": [1]}, f"zoom cannot vary within a sweep: choose from {ALL}."),
            (
                {"lr": 5},
                'lr is 5: it must be a list of 1 to 50 values, or a range such as {"low": 0.001, "high": 1}.',
            ),
            (
                {"lr": []},
                'lr is []: it must be a list of 1 to 50 values, or a range such as {"low": 0.001, "high": 1}.',
            ),
            ({"lr": [0.1, 30]}, "lr is 30: it must be a number from 1e-6 to 10."),
            ({"lr": [True]}, "lr is True: it must be a number from 1e-6 to 10."),
            ({"lr": [0.1, 0.01, 0.1]}, "lr lists 0.1 twice."),
            ({"lr": {"low": "a"}}, "lr is a: it must be a number from 1e-6 to 10."),
            ({"lr": {"low": 0.1, "high": 0.1}}, "lr ranges from 0.1 to 0.1: the first must be below the second."),
            ({"lr": {"lo": 0.1}}, "lr has a range with lo: a range has low, high, log, points."),
            ({"lr": {"points": 51}}, "points is 51: it must be a whole number from 2 to 50."),
            ({"lr": {"log": "yes"}}, "log is yes: it must be true or false."),
            ({"dropout": {"log": True}}, "dropout ranges from 0 on a log scale: it must begin above 0."),
            ({"activation": {"low": 1}}, "activation has no range: it must be a list of values."),
            ({"batch_size": [16.5]}, "batch_size is 16.5: it must be a whole number from 1 to 100,000."),
            ({"train_size": [None]}, "train_size is None: it must be a whole number from 1 to 10,000,000."),
            ({"optimizer": ["Adm"]}, f"optimizer is Adm: it must be one of {', '.join(OPTIMIZERS)}."),
            ({"betas": [[0.9, 0.99]]}, "betas is in the space, but no optimizer or scheduler in it has betas."),
            (
                {"scheduler": ["StepLR", "ExponentialLR"], "gamma": [0.5]},
                "gamma is 0.5: it must be a number from 0.9 to 1.",
            ),
            (
                {"lr": {"points": 40}, "dropout": {"points": 26}},
                "The grid has 1,040 points: a sweep may have at most 1,000 trials.",
            ),
        ],
    )
    def test_a_space_that_is_wrong_is_refused_in_a_sentence(self, space, sentence):
        with pytest.raises(SentenceError) as caught:
            read(space=space)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"sampler": "random"}, "sampler is random: it must be one of grid, sobol, tpe."),
            ({"trials": 0}, "trials is 0: it must be a whole number from 1 to 1,000."),
            ({"seeds": 6}, "seeds is 6: it must be a whole number from 1 to 5."),
            ({"seed": -1}, "seed is -1: it must be a whole number from 0 to 4,294,967,295."),
            ({"rows": [BASE]}, "A sweep has either base or rows: leave one of them out."),
            (
                {"trial": 16},
                "trial is not part of a sweep, which has base, rows, names, space, sampler, trials, seeds, seed, "
                "fresh_seeds, studies, prune.",
            ),
            (
                {"prune": True},
                "prune is on: it must be off for a grid and for equal budgets, whose trials are all needed.",
            ),
            (
                {"sampler": "sobol", "trials": 16, "studies": 3},
                "studies is 3: studies need Sobol's points, and a number of trials that they share evenly (trials is "
                "16).",
            ),
            ({"base": 3}, "3 is not a recipe: a recipe is a JSON object whose keys are hyperparameters."),
            ({"base": {"lr": 1}}, "lr is not a hyperparameter of a recipe."),
            (
                {"base": {}},
                "validation_size is 0: a sweep chooses by held-out images, so it must be at least 1.",
            ),
            (
                {"space": {"lr": {}, "dropout": {}}, "fresh_seeds": 5},
                "fresh_seeds is 5: it must be 0 here, because dropout has a range. Fresh seeds are for rows that vary "
                "in lr, and in lists of values.",
            ),
        ],
    )
    def test_a_sweep_that_is_wrong_is_refused_in_a_sentence(self, values, sentence):
        with pytest.raises(SentenceError) as caught:
            read(**values)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"rows": []}, "rows has 0 values: it must have 1 to 16."),
            ({"rows": [BASE] * 17}, "rows has 17 values: it must have 1 to 16."),
            (
                {"rows": [BASE, {"validation_size": 400}]},
                "The rows of a sweep must agree in validation_size, so that their accuracies can be compared.",
            ),
            (
                {"rows": [BASE, BASE | {"dataset": "MNIST"}]},
                "The rows of a sweep must agree in dataset, so that their accuracies can be compared.",
            ),
            (
                {"rows": [BASE] * 3, "sampler": "grid", "space": {"lr": {"points": 50}, "dropout": {"points": 20}}},
                "The grid has 3,000 points: a sweep may have at most 1,000 trials.",
            ),
        ],
    )
    def test_rows_that_are_wrong_are_refused_in_a_sentence(self, values, sentence):
        with pytest.raises(SentenceError) as caught:
            read_definition({"space": {"lr": [0.1]}} | values)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize("given", [[1], "grid", None, 3])
    def test_what_is_no_object_is_no_sweep(self, given):
        with pytest.raises(SentenceError, match='is not a sweep: it must be a JSON object with "base", "space"'):
            read_definition(given)

    def test_six_long_lists_are_counted_without_being_written_out(self):
        names = ("lr", "dropout", "weight_decay", "momentum", "label_noise", "start_factor")
        with pytest.raises(SentenceError, match=r"The grid has 15,625,000,000 points"):
            read(space={name: {"points": 50} for name in names})


class TestReading:
    def test_a_range_has_the_bounds_of_its_field_and_is_logarithmic_if_it_is_wide(self):
        space = read(space={"lr": {}, "momentum": {}, "batch_size": {"low": 16, "high": 64}}).space
        assert space == {
            "lr": Range(low=1e-6, high=10.0, log=True),
            "momentum": Range(low=0.0, high=0.999),
            "batch_size": Range(low=16, high=64),
        }

    def test_bounds_are_those_of_the_optimizers_and_schedulers_in_the_sweep(self):
        both = read(space={"scheduler": ["StepLR", "ExponentialLR"], "gamma": {}})
        assert both.space["gamma"] == Range(low=0.9, high=1.0)
        assert read(space={"gamma": [0.5]}).space == {"gamma": (0.5,)}

    def test_a_sweep_comes_back_from_json_as_it_was(self):
        space = {
            "optimizer": ["SGD", "Adam"],
            "lr": {"low": 1e-4, "high": 1},
            "betas": [[0.9, 0.999], [0.8, 0.99]],
            "batch_size": {"low": 16, "high": 256, "log": True, "points": 3},
            "hidden_sizes": [[128, 64], [32]],
            "nesterov": [True, False],
        }
        sweep = read(space=space, sampler="tpe", trials=40, seeds=3, seed=7)
        assert Definition.model_validate_json(sweep.model_dump_json()) == sweep
        assert isinstance(sweep.space["batch_size"], Range)
        assert sweep.space["batch_size"].grid() == [16, 64, 256]

    def test_rows_that_name_no_validation_size_hold_out_what_is_asked(self):
        row, space = {"dataset": "MNIST"}, {"lr": [0.1]}
        sweep = read_definition({"rows": [row, row | {"validation_size": 5}], "space": space}, hold_out=count_letters)
        assert [row.validation_size for row in sweep.rows] == [5, 5]
        with pytest.raises(SentenceError, match="must agree in validation_size"):
            read_definition({"rows": [row, row | {"validation_size": 6}], "space": space}, hold_out=count_letters)


def count_letters(source: DataSource) -> int:
    return len(source.name)


class TestRecipes:
    def test_a_point_is_put_into_its_row(self):
        rows = (Recipe(validation_size=9), Recipe(validation_size=9, optimizer=Adam(eps=1e-6), batch_size=32))
        sweep = Definition(rows=rows, space={"lr": (0.1, 0.2)})
        assert sweep.count_trials() == 4
        expected = Recipe(validation_size=9, optimizer=Adam(lr=0.2, eps=1e-6), batch_size=32, seed=3)
        assert sweep.build_recipe({"row": 1, "lr": 0.2}, 3) == expected

    def test_another_optimizer_or_scheduler_starts_from_its_own_defaults(self):
        row = Recipe(validation_size=9, optimizer=SGD(lr=0.3, weight_decay=0.01), scheduler=StepLR(gamma=0.2))
        space = {"optimizer": ("SGD", "Adam"), "scheduler": ("StepLR", "ExponentialLR", "none")}
        sweep = Definition(rows=(row,), space={**space})
        assert sweep.build_recipe({"optimizer": "SGD", "scheduler": "StepLR"}, 0) == row
        other = sweep.build_recipe({"optimizer": "Adam", "scheduler": "ExponentialLR"}, 0)
        assert (other.optimizer, other.scheduler) == (Adam(), ExponentialLR())
        assert sweep.build_recipe({"optimizer": "SGD", "scheduler": "none"}, 0).scheduler == NoScheduler()

    def test_changes_made_during_a_run_are_part_of_its_row(self):
        row = Recipe(validation_size=9, changes=(Change(step=10, lr=0.5),))
        assert Definition(rows=(row,), space={"lr": (0.1,)}).build_recipe({"lr": 0.1}, 0).changes == row.changes

    def test_values_that_do_not_fit_together_are_refused_one_point_at_a_time(self):
        sweep = read(space={"momentum": [0.0, 0.9]})
        assert str(sweep.find_refusal({"momentum": 0.0})).startswith("nesterov is on while momentum is 0")
        assert sweep.find_refusal({"momentum": 0.9}) is None
