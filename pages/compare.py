"""Compare: several recipes side by side, from presets or typed rows, trained in lockstep on the same images."""

import re
from contextlib import suppress

import streamlit as st

from mlpcore.analysis.comparison import MIN_VALIDATION
from mlpcore.analysis.comparison_wording import describe_differences
from mlpcore.analysis.differences import classify_differences, name_differences
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import Plan, drop_unknown_datasets, find_row, plan_from_query, plan_to_query
from mlpcore.runs.records import Run
from pages.components.compare.results import build_series, show_comparison
from pages.components.compare.rows import edit_rows, get_rows, put_rows
from pages.components.recipe_form.form_state import begin, first_recipe, read_form
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash, flash_errors, show_warning
from pages.components.shared.state import count_images, get_manager, read_owner, read_runs
from pages.components.shared.words import _, say

MAX_RUNS = 80  # in an address: 16 recipes with 5 seeds each
HELD_OUT = 5_000  # images at most; a tenth of a smaller data set

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
            put_rows(plan.recipes)
            state["compare.seeds"], state["compare.hold_out"] = plan.seeds, plan.hold_out
            state["compare.is_run"] = False
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


def write_address(recipes: list[Recipe], run_ids: list[str]) -> None:
    """Write the runs that are shown into the address, and the rows if they differ from those of the runs."""
    state = st.session_state
    plan = Plan(tuple(recipes), state["compare.seeds"], state["compare.hold_out"])
    if run_ids and state.pop("compare.is_run", False):
        state["compare.run_plan"] = plan
    own = plan_to_query(plan) if not run_ids or plan != state.get("compare.run_plan") else {}
    put_query("compare", ({"runs": ",".join(run_ids)} if run_ids else {}) | own, is_ticking=bool(run_ids))


def show_rows_of(runs: list[Run]) -> None:
    """Show these runs, and set the rows to their recipes."""
    series = build_series(runs)
    st.session_state["compare.runs"] = [run.id for run in runs]
    if series:
        recipes = [one.runs[0].recipe for one in series]
        hold_out = all(0 < recipe.validation_size == count_held_out(recipe.dataset) for recipe in recipes)
        put_rows([recipe.model_copy(update={"validation_size": 0}) if hold_out else recipe for recipe in recipes])
        st.session_state["compare.seeds"] = min(max(len(one.runs) for one in series), 5)
        st.session_state["compare.hold_out"] = hold_out
        st.session_state["compare.is_run"] = True


def count_held_out(dataset: str) -> int:
    """Count the training images to hold out."""
    return min(HELD_OUT, count_images(dataset) // 10)


def start(recipes: list[Recipe], seeds: int, hold_out: bool) -> None:
    """Train every recipe with every seed in lockstep."""
    every, names = [], []
    for recipe, label in zip(recipes, name_differences(recipes), strict=True):
        held = recipe.validation_size or (count_held_out(recipe.dataset) if hold_out else 0)
        for seed in range(seeds):
            every.append(recipe.model_copy(update={"seed": seed, "validation_size": held}))
            name = re.sub(r"[^\w .\-]+", " ", f"{label} seed {seed}" if seeds > 1 else label)
            names.append(name.strip()[-40:].strip() or recipe.optimizer.name)
    with flash_errors("compare.said"):  # too many are waiting, no such device, the disk is full
        st.session_state["compare.runs"] = get_manager().submit(every, owner=owner, names=names)
        st.session_state["compare.is_run"] = True


def stop(runs: list[Run]) -> None:
    """Stop these runs."""
    with flash_errors("compare.said"):
        for run in runs:
            with suppress(SentenceError):  # over by now
                get_manager().stop(run.id, owner=owner)


def show_start(recipes: list[Recipe], runs: list[Run], *, ready: bool) -> None:
    """Show the seeds, the validation split, Start and Stop, and whether the comparison is fair."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        help_seeds = _("How often each recipe is trained. From 3 on, a difference can be told from random variation.")
        seeds = st.number_input(_("Seeds"), 1, 5, width=110, help=help_seeds, **persistent("compare.seeds"))
        going_on = [run for run in runs if not run.status.is_over and run.belongs_to(owner)]
        st.button(_("Stop"), on_click=stop, args=(going_on,), disabled=not going_on, key="compare.stop")
        hold_out = st.session_state["compare.hold_out"]
        st.button(
            _("Start"),
            type="primary",
            on_click=start,
            args=(recipes, seeds, hold_out),
            disabled=bool(going_on) or not ready,
            key="compare.start",
            shortcut="Ctrl+Enter",
        )
        held = count_held_out((recipes[0] if recipes else first).dataset)
        label = _("Choose the best step by {held:,} held-out images")
        help_text = _("They are taken from the training images, so the test images have no part in the choice.")
        if held < MIN_VALIDATION:
            label = _("Hold out {held:,} images")
            help_text = _("Fewer than 500 held-out images cannot choose a step: the last step is compared.")
        st.toggle(label.format(held=held), width="content", help=help_text, **persistent("compare.hold_out"))
        if recipes:
            st.text(say(describe_differences(classify_differences(recipes))))


base, problems = read_form()
for sentence in problems:
    show_warning(_("On the playground: {problem}").format(problem=say(sentence)))
base = base or first
st.session_state.setdefault("compare.seeds", 1)
st.session_state.setdefault("compare.hold_out", True)  # of a fresh page; in a link, a missing parameter means off
if handed_over := st.session_state.pop("compare.handed_over", None):
    show_rows_of(read_runs(handed_over))
run_ids = read_address()
runs = read_runs(run_ids)
recipes, refused = edit_rows(get_rows(base), base, datasets)
show_start(recipes, runs, ready=bool(recipes) and not refused)
show_comparison(runs, fingerprints=True)
if recipes and not refused:
    write_address(recipes, run_ids)
