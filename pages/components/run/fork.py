"""Forks: a new run that repeats the shown one up to a step, and then goes on with another hyperparameter."""

import streamlit as st

from mlpcore.messages import Sentence, SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import read_number
from mlpcore.recipes.recipe import Recipe, current_hyperparameters, find_fork
from mlpcore.recipes.validation import check_value, find_problems
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Evaluation, Run
from pages.components.recipe_form.form_state import find_lesson, put_recipe
from pages.components.recipe_form.forms import KNOBS
from pages.components.recipe_form.widgets import describe_field
from pages.components.run.reference import note_start
from pages.components.shared.flash import show_warning
from pages.components.shared.state import find_run, get_manager, read_ended_run, read_owner
from pages.components.shared.words import _, say

OPEN = "fork.open"  # in the session: the run that the dialog is about
STEP = "fork.step"
BEFORE = "fork.before"  # in the session: what the parent has at that step, by hyperparameter, as it is written


def offer_fork(run: Run | None) -> None:
    """Draw the button that opens the dialog of a fork."""
    is_off = run is None or not _list_knobs(run) or not _list_steps(run)
    last = run.latest.step if run and run.latest else 0
    help_ = _(
        "Trains this run once more up to a step, and from there on with another rate. Or click a point of a curve."
    )
    if run is not None and not run.recipe.optimizer.list_changeable():
        help_ = explain_no_changes(run.recipe)
    if st.button(_("Fork"), key="fork", disabled=is_off, help=help_) and run is not None:
        _open(run.id, last // 2)
        st.rerun()  # the page draws the dialog


def explain_no_changes(recipe: Recipe) -> str:
    """Say that a recipe has nothing that can be changed during its run."""
    template = _("No hyperparameter of {optimizer} can be changed while the run goes on.")
    return template.format(optimizer=recipe.optimizer.name)


def take_pick(run: Run | None, picked: str | None) -> None:
    """Open the dialog at the step of a curve that was clicked."""
    if run is None or picked is None or not _list_knobs(run) or not _list_steps(run):
        return
    try:
        step = round(float(picked))
    except (ValueError, OverflowError):  # what no curve of ours sends
        return
    _open(run.id, step)
    st.rerun()  # the page draws the dialog


def show_fork(run: Run) -> None:
    """Draw the dialog if it is open for this run."""
    state = st.session_state
    if state.get(OPEN) != run.id or STEP not in state:  # its fields are gone once another page was shown
        _close()
        return
    st.dialog(_("Fork this run"), on_dismiss=_close)(_draw)(run)


def find_parent_fork(run: Run) -> tuple[Run, int] | None:
    """Return the run that this one was forked from, and the step; None if there is none, or no longer."""
    parent = read_ended_run(run.forked_from) if run.forked_from else None
    step = find_fork(parent.recipe, run.recipe) if parent else None
    return None if parent is None or step is None else (parent, step)


def after_fork(run: Run, step: int) -> tuple[Evaluation, ...]:
    """Return the evaluations of a fork from the last one on that it has in common with its parent."""
    begin = max((one.step for one in run.evaluations if one.step <= step), default=0)
    return tuple(one for one in run.evaluations if one.step >= begin) if run.step > step else ()


def offer_comparison(run: Run | None) -> None:
    """Draw the button that takes a fork and its parent to Compare."""
    if run is not None and find_parent_fork(run) and st.button(_("Compare with parent"), key="fork.compare"):
        st.session_state["compare.handed_over"] = [run.forked_from, run.id]
        st.switch_page("compare.py")


def _list_knobs(run: Run) -> list[str]:
    """List what can be changed: what the optimizer has and no lesson holds."""
    return [name for name in run.recipe.optimizer.list_changeable() if not find_lesson().holds(name)]


def _list_steps(run: Run) -> range:
    return range(1, min(run.step, run.recipe.train_iter - 1) + 1)


def _open(run_id: str, step: int) -> None:
    run, state = find_run(run_id), st.session_state
    if run is None:
        return
    steps = _list_steps(run)
    state[OPEN], state[STEP], state[BEFORE] = run_id, min(max(step, steps[0]), steps[-1]), {}
    _fill(run)


def _fill(run: Run) -> None:
    """Write what the run has at the chosen step into the fields that the visitor has not changed."""
    state, optimizer, knobs = st.session_state, _at(run, st.session_state[STEP]).optimizer, _list_knobs(run)
    values = {name: exact_number(getattr(optimizer, name)) for name in knobs}
    for name in knobs:
        if state.get(f"fork.{name}") == state[BEFORE].get(name) or not state[BEFORE]:
            state[f"fork.{name}"] = values[name]
    state[BEFORE] = values


def _close() -> None:
    st.session_state.pop(OPEN, None)


def _at(run: Run, step: int) -> Recipe:
    """Return the run's recipe with the hyperparameters that it has after `step` iterations."""
    earlier = tuple(change for change in run.recipe.changes if change.step <= step)
    return current_hyperparameters(run.recipe.model_copy(update={"changes": earlier}))


def _draw(run: Run) -> None:
    if OPEN not in st.session_state:  # the fork has begun
        st.rerun()
    st.caption(
        _(
            "The new run repeats this one up to that step, number by number, and goes on with what you change here. "
            "What was changed later in this run is left out."
        )
    )
    steps = _list_steps(run)
    step = st.number_input(_("From step"), steps[0], steps[-1], key=STEP, step=1, on_change=_fill, args=(run,))
    before, knobs = _at(run, step).optimizer, _list_knobs(run)
    for name, column in zip(knobs, st.columns(len(knobs)), strict=True):
        label, help_ = _(KNOBS[name][1]), describe_field(type(before), name)
        column.text_input(label, key=f"fork.{name}", max_chars=24, help=help_)
    values: dict[str, float] = {}
    refused = []
    for name in knobs:
        text = st.session_state[f"fork.{name}"].strip() or "—"
        try:
            value = check_value(type(before), name, read_number(text))
        except SentenceError as error:
            refused.append(Sentence(error.sentence.template, {**error.sentence.values, "value": text}))
            continue
        if value != getattr(before, name):
            values[name] = value
    for sentence in [*refused, *st.session_state.pop("fork.refused", [])]:
        show_warning(say(sentence))
    st.button(
        _("Start from step {step:,}").format(step=step),
        type="primary",
        key="fork.start",
        disabled=not values or bool(refused),
        on_click=_start,
        args=(run, step, values),
        help=None if values else _("Change at least one of the values."),
    )


def _start(run: Run, step: int, values: dict[str, float]) -> None:
    """Submit the fork and show it over its parent, with its hyperparameters in the form."""
    try:
        run_id = get_manager().fork(run.id, owner=read_owner(), step=step, lesson=find_lesson().label, **values)
    except ValueError as error:
        st.session_state["fork.refused"] = [find_problems(error)[0][1]]
        return
    except StoreError as error:
        st.session_state["fork.refused"] = [error.sentence]
        return
    st.session_state["run"] = st.session_state["run.started"] = run_id
    note_start(run_id, run.id)
    put_recipe(current_hyperparameters(get_manager().get(run_id).recipe))
    _close()
