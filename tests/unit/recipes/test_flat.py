"""The codec between recipes and flat names: today's names and links keep their meaning whatever is added later."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from pydantic import Field, ValidationError

from mlpcore.recipes.flat import (
    BARE_NAMES,
    flatten,
    list_fields,
    nest,
    read_number,
    read_numbers,
    unflatten,
    write_numbers,
)
from mlpcore.recipes.lessons import GROUPS, lesson_from_query, lesson_to_query
from mlpcore.recipes.optimizer_base import Optimizer
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, SGD, Adam, AdamW, Recipe, Scheduler, StepLR
from mlpcore.recipes.url import from_query, plan_from_query, plan_to_query, to_query
from tests.support.present import present
from tests.support.recipes import recipes

LINKS = json.loads(Path(__file__).with_name("links.json").read_text(encoding="utf-8"))

# hyperparameters that are younger than some of these links, with their defaults
LATER = {"precision": "float32", "amsgrad": False, "init": "torch", "label_smoothing": 0.0, "l1_penalty": 0.0}
LATER |= {"max_norm": None, "average": "none", "ema_decay": 0.999, "swa_start": 0.5}


def links(kind: str) -> list[dict[str, Any]]:
    return [link for link in LINKS if link["kind"] == kind]


class TestLinks:
    """links.json holds links that earlier versions wrote or read, and what each of them meant."""

    def test_there_is_one_for_each_optimizer_and_scheduler(self):
        queries = [link["query"] for link in links("recipe")]
        assert {query["optimizer"] for query in queries} == set(OPTIMIZERS)
        assert {query["scheduler"] for query in queries} == set(SCHEDULERS)

    @pytest.mark.parametrize("link", links("recipe"))
    def test_link_of_a_recipe_opens_and_is_written_as_before(self, link: dict[str, Any]):
        recipe = Recipe.model_validate(link["recipe"])
        assert from_query(link["query"], Recipe()) == (recipe, [])
        assert list(to_query(recipe).items()) == list(link["query"].items())
        flat = json.loads(json.dumps(flatten(recipe)))
        known = {name: value for name, value in flat.items() if name in link["flat"]}
        assert (known, list(known)) == (link["flat"], list(link["flat"]))
        assert {name: value for name, value in flat.items() if name not in known}.items() <= LATER.items()

    @pytest.mark.parametrize("link", links("read"))
    def test_link_that_a_person_typed_gives_the_same_recipe_and_names_the_same_fields(self, link: dict[str, Any]):
        recipe, refused = from_query(link["query"], Recipe.model_validate(link["default"]))
        assert recipe == Recipe.model_validate(link["recipe"])
        assert [sentence.values["field"] for sentence in refused] == link["refused"]

    @pytest.mark.parametrize("link", [*links("comparison"), *links("read comparison")])
    def test_link_of_a_comparison_opens_and_is_written_as_before(self, link: dict[str, Any]):
        found, refused = plan_from_query(link["query"], Recipe())
        plan = present(found)
        assert list(plan.recipes) == [Recipe.model_validate(recipe) for recipe in link["recipes"]]
        assert (plan.seeds, plan.hold_out) == (link["seeds"], link["hold_out"])
        assert [[row, sentence.values["field"]] for row, sentence in refused] == link.get("refused", [])
        assert link["kind"] != "comparison" or plan_to_query(plan) == link["query"]

    @pytest.mark.parametrize("link", links("lesson"))
    def test_link_of_a_lesson_opens_and_is_written_as_before(self, link: dict[str, Any]):
        recipe, lesson, refused = lesson_from_query(link["query"], Recipe())
        assert (recipe, refused) == (Recipe.model_validate(link["recipe"]), [])
        later = LATER.keys() | set(GROUPS["schedule"])  # a group has later ones too
        for names, before in ((lesson.locked, link["locked"]), (lesson.hidden, link["hidden"])):
            assert set(before) <= names <= {*before, *later}
        values = {name: value for name, value in lesson.values.items() if name not in later or name in link["values"]}
        assert (json.loads(json.dumps(values)), lesson.title) == (link["values"], link["title"])
        assert list(lesson_to_query(recipe, lesson).items()) == list(link["query"].items())


@given(recipe=recipes())
def test_recipe_survives_flat_names_unchanged(recipe: Recipe):
    assert unflatten(flatten(recipe)) == recipe


def test_every_flat_name_is_kept_for_ever():
    prefixed = {name: field for name, field in list_fields().items() if "." in name}
    assert {name: field.path for name, field in prefixed.items()} == {"scheduler.eps": ("scheduler", "eps")}
    bare = {name: field.path[:-1] for name, field in list_fields().items() if name not in prefixed}
    assert bare.items() <= BARE_NAMES.items()


def test_a_name_with_several_meanings_has_a_line_of_help_for_each():
    alpha = list_fields()["alpha"]
    rate = "The rate is lr / (1 + lambd · lr · iterations) to this power."
    assert alpha.list_helps() == {"How long the squared gradient is remembered.": ["RMSprop"], rate: ["ASGD"]}
    assert alpha.list_helps(["SGD", "ASGD"]) == {rate: ["ASGD"]}
    assert list(list_fields()["seed"].list_helps([""]).values()) == [[""]]


def test_values_of_another_optimizer_are_left_out_or_kept_to_be_refused():
    values = {"optimizer": "Adam", "momentum": 0.5, "lr": 0.1, "utm_source": "mail"}
    assert nest(values, Recipe()) == {"optimizer": {"name": "Adam", "lr": 0.1}, "scheduler": {"name": "StepLR"}}
    assert nest(values, Recipe(), foreign=True)["optimizer"] == {"name": "Adam", "lr": 0.1, "momentum": 0.5}


def test_numbers_are_read_as_people_type_them():
    assert read_numbers(" 128, 64,") == [128, 64]
    assert read_numbers("0.9, .99, many") == [0.9, 0.99, "many"]
    assert read_numbers("") == []
    assert write_numbers((128, 64)) == "128, 64"
    assert write_numbers((1e-6, 50.0)) == "1e-6, 50"
    assert [read_number(text) for text in ("3", "3e-4", "1.", " x ")] == [3, 3e-4, 1.0, "x"]


class Muon(Optimizer):
    """An optimizer of a later version: it has a second one inside, and shares lr with all others."""

    name: Literal["Muon"] = "Muon"
    lr: float = Field(default=0.02, ge=1e-6, le=10.0)
    gamma: float = 0.5
    adamw: AdamW = AdamW()


class Plateau(Scheduler):
    """A scheduler of a later version, with an alpha of its own."""

    name: Literal["Plateau"] = "Plateau"
    alpha: float = 0.25
    calm: int = 10


class Later(Recipe):
    """A recipe of a later version."""

    optimizer: Annotated[SGD | Adam | Muon, Field(discriminator="name")] = SGD()  # type: ignore[assignment]
    scheduler: Annotated[StepLR | Plateau, Field(discriminator="name")] = StepLR()  # type: ignore[assignment]
    alpha: float = 0.1
    title: str = ""


class TestLaterNames:
    RECIPE = Later(optimizer=Muon(lr=0.3, adamw=AdamW(lr=0.001)), scheduler=Plateau(alpha=0.5, calm=3), alpha=0.7)

    def test_name_that_is_free_stands_bare_and_one_that_is_taken_with_its_part(self):
        later, today = list_fields(Later), list_fields()
        assert {name: later[name].path for name in later.keys() - today.keys()} == {
            "calm": ("scheduler", "calm"),
            "scheduler.alpha": ("scheduler", "alpha"),
            "optimizer.gamma": ("optimizer", "gamma"),
            "adamw.lr": ("optimizer", "adamw", "lr"),
            "adamw.betas": ("optimizer", "adamw", "betas"),
            "adamw.eps": ("optimizer", "adamw", "eps"),
            "adamw.weight_decay": ("optimizer", "adamw", "weight_decay"),
            "adamw.amsgrad": ("optimizer", "adamw", "amsgrad"),
            "recipe.alpha": ("alpha",),
            "recipe.title": ("title",),  # a link's own word for a lesson's title
        }

    def test_names_of_today_mean_what_they_meant(self):
        later = list_fields(Later)
        assert {name: later[name].path for name in ("lr", "eps", "gamma")} == {
            "lr": ("optimizer", "lr"),
            "eps": ("optimizer", "eps"),
            "gamma": ("scheduler", "gamma"),
        }
        assert set(later["lr"].owners) == {"SGD", "Adam", "Muon"}
        assert later["adamw.lr"].owners == {"Muon": AdamW}

    def test_recipe_of_a_later_version_survives_flat_names_unchanged(self):
        flat = flatten(self.RECIPE)
        assert (flat["lr"], flat["adamw.lr"], flat["scheduler.alpha"], flat["adamw.eps"]) == (0.3, 0.001, 0.5, 1e-8)
        assert unflatten(flat, Later()) == self.RECIPE

    def test_wrong_value_of_an_inner_optimizer_is_refused(self):
        with pytest.raises(ValidationError, match="adamw"):
            unflatten({"optimizer": "Muon", "adamw.lr": 99.0}, Later())
