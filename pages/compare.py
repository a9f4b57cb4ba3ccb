"""Several recipes side by side: presets or rows of one's own, trained in lockstep on the same images."""

import streamlit as st
from components import forms
from components.comparison_rows import edit_rows, get_rows, read_rows
from components.comparison_view import read_runs, show_comparison
from components.state import get_manager, read_owner
from components.words import _, say

from mlpcore.catalog import CIFAR10, SHAPES, data_home, known_datasets
from mlpcore.comparison import count_changed
from mlpcore.messages import SentenceError
from mlpcore.recipe import Recipe

owner = read_owner()
datasets = known_datasets(data_home())
forms.begin(Recipe(dataset=CIFAR10 if CIFAR10 in datasets else SHAPES))


def start(recipes: list[Recipe], seeds: int) -> None:
    """Train every recipe with every seed."""
    every = [recipe.model_copy(update={"seed": seed}) for recipe in recipes for seed in range(seeds)]
    names = [f"{recipe.optimizer.name} {recipe.optimizer.lr:g}" for recipe in every]
    try:
        st.session_state["compare.runs"] = get_manager().submit(every, owner=owner, names=names)
    except (SentenceError, RuntimeError) as error:
        st.toast(say(error.sentence) if hasattr(error, "sentence") else str(error))


def stop(run_ids: list[str]) -> None:
    """Stop all runs of the comparison that are the visitor's and go on."""
    for run in read_runs(run_ids):
        if not run.status.is_over and run.owner == owner:
            get_manager().stop(run.id, owner=owner)


base, _problems = forms.read_recipe()
base = base or Recipe(dataset=datasets[0])
rows = get_rows(base)
edit_rows(rows, base)
recipes, refused = read_rows(rows)
for sentence in refused:
    st.warning(sentence)
run_ids = st.session_state.get("compare.runs") or [part for part in st.query_params.get("runs", "").split(",") if part]
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    seeds = st.number_input(_("Seeds"), 1, 5, 1, key="compare.seeds", width=110, persist_state="session")
    going_on = [run for run in read_runs(run_ids) if not run.status.is_over and run.owner == owner]
    st.button(_("Stop"), on_click=stop, args=(run_ids,), disabled=not going_on, key="compare.stop")
    ready = bool(recipes) and not refused and not going_on
    st.button(
        _("Start"), type="primary", on_click=start, args=(recipes, seeds), disabled=not ready, key="compare.start"
    )
    if recipes:
        st.text(say(count_changed(recipes)))
show_comparison(run_ids)
if run_ids and st.query_params.get("runs") != ",".join(run_ids):
    st.query_params["runs"] = ",".join(run_ids)
