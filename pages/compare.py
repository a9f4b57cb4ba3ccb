"""Compare: several recipes side by side, from presets or typed rows, trained in lockstep on the same images."""

import re
from contextlib import suppress

import streamlit as st

from mlpcore.analysis.differences import label_recipes
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.lessons import ROWS, TERMS
from mlpcore.recipes.presets import COMPARISONS, SHARED, build_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import Plan, drop_unknown_datasets, find_row, plan_from_query, plan_to_query
from mlpcore.runs.records import LONGEST_NAME, Run
from mlpcore.sweeps.sensitivity import merge_rates
from pages.components.compare.results import build_series, read_given_name, show_comparison, show_sketch
from pages.components.compare.rows import get_rows, put_rows, read_names, read_rows
from pages.components.compare.setup import describe_setup, show_setup
from pages.components.lessons.banner import COMPARE, show_lesson, take_lesson
from pages.components.lessons.dialog import offer_page_lesson, write_terms
from pages.components.recipe_form.form_state import begin, find_lesson, first_recipe, read_form
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.flash import flash, flash_errors, get_flashed, show_warning
from pages.components.shared.state import count_held_out, get_manager, read_owner, read_runs
from pages.components.shared.words import _, say

MAX_RUNS = 80  # in an address: 16 recipes with 5 seeds each

owner = read_owner()
datasets = known_datasets(data_home())
first = first_recipe(datasets)
begin(first)


def read_address() -> list[str]:
    """Return the ids of the runs to show: those of the address if it is a new one, else the session's.

    Rows in the address replace those of its runs, or make a comparison that is yet to be run.
    """
    state = st.session_state
    if (query := take_query("compare")) is not None:
        said = find_repeated() + show_named_runs(query.get("runs", ""))
        known, missing = drop_unknown_datasets(query, datasets)
        plan, refused = plan_from_query(known, first)
        refused = [(find_row(name), sentence) for name, sentence in missing] + refused
        if plan:
            is_shared_only = query.keys() <= {*SHARED, "seeds", "hold_out", *TERMS}  # a link may choose no more
            recipes = build_comparison(next(iter(COMPARISONS)), plan.recipes[0]) if is_shared_only else plan.recipes
            put_rows(recipes, plan.names)
            state["compare.seeds"] = plan.seeds
            if not is_shared_only or "hold_out" in query:  # of a plan, a missing parameter means off
                state["compare.hold_out"] = plan.hold_out
            plan = read_plan()
        said += take_lesson(COMPARE, query, plan_to_query(plan) if plan else {})
        is_new = plan is not None and plan != state.get("compare.run_plan")
        state["compare.setup"] = is_new or not state.get("compare.runs")
        template = "Row {number}: {problem}"
        said += [
            Sentence(template, {"number": number, "problem": sentence}) if number else sentence
            for number, sentence in refused
        ]
        flash("compare.said", said)
    return state.get("compare.runs", [])


def show_named_runs(asked: str) -> list[Sentence]:
    """Show the runs that an address names; return a sentence if some are not kept."""
    named = list(dict.fromkeys(part for part in asked.split(",") if part))[:MAX_RUNS]
    runs = read_runs(named)
    show_rows_of(runs)
    if len(runs) == len(named):
        return []
    template = "{missing} of the {count} runs that this address names are not kept here."
    return [Sentence(template, {"missing": len(named) - len(runs), "count": len(named)})]


def write_address(plan: Plan, run_ids: list[str]) -> None:
    """Write the runs that are shown into the address, and the rows if they differ from those of the runs."""
    terms = write_terms(COMPARE)  # a lesson that locks the rows is known by them
    own = plan_to_query(plan) if not run_ids or terms or plan != st.session_state.get("compare.run_plan") else {}
    put_query("compare", ({"runs": ",".join(run_ids)} if run_ids else {}) | own | terms, is_ticking=bool(run_ids))


def hold_rows() -> None:
    """Set the rows to those of a lesson that locks them, whatever a browser or another page made of them."""
    state, lesson = st.session_state, find_lesson(COMPARE.key)
    plan, _refused = plan_from_query(lesson.values, first)
    if plan is not None and plan != read_plan():
        put_rows(plan.recipes, plan.names)
        state["compare.seeds"], state["compare.hold_out"] = plan.seeds, plan.hold_out


def show_rows_of(runs: list[Run]) -> None:
    """Show these runs, and set the rows to their recipes."""
    state, series = st.session_state, build_series(runs)
    state["compare.runs"] = [run.id for run in runs]
    if series:
        recipes = [one.runs[0].recipe for one in series]
        hold_out = all(0 < recipe.validation_size == count_held_out(recipe.data) for recipe in recipes)
        recipes = [recipe.model_copy(update={"validation_size": 0}) if hold_out else recipe for recipe in recipes]
        put_rows(recipes, [read_given_name(one.runs) for one in series])
        state["compare.seeds"] = min(max(len(one.runs) for one in series), 5)
        state["compare.hold_out"] = hold_out
        state["compare.run_plan"] = read_plan()
        state["compare.setup"] = False


