"""Lessons: what a link locks and hides, which values hold, and what is said of one that is wrong."""

import pytest
from hypothesis import given, settings, strategies as st

from mlpcore.recipes.lessons import (
    CHOICES,
    GROUPS,
    MAX_TASK,
    MAX_TITLE,
    ROWS,
    Lesson,
    lesson_from_query,
    lesson_to_query,
    make_lesson,
    terms_from_query,
    terms_to_query,
    title_of_label,
)
from mlpcore.recipes.recipe import SGD, Adagrad, Adam, Change, ExponentialLR, MultiStepLR, Recipe, RMSprop, StepLR
from tests.support.recipes import recipes

NAMES = st.frozensets(st.sampled_from(CHOICES), max_size=6)
BAD = st.sampled_from(
    ["__class__", "", ",,,", "diagnoses", "changes", "name", "lr,lr", "LR", "run", "schedule,x", "x" * 500, "\ud800"]
)


def read(**query: str) -> tuple[Recipe, Lesson, list[str]]:
    recipe, lesson, refused = lesson_from_query(query, Recipe())
    return recipe, lesson, [str(sentence) for sentence in refused]


def test_a_link_locks_and_hides_at_its_own_values():
    recipe, lesson, refused = read(lr="0.05", lock="seed,lr", hide="network", seed="4", title="Which rate?")
    assert refused == []
    assert recipe == Recipe(seed=4, optimizer=SGD(lr=0.05))
    assert lesson.locked == {"seed", "lr"}
    assert lesson.hidden == set(GROUPS["network"])
    kept = {"seed": 4, "lr": 0.05, "hidden_sizes": (128, 64), "activation": "relu", "dropout": 0.5, "init": "torch"}
    assert lesson.values == kept | {"label_smoothing": 0.0, "l1_penalty": 0.0, "max_norm": None}
    assert lesson.title == "Which rate?"


def test_a_link_without_any_of_it_is_no_lesson():
    assert not read(lr="0.05", hide="", lock=" , ")[1].is_on


def test_what_is_locked_and_hidden_is_hidden():
    lesson = read(lock="lr", hide="lr")[1]
    assert (lesson.locked, lesson.hidden) == (frozenset(), {"lr"})


def test_a_group_stands_for_its_knobs_in_a_link():
    lesson = make_lesson(Recipe(), locked=[*GROUPS["run"], "lr"], hidden=GROUPS["schedule"])
    query = lesson_to_query(Recipe(), lesson)
    assert (query["lock"], query["hide"]) == ("run,lr", "schedule")


@settings(deadline=None)
@given(
    recipe=recipes(),
    locked=NAMES,
    hidden=NAMES,
    title=st.sampled_from(["", "Which rate?", "학습률"]),
    task=st.sampled_from(["", "Try three rates; which one learns fastest?"]),
    hides_diagnoses=st.booleans(),
)
def test_a_lesson_survives_a_link_unchanged(recipe, locked, hidden, title, task, hides_diagnoses):
    recipe = recipe.model_copy(update={"changes": ()})
    lesson = make_lesson(recipe, locked=locked, hidden=hidden, title=title, task=task, hides_diagnoses=hides_diagnoses)
    assert lesson_from_query(lesson_to_query(recipe, lesson), Recipe()) == (recipe, lesson, [])


@pytest.mark.parametrize(
    ("taught", "chosen", "held"),
    [
        (Recipe(optimizer=SGD(momentum=0.42)), Recipe(optimizer=Adam()), {"momentum": 0.42}),
        (Recipe(optimizer=Adam(betas=(0.5, 0.6))), Recipe(optimizer=SGD()), {"betas": (0.5, 0.6)}),
        (Recipe(scheduler=StepLR(gamma=0.5)), Recipe(scheduler=ExponentialLR()), {"gamma": 0.5}),
        (Recipe(scheduler=MultiStepLR(milestones=(7, 9))), Recipe(), {"milestones": (7, 9)}),
    ],
)
def test_a_held_value_survives_a_reload_while_another_optimizer_or_schedule_is_chosen(taught, chosen, held):
    lesson = make_lesson(taught, locked=held, hidden=())
    again, reloaded, refused = lesson_from_query(lesson_to_query(chosen, lesson), Recipe())
    assert (again, refused) == (chosen, [])
    assert reloaded.values == lesson.values == held


def test_a_held_value_holds_in_every_optimizer_that_takes_it_and_else_the_default_does():
    lesson = make_lesson(
        Recipe(optimizer=SGD(lr=0.3, momentum=0.0, nesterov=False)), locked=["lr", "momentum", "gamma"], hidden=["eps"]
    )
    assert lesson.value_of("lr", Adam) == 0.3
    assert lesson.value_of("momentum", RMSprop) == 0.0
    assert lesson.value_of("gamma", ExponentialLR) == 0.999
    assert lesson.value_of("eps", Adagrad) == 1e-10


def test_a_link_hides_the_diagnoses_and_nothing_locks_them():
    lesson = read(hide="seed,diagnoses")[1]
    assert (lesson.hidden, lesson.hides_diagnoses) == ({"seed"}, True)
    assert read(lock="diagnoses")[2] == ["lock names diagnoses: there is no such hyperparameter."]
    assert read(hide="diagnoses", diagnoses="x")[1].is_on


