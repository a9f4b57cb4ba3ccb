"""A recipe is valid once constructed, refuses everything else in a sentence, and survives JSON unchanged."""

import subprocess
import sys

import pytest
from hypothesis import given
from pydantic import ValidationError

from mlpcore.recipes.recipe import (
    OPTIMIZERS,
    SCHEDULERS,
    SGD,
    Adam,
    AdamW,
    Change,
    CosineAnnealingLR,
    Recipe,
    RMSprop,
    StepLR,
    find_fork,
    fork_recipe,
    with_change,
)
from mlpcore.recipes.validation import find_problems
from tests.support.paths import ROOT
from tests.support.recipes import recipes

CHANGES = (Change(step=10, lr=0.1), Change(step=20, lr=0.2), Change(step=30, momentum=0.5))


def test_the_defaults_are_the_lectures():
    recipe = Recipe()
    assert recipe.hidden_sizes == (128, 64)
    assert (recipe.activation, recipe.dropout, recipe.batch_size, recipe.train_iter) == ("relu", 0.5, 64, 3000)
    assert recipe.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    assert recipe.scheduler == StepLR(step_size=1000, gamma=0.5)


@given(recipe=recipes())
def test_a_recipe_survives_json_unchanged(recipe):
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert again.model_dump_json() == recipe.model_dump_json()
    assert hash(again) == hash(recipe)


@given(recipe=recipes())
def test_a_recipe_survives_a_dump_to_python_and_one_of_json_types(recipe):
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@given(recipe=recipes())
def test_a_recipe_is_frozen_all_the_way_down(recipe):
    for part in (recipe, recipe.optimizer, recipe.scheduler, *recipe.changes):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, next(iter(type(part).model_fields)), None)


def test_what_the_recipe_holds_is_what_it_was_given():
    knobs = {"seed": 7, "hidden_sizes": [3, 5], "optimizer": {"name": "AdamW", "lr": 1, "betas": [0.5, 0.25]}}
    recipe = Recipe.model_validate(knobs)
    assert (recipe.seed, recipe.hidden_sizes) == (7, (3, 5))
    assert recipe.optimizer == AdamW(lr=1.0, betas=(0.5, 0.25))


class TestChanges:
    def test_an_edit_is_added_and_a_second_at_the_same_step_joins_it(self):
        recipe = with_change(Recipe(), 10, {"lr": 0.1})
        assert recipe.changes == (Change(step=10, lr=0.1),)
        recipe = with_change(recipe, 10, {"momentum": 0.5, "lr": 0.2})
        assert recipe.changes == (Change(step=10, lr=0.2, momentum=0.5),)
        recipe = with_change(recipe, 20, {"weight_decay": 0.0})
        assert recipe.changes[1:] == (Change(step=20, weight_decay=0.0),)

    @pytest.mark.parametrize(
        ("step", "knobs", "sentence"),
        [
            (9, {"lr": 0.1}, "changes has a change at step 9: the step must be from 11 to 2,999."),
            (3000, {"lr": 0.1}, "changes has a change at step 3,000: the step must be from 11 to 2,999."),
            (11, {"lr": 100.0}, "lr is 100.0: it must be a number from 1e-6 to 10."),
            (10, {"betas": (0.5, 0.5)}, "betas cannot be changed during a run: lr, momentum and weight_decay can."),
        ],
    )
    def test_an_edit_that_does_not_fit_is_refused_and_the_recipe_is_as_before(self, step, knobs, sentence):
        recipe = with_change(Recipe(), 10, {"lr": 0.1})
        with pytest.raises(ValidationError) as caught:
            with_change(recipe, step, knobs)
        assert [str(found) for _, found in find_problems(caught.value)] == [sentence]
        assert recipe.changes == (Change(step=10, lr=0.1),)

    def test_a_fork_leaves_out_what_the_recipe_changes_later(self):
        recipe = Recipe(changes=CHANGES)
        assert fork_recipe(recipe, 25, {"momentum": 0.7}).changes == (
            *recipe.changes[:2], Change(step=25, momentum=0.7),
        )  # fmt: skip
        assert fork_recipe(recipe, 20, {"momentum": 0.7}).changes[1:] == (Change(step=20, lr=0.2, momentum=0.7),)
        assert fork_recipe(recipe, 5, {"lr": 0.3}).changes == (Change(step=5, lr=0.3),)

    @pytest.mark.parametrize(
        ("step", "knobs", "fork"), [(25, {"lr": 1.0}, 25), (20, {"lr": 1.0}, 20), (5, {"lr": 1.0}, 5)]
    )
    def test_a_fork_and_its_recipe_do_the_same_up_to_the_fork(self, step, knobs, fork):
        recipe = Recipe(changes=CHANGES)
        forked = fork_recipe(recipe, step, knobs)
        assert (find_fork(recipe, forked), find_fork(forked, recipe)) == (fork, fork)
        assert find_fork(recipe, recipe) is None
        assert find_fork(recipe, forked.replace(seed=1)) is None

    def test_rmsprop_takes_a_momentum(self):
        assert with_change(Recipe(optimizer=RMSprop()), 5, {"momentum": 0.9}).changes[0].values == {"momentum": 0.9}


@pytest.mark.parametrize("kind", [Recipe, *OPTIMIZERS.values(), *SCHEDULERS.values()])
def test_every_knob_says_in_one_line_what_it_does(kind):
    for field, about in kind.model_fields.items():
        if field != "name":
            assert about.description.endswith(".")
            assert "\n" not in about.description


def test_swa_begins_after_its_share_of_the_run_in_whole_iterations():
    assert [Recipe(train_iter=25, swa_start=share).swa_begin for share in (0.0, 0.3, 0.5)] == [0, 7, 12]


def test_torchs_names_are_kept():
    assert set(CosineAnnealingLR.model_fields) - {"name", "warmup_iters", "start_factor"} == {"T_max", "eta_min"}
    assert set(Adam.model_fields) - {"name"} == {"lr", "betas", "eps", "weight_decay", "amsgrad"}


@pytest.mark.parametrize(
    "module", ["recipes.recipe", "runs.records", "recipes.validation", "recipes.url", "charts.run", "runs.store"]
)
def test_a_page_can_paint_without_torch(module):
    code = f"import sys, mlpcore.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
