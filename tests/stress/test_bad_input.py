"""Generated bad input, by every way in: each wrong value is refused, its field is named, and nothing is trained.

`HYPOTHESIS_PROFILE=thorough pytest tests/stress` tries each property with 20,000 inputs instead of 200.
"""

import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import ValidationError

from mlpcore.cli.main import main
from mlpcore.export.script import read_recipe
from mlpcore.messages import SentenceError
from mlpcore.recipes.flat import flatten, unflatten
from mlpcore.recipes.lessons import lesson_from_query
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import from_query, plan_from_query
from mlpcore.recipes.validation import find_problems
from pages.components.compare.rows import CHOSEN, apply_edits, read_rows
from tests.support.bad_values import Field, as_text, containers, texts
from tests.support.refusals import JARGON, LONGEST, check_sentences, wrong_fields, wrong_hyperparameters

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def check_refusal(read: Callable[[], Recipe], field: Field) -> None:
    """Check that reading raises a ValidationError, and nothing else, and that its sentences name the field."""
    with pytest.raises(ValidationError) as refusal:
        read()
    check_sentences([sentence for _name, sentence in find_problems(refusal.value)], field)


def check_kept(recipe: Recipe) -> None:
    """Check that a recipe that was read all the same is a valid one."""
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@given(case=wrong_fields)
def test_no_wrong_value_becomes_a_recipe_and_its_field_is_named(case: tuple[Field, Any]) -> None:
    field, value = case
    check_refusal(lambda: Recipe.model_validate(field.place(value)), field)


@given(case=wrong_fields)
def test_no_file_of_json_with_a_wrong_value_becomes_a_recipe(case: tuple[Field, Any]) -> None:
    field, value = case
    text = json.dumps(field.place(value))
    with pytest.raises(ValidationError) as refusal:
        Recipe.model_validate_json(text)
    found = [sentence for _name, sentence in find_problems(refusal.value)]
    check_sentences(found, None if "not JSON" in str(found[0]) else field)  # half a surrogate, 5,000 digits
    with pytest.raises(SentenceError) as refused:
        read_recipe(text.encode())
    check_sentences([refused.value])


@given(case=wrong_hyperparameters)
def test_no_row_of_a_comparison_with_a_wrong_value_becomes_a_recipe(case: tuple[Field, Any]) -> None:
    field, value = case
    flat = field.place_flat(value)
    if value is not None and not (isinstance(value, dict) and field.name in ("optimizer", "scheduler")):
        check_refusal(lambda: unflatten(flat), field)


@given(case=wrong_fields)
def test_a_wrong_value_in_a_link_is_named_and_left_at_its_default(case: tuple[Field, Any]) -> None:
    field, value = case
    query = {name: as_text(field, given) for name, given in field.place_flat(value).items()}
    if field.kind == "Change":
        query = {"changes": json.dumps(field.place(value)["changes"])}
    good = {name: text for name, text in query.items() if name not in (field.flat_name, "changes")}
    recipe, refused = from_query(query | {"seed": "7"} if field.name != "seed" else query, Recipe())
    if not refused:  # a link holds text: what is a wrong text in JSON, as "true" is, may be a right value there
        kept = json.dumps(flatten(recipe)[field.flat_name])
        text = query[field.flat_name]
        assert kept in (json.dumps(text), f"[{text}]") or json.loads(kept) == json.loads(text)
        return
    check_sentences(refused, field)
    assert recipe == from_query(good | ({"seed": "7"} if field.name != "seed" else {}), Recipe())[0]


@given(case=wrong_hyperparameters, row=st.sampled_from(["1.", "2.", "16.", "0.", "99.", "٣."]))
def test_a_wrong_value_in_a_comparisons_link_leaves_every_row_a_recipe(case: tuple[Field, Any], row: str) -> None:
    field, value = case
    query = {f"{row}{name}": as_text(field, given) for name, given in field.place_flat(value).items()}
    plan, refused = plan_from_query(query | {"lr": "0.1"}, Recipe())
    assert plan is not None
    for recipe in plan.recipes:
        check_kept(recipe)
    if refused:
        check_sentences([sentence for _number, sentence in refused])