@pytest.mark.parametrize(
    ("link", "label"),
    [
        ({"lock": "schedule"}, "c1335a16"),
        ({"hide": "network", "lock": "run,lr"}, "94066786"),
        ({"hide": "schedule,points,images"}, "9c3d2e8a"),
    ],
)
def test_label_of_a_group_stays_what_it_was_before_the_group_grew(link, label):
    assert read(**link)[1].label == label
    assert read(**link, l1_penalty="0.1", total_iters="7", scheduler="PolynomialLR")[1].label != label


def test_label_of_a_lesson_names_it_whatever_is_made_of_its_open_knobs():
    link = {"lock": "momentum", "hide": "run", "title": "Which rate?", "task": "Try three."}
    lesson, other = read(**link)[1], read(**link, lr="0.3")[1]
    assert lesson.label == other.label
    assert title_of_label(lesson.label) == "Which rate?"
    assert lesson.label != read(**link, momentum="0.5")[1].label
    assert lesson.label != read(**link | {"task": "Try four."})[1].label
    assert Lesson().label == ""
    assert title_of_label(read(lock="lr")[1].label) == ""


def test_edits_of_held_knobs_are_left_out_and_said_to_be():
    recipe, _lesson, refused = read(lock="lr", changes='[{"step":1,"lr":0.1},{"step":2,"lr":0.2,"weight_decay":0}]')
    assert recipe.changes == (Change(step=2, weight_decay=0.0),)
    assert refused == ["changes sets a hyperparameter that this lesson fixes: that change is left out."]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"hide": "__class__"}, "hide names __class__: there is no such hyperparameter."),
        ({"lock": "LR,changes,name"}, "lock names LR, changes, name: there is no such hyperparameter."),
        (
            {"title": "x" * (MAX_TITLE + 1)},
            "title is " + "x" * 39 + "…: it must be at most 60 printable characters.",
        ),
        ({"title": "a\u202eb"}, "title is a·b: it must be at most 60 printable characters."),
        (
            {"task": "x" * (MAX_TASK + 1)},
            "task is " + "x" * 39 + "…: it must be at most 300 printable characters.",
        ),
        ({"lr": "abc"}, "lr is abc: it must be a number from 1e-6 to 10."),
    ],
)
def test_what_is_wrong_is_named_and_the_rest_of_the_lesson_is_kept(query, sentence):
    _recipe, lesson, refused = read(
        **{"hide": "seed", "seed": "5"} | query | {"lock": query.get("lock", "") + ",dropout"}
    )
    assert refused == [sentence]
    assert lesson.holds("dropout")
    assert lesson.holds("seed") == ("hide" not in query)


@settings(deadline=None)  # the first example imports, the others are quick
@given(
    query=st.fixed_dictionaries(
        {},
        optional={
            "hide": BAD | st.text(max_size=12),
            "lock": BAD | st.sampled_from(CHOICES),
            "title": st.text(max_size=80),
            "task": st.text(max_size=320),
            "lr": st.sampled_from(["abc", "1e400", "NaN", "0.5", "[" * 5000, "9" * 5000, ""]),
            "momentum": st.sampled_from(["0", "x", "0.5", "null"]),
            "gamma": st.sampled_from(["0.5", "0.95", "-1", "{}"]),
            "betas": st.sampled_from(["0.9", "0.9,0.99", "x"]),
            "optimizer": st.sampled_from(["SGD", "Adam", "Lion", ""]),
            "scheduler": st.sampled_from(["none", "ExponentialLR", "null"]),
            "changes": st.sampled_from(['[{"step":1,"lr":0.1}]', "[", "5"]),
        },
    )
)
def test_no_link_raises_and_a_lesson_that_was_read_survives_its_own_link(query):
    recipe, lesson, refused = lesson_from_query(query, Recipe())
    assert all(0 < len(str(sentence)) < 300 for sentence in refused)
    assert lesson_from_query(lesson_to_query(recipe, lesson), Recipe()) == (recipe, lesson, [])


TERMS = {"lock": "rows", "hide": "diagnoses", "title": "Rates", "task": "Which falls first?"}


class TestPagesWithoutOneRecipe:
    def test_terms_come_back_from_a_link(self):
        lesson, refused = terms_from_query(TERMS, lock=ROWS, hide="diagnoses", values={"lr": "0.1"})
        assert (lesson.locked, lesson.hides_diagnoses, refused) == ({"rows"}, True, [])
        assert terms_to_query(lesson) == TERMS

    def test_label_is_of_the_rows_only_where_these_are_locked(self):
        labels = [
            [terms_from_query(query, lock=ROWS, values={"lr": lr})[0].label for lr in ("0.1", "0.2")]
            for query in (TERMS, {"title": "Rates"})
        ]
        assert [len(set(pair)) for pair in labels] == [2, 1]

    def test_what_the_page_cannot_lock_is_named(self):
        lesson, refused = terms_from_query({"lock": "lr", "hide": "lr", "title": "Rates"}, lock=ROWS, hide="diagnoses")
        assert list(map(str, refused)) == [
            "lock is lr: it must be one of rows.",
            "hide is lr: it must be one of diagnoses.",
        ]
        assert (lesson.title, lesson.locked, lesson.hides_diagnoses) == ("Rates", frozenset(), False)

    def test_page_that_locks_nothing_passes_such_a_parameter_over(self):
        lesson, refused = terms_from_query(TERMS)
        assert (terms_to_query(lesson), refused) == ({"title": "Rates", "task": "Which falls first?"}, [])
