"""The set-up of a comparison: what all rows share, comparisons to choose from, and warnings about schedules."""

from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from mlpcore.analysis.comparison import MIN_VALIDATION
from mlpcore.analysis.comparison_wording import describe_differences
from mlpcore.analysis.diagnoses.schedule_checks import find_warnings
from mlpcore.analysis.differences import classify_differences
from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import N_
from mlpcore.recipes.presets import COMPARISONS, SHARED, build_comparison, find_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_limits
from pages.components.compare.rows import FIELDS, Rows, edit_rows, put_rows, read_names, set_rows
from pages.components.recipe_form.widgets import describe_field
from pages.components.shared.choices import persistent, set_widget, widget_key
from pages.components.shared.recipe_summary import describe_data
from pages.components.shared.state import count_held_out
from pages.components.shared.words import _, _n, as_markdown, say

FIELD_WIDTH = 125  # pixels
LABELS = {
    "dataset": N_("Data set"),
    "count": N_("Points"),
    "noise": N_("Noise"),
    "classes": N_("Classes"),
    "data_seed": N_("Data seed"),
    "train_iter": N_("Iterations"),
    "batch_size": N_("Batch size"),
    "eval_every": N_("Evaluate every"),
}


def describe_setup(recipes: Sequence[Recipe]) -> tuple[str, str]:
    """Name what would be trained, and say on which images and for how long, as markdown."""
    title = _(find_comparison(recipes) or N_("Your own rows"))
    count = _n("{n} seed", "{n} seeds", st.session_state["compare.seeds"]).format(n=st.session_state["compare.seeds"])
    data = {describe_data(recipe) for recipe in recipes}
    shared = as_markdown(data.pop()) if len(data) == 1 else _("the rows differ in their data")
    return title, f"{shared} · {count}"


def show_setup(
    rows: Rows,
    recipes: Sequence[Recipe],
    base: Recipe | None,
    datasets: Sequence[str],
    *,
    is_valid: bool,
    is_locked: bool,
) -> None:
    """Draw the comparisons to choose from, what all rows share, and the rows.

    base: the playground's recipe, None if it has none. is_valid: whether each row makes a recipe.
    is_locked: whether a lesson keeps the rows as they are.
    """
    like = recipes[0] if recipes else Recipe(dataset=datasets[0])
    if is_locked:
        st.caption(_("This lesson locks the rows."))
    else:
        _choose_comparison(recipes if is_valid else [], like)
    _shared_form(rows, like, datasets, is_locked=is_locked)
    edit_rows(rows, recipes, base, datasets, is_locked=is_locked)
    if recipes and is_valid:
        st.caption(say(describe_differences(classify_differences(recipes))))
        _show_warnings(recipes, read_names(rows), is_locked=is_locked)


def _choose_comparison(recipes: Sequence[Recipe], like: Recipe) -> None:
    """Offer the comparisons; none of them is chosen if the rows are the visitor's own."""
    st.segmented_control(
        _("Comparisons to choose from"),
        list(COMPARISONS),
        format_func=_,
        key=set_widget("compare.preset", find_comparison(recipes)),
        on_change=_take_comparison,
        args=(like,),
        label_visibility="collapsed",
        wrap=True,
    )


def _take_comparison(like: Recipe) -> None:
    if title := st.session_state[widget_key("compare.preset")]:
        put_rows(build_comparison(title, like))


def _shared_form(rows: Rows, like: Recipe, datasets: Sequence[str], *, is_locked: bool) -> None:
    """Draw what all rows share; where they differ, the field is empty, and a value in it counts for all of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name in (name for name in SHARED if not FIELDS[name].part or like.dataset in FIELDS[name].owners):
            _shared_field(name, rows, datasets, is_locked=is_locked)
        help_seeds = _("How often each recipe is trained. From 3 on, a difference can be told from random variation.")
        seeds: Any = {"help": help_seeds, "disabled": is_locked, **persistent("compare.seeds")}
        st.number_input(_("Seeds"), 1, 5, width=FIELD_WIDTH, **seeds)
        held = count_held_out(like.data)
        label = _("Choose the best step by {held:,} held-out examples")
        help_text = _("They are taken from the training examples, so the test examples have no part in the choice.")
        if held < MIN_VALIDATION:
            label = _("Hold out {held:,} examples")
            help_text = _("Fewer than 500 held-out examples cannot choose a step: the last step is compared.")
        choice: Any = {"help": help_text, "disabled": is_locked, **persistent("compare.hold_out")}
        st.toggle(label.format(held=held), width="content", **choice)


def _shared_field(name: str, rows: Rows, datasets: Sequence[str], *, is_locked: bool) -> None:
    key, kind = f"compare.shared.{name}", FIELDS[name].owners.get(rows[0]["dataset"], Recipe)
    values = [row.get(name) for row in rows]
    value = values[0] if values and all(one == values[0] for one in values) else None
    common: dict[str, Any] = {
        "disabled": is_locked,
        "placeholder": _("per row"),
        "help": describe_field(kind, name),
        "on_change": _take_shared,
        "args": (name, rows),
    }
    if name == "dataset":
        value = value if value in datasets else None
        st.selectbox(
            _(LABELS[name]),
            list(datasets),
            index=None if value is None else 0,
            key=set_widget(key, value),
            format_func=dataset_title,
            filter_mode=None,
            width=170,
            **common,
        )
        return
    low, high = find_limits(kind, name)
    value = value if type(value) is type(low) and low <= value <= high else None
    step = {"train_iter": 500, "eval_every": 10, "count": 50, "noise": 0.01}.get(name, 1)
    first: Literal["min"] | None = None if value is None else "min"
    key = set_widget(key, value)
    st.number_input(_(LABELS[name]), low, high, first, step=step, width=FIELD_WIDTH, key=key, **common)


def _take_shared(name: str, rows: Rows) -> None:
    value = st.session_state[widget_key(f"compare.shared.{name}")]
    if value is not None:
        set_rows([row | {name: value} for row in rows])


def _show_warnings(recipes: Sequence[Recipe], names: Sequence[str], *, is_locked: bool) -> None:
    """Show what is probably not meant in the rows' schedules, each with a button to fix it if the rows are open."""
    for number, recipe in enumerate(recipes):
        for warning in find_warnings(recipe):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                template = _("Row {number}: {problem}")
                text = template.format(number=number + 1, problem=say(warning.sentence))
                st.text(f"⚠ {text}")
                fixed = [*recipes[:number], warning.fixed_recipe, *recipes[number + 1 :]]
                key = f"compare.fix.{number}"
                st.button(say(warning.fix_label), on_click=put_rows, args=(fixed, names), key=key, disabled=is_locked)
