"""The set-up of a sweep as the query of a link: its kind, its rows or data set, its seeds and learning rates."""

from collections.abc import Collection, Mapping

import streamlit as st

from mlpcore.messages import Sentence
from mlpcore.recipes.flat import write_text
from mlpcore.recipes.messages import NOT_AN_OPTION, NOT_ON_THIS_MACHINE
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import Plan, drop_unknown_datasets, plan_from_query, plan_to_query, to_query
from mlpcore.recipes.validation import shorten
from mlpcore.sweeps.sensitivity import merge_rates
from pages.components.recipe_form.form_state import put_recipe
from pages.components.sweep.setup import MAX_DATASETS, RANGES

KINDS = ("rates", "search", "budget")
RATES = {write_text(ends): title for title, ends in RANGES.items()}


def write_set_up(kind: str, base: Recipe | None) -> dict[str, str]:
    """Write what the set-up says. base: the playground's recipe, which a search varies; its space is not written."""
    state, query = st.session_state, {"kind": kind}
    if kind == "search":
        return query | (to_query(base) if base else {})
    if rows := state.get("sweep.rows"):
        query |= plan_to_query(Plan(tuple(rows[0]), names=tuple(rows[1])))
    else:
        query |= {"dataset": state["sweep.dataset"], "train_iter": str(state["sweep.train_iter"])}
    if kind == "budget":
        return query | {"datasets": ",".join(state.get("sweep.budget.datasets", []))}
    rates = write_text(RANGES[state["sweep.range"]])
    return query | {"rates": rates, "seeds": str(state.get("sweep.seeds", 1))}


def take_set_up(query: Mapping[str, str], first: Recipe, datasets: Collection[str]) -> list[Sentence]:
    """Set what the query says of the set-up; return what is wrong with it."""
    state = st.session_state
    known, missing = drop_unknown_datasets(query, datasets)
    plan, refused = plan_from_query(known, first)
    said = [sentence for _name, sentence in missing] + [sentence for _row, sentence in refused]
    kind = _take_option(query, "kind", dict.fromkeys(KINDS), said)
    if rates := _take_option(query, "rates", RATES, said):
        state["sweep.range"] = RATES[rates]
    if kind:
        state["sweep.kind"] = kind
    if "seeds" in query and plan is not None:
        state["sweep.seeds"] = plan.seeds
    if plan is not None and kind == "search":
        put_recipe(plan.recipes[0])
    elif plan is not None and "rows" in query:
        state["sweep.rows"] = merge_rates(plan.recipes, plan.names or ("",) * len(plan.recipes))
    elif plan is not None:
        state["sweep.rows"], state["sweep.dataset"] = None, plan.recipes[0].dataset
        if "train_iter" in query:
            state["sweep.train_iter"] = plan.recipes[0].train_iter
    if "datasets" in query:
        asked = [name for name in query["datasets"].split(",") if name][:MAX_DATASETS]
        state["sweep.budget.datasets"] = [name for name in asked if name in datasets]
        said += [
            Sentence(NOT_ON_THIS_MACHINE, {"field": "datasets", "value": shorten(name), "options": ", ".join(datasets)})
            for name in asked
            if name not in datasets
        ]
    return said


def _take_option(query: Mapping[str, str], name: str, options: Collection[str], said: list[Sentence]) -> str | None:
    """Return the option that a query names; another one is named in a sentence."""
    value = query.get(name)
    if value is None or value in options:
        return value
    said.append(Sentence(NOT_AN_OPTION, {"field": name, "value": shorten(value), "options": ", ".join(options)}))
    return None