def read_plan() -> Plan:
    """Return what the set-up would train."""
    state = st.session_state
    rows = state["compare.rows"]
    recipes, _refused = read_rows(rows)
    return Plan(tuple(recipes), state["compare.seeds"], state["compare.hold_out"], read_names(rows))


def start() -> None:
    """Train every recipe of the set-up, as it is at the click, with every seed in lockstep, and fold it away."""
    plan, every, names = read_plan(), list[Recipe](), list[str]()
    if len(plan.recipes) < len(st.session_state["compare.rows"]):  # the page says which row makes no recipe
        return
    given = plan.names or ("",) * len(plan.recipes)
    for recipe, label in zip(plan.recipes, label_recipes(plan.recipes, given), strict=True):
        held = recipe.validation_size or (count_held_out(recipe.data) if plan.hold_out else 0)
        for seed in range(plan.seeds):
            every.append(recipe.model_copy(update={"seed": seed, "validation_size": held}))
            names.append(name_run(label, seed if plan.seeds > 1 else None, recipe))
    with flash_errors("compare.said"):  # too many are waiting, no such device, the disk is full
        st.session_state["compare.runs"] = get_manager().submit(
            every, owner=owner, names=names, lesson=find_lesson(COMPARE.key).label
        )
        st.session_state["compare.run_plan"] = plan
        st.session_state["compare.setup"] = False


def name_run(label: str, seed: int | None, recipe: Recipe) -> str:
    """Name a run after its row and its seed, in the characters that a name may have."""
    end = "" if seed is None else f" seed {seed}"
    text = re.sub(r"[^\w .\-]+", " ", label).strip()[-(LONGEST_NAME - len(end)) :].strip()
    return f"{text or recipe.optimizer.name}{end}"


def stop(runs: list[Run]) -> None:
    """Stop these runs."""
    with flash_errors("compare.said"):
        for run in runs:
            with suppress(SentenceError):  # over by now
                get_manager().stop(run.id, owner=owner)


def show_header(plan: Plan, runs: list[Run], *, ready: bool) -> None:
    """Name what would be trained, beside Stop and Start."""
    going_on = [run for run in runs if not run.status.is_over and run.belongs_to(owner)]
    title, data = describe_setup(plan.recipes)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            st.markdown(f"##### {title}")
            st.caption(data)
        with st.container(horizontal=True, width="content", gap="small"):  # on a phone one row below the title
            offer_page_lesson(COMPARE, plan_to_query(plan) if ready else {})
            help_tune = _("Train these rows at many learning rates each, and compare them at their best.")
            if st.button(_("Tune learning rates"), help=help_tune, disabled=not ready, key="compare.tune"):
                hand_over_rows(plan)
            st.button(_("Stop"), on_click=stop, args=(going_on,), disabled=not going_on, key="compare.stop")
            st.button(
                _("Start"),
                type="primary",
                on_click=start,
                disabled=bool(going_on) or not ready,
                key="compare.start",
                shortcut="Ctrl+Enter",
            )


def hand_over_rows(plan: Plan) -> None:
    """Open the sweep page with these rows; rows that differ only in lr are one there."""
    state = st.session_state
    state["sweep.rows"] = merge_rates(plan.recipes, plan.names or ("",) * len(plan.recipes))
    state["sweep.shown"], state["sweep.setup"] = None, True
    st.switch_page("sweep.py")


def say_whose_results(runs: list[Run]) -> None:
    """Say that the results are those of other rows than the set-up's, and offer to go back to these."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", border=True):
        st.text(_("The results below are those of the rows before your changes. Start trains the new ones."))
        st.button(_("Go back to their rows"), on_click=show_rows_of, args=(runs,), key="compare.back")


state = st.session_state
base, _problems = read_form()
state.setdefault("compare.seeds", 1)
state.setdefault("compare.hold_out", True)  # of a fresh page
if handed_over := state.pop("compare.handed_over", None):
    show_rows_of(read_runs(handed_over))
run_ids = read_address()
runs = read_runs(run_ids)
get_rows(first)
hold_rows()
rows = state["compare.rows"]
recipes, refused = read_rows(rows)
plan = read_plan()
ready = bool(recipes) and not refused
is_locked = find_lesson(COMPARE.key).holds(ROWS)
show_lesson(COMPARE)
show_header(plan, runs, ready=ready)
for sentence in get_flashed("compare.said"):
    show_warning(say(sentence))
for text in refused:
    show_warning(text)
state.setdefault("compare.setup", not runs)
setup = st.expander(_("Set-up"), key="compare.setup", on_change="rerun")
if setup.open:
    with setup:
        show_setup(rows, recipes, base, datasets, is_valid=ready, is_locked=is_locked)
if runs and not (ready and plan == state.get("compare.run_plan")):
    say_whose_results(runs)
if runs:
    show_comparison(runs, fingerprints=True, concludes=not find_lesson(COMPARE.key).hides_diagnoses)
elif ready:
    show_sketch(recipes, plan.names, is_locked=is_locked)
if ready:
    write_address(plan, run_ids)