@given(case=wrong_hyperparameters, held=st.sampled_from(["lock", "hide"]), title=texts())
def test_a_lesson_never_holds_a_wrong_value(case: tuple[Field, Any], held: str, title: str) -> None:
    field, value = case
    query = {name: as_text(field, given) for name, given in field.place_flat(value).items()}
    recipe, lesson, refused = lesson_from_query(query | {held: f"{field.flat_name},{title}", "title": title}, Recipe())
    check_kept(recipe)
    name = field.flat_name
    kept = lesson.value_of(name, field.model) if lesson.holds(name) else None
    if kept is not None and field.kind:
        with suppress(ValidationError):  # nesterov without momentum
            assert field.model.model_validate({field.name: kept})
    if refused:
        check_sentences(refused)


@given(
    case=wrong_hyperparameters,
    numbers=st.lists(st.integers(-3, 20) | st.sampled_from([10**30]), max_size=3),
    other=containers() | texts() | st.none(),
    name=texts() | st.sampled_from(["changes", "seed", "device", "name", CHOSEN]),
)
def test_no_edit_of_a_comparisons_table_breaks_it(
    case: tuple[Field, Any], numbers: list[int], other: Any, name: str
) -> None:
    field, value = case
    cells = {field.name: value, name: other}
    edits = {"edited_rows": {str(number): cells for number in numbers}, "added_rows": [cells, other]}
    rows, chosen, said = apply_edits([flatten(Recipe())] * 3, edits | {"deleted_rows": [other, *numbers]}, Recipe())
    recipes, refused = read_rows(rows)
    assert len(rows) <= 16
    assert all(row in range(len(rows)) for row in chosen)
    for recipe in recipes:
        check_kept(recipe)
    if said or refused:
        check_sentences([*said, *refused])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLPCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    return tmp_path


def train(*arguments: str) -> tuple[int, str]:
    """Run `train` on the command line; return its exit code and what it printed."""
    said = StringIO()
    with redirect_stderr(said), redirect_stdout(said):
        try:
            return main(["train", *arguments]), said.getvalue()
        except SystemExit as end:  # argparse's own: a flag without a value
            return int(end.code or 0), said.getvalue()


@ONE_FOLDER
@given(case=wrong_fields)
def test_command_line_trains_no_file_with_a_wrong_value(home: Path, case: tuple[Field, Any]) -> None:
    field, value = case
    file = home / "recipe.json"
    file.write_text(json.dumps(field.place(value)))
    code, said = train("--recipe", str(file))
    assert code == 2
    assert said.count("\n") == 1
    assert not [word for word in JARGON if word in said]
    assert field.is_named(said) or "is not JSON" in said
    assert not (home / "home").exists()


@ONE_FOLDER
@given(case=wrong_hyperparameters)
def test_command_line_trains_no_flags_with_a_wrong_value(home: Path, case: tuple[Field, Any]) -> None:
    field, value = case
    flat = field.place_flat(as_text(field, value))
    if field.name == "nesterov" or (not flat[field.flat_name].strip() and field.name == "dataset"):
        return  # a switch takes no value
    code, said = train(*(f"--{name.replace('_', '-')}={text}" for name, text in flat.items()), "--device", "none")
    assert code == 2
    assert "Traceback" not in said
    assert not (home / "home").exists()


@pytest.mark.parametrize(
    "text",
    ["", "\0", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, '{"seed": 1' + "0" * 5000 + "}", "null", "NaN", '"x"'],
    ids=lambda text: f"{text[:5]}…{len(text)}",
)
def test_file_that_is_no_recipe_at_all_is_answered_in_a_line(home: Path, text: str) -> None:
    (home / "recipe.json").write_text(text)
    code, said = train("--recipe", str(home / "recipe.json"))
    assert (code, said.count("\n")) == (2, 1)
    assert len(said) < LONGEST


def test_recipe_of_fifty_thousand_unknown_names_is_refused_at_once() -> None:
    text = json.dumps({f"k{number}": 1 for number in range(50_000)})
    with pytest.raises(SentenceError, match=r"^k0 is not a hyperparameter of a recipe\.$"):
        read_recipe(text.encode())


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
@pytest.mark.usefixtures("home")
def test_file_without_an_end_is_not_read_to_it() -> None:
    code, said = train("--recipe", "/dev/zero")
    assert (code, said.count("\n")) == (2, 1)
