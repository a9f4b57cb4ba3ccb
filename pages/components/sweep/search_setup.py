"""The set-up of a search: the playground's recipe, what of it varies, and how trials are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from mlpcore.messages import N_, Sentence, SentenceError
from mlpcore.recipes.flat import list_fields, read_text, write_text
from mlpcore.recipes.recipe import Recipe
from mlpcore.sweeps.cohorts import count_cohorts, list_apart
from mlpcore.sweeps.definition import MAX_TRIALS, Definition, name_sweep, read_definition
from mlpcore.sweeps.messages import REPEATED_VALUE
from mlpcore.sweeps.space import FIXED, Dimension, Range
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.choices import choose, persistent
from pages.components.shared.flash import show_warning
from pages.components.shared.recipe_summary import describe_data, describe_training
from pages.components.shared.state import count_held_out
from pages.components.shared.words import _, _n, as_markdown, say
from pages.components.sweep.setup import FIELD_WIDTH, start_sweep

SAMPLERS = {"tpe": N_("TPE"), "sobol": N_("Sobol"), "grid": N_("grid")}
SPACE, FIRST, EDITOR = "sweep.space", "sweep.space.first", "sweep.space.editor"  # in the session: its rows as they are,
# and as they were when the table was drawn first, of which its widget keeps what was changed
NAME, VALUES, LOW, HIGH, LOG = "name", "values", "low", "high", "log"
FIRST_SPACE = (
    {NAME: "optimizer", VALUES: "SGD, Adam", LOW: None, HIGH: None, LOG: False},
    {NAME: "lr", VALUES: "", LOW: 1e-4, HIGH: 1.0, LOG: True},
    {NAME: "weight_decay", VALUES: "", LOW: 1e-6, HIGH: 0.1, LOG: True},
)

Row = Mapping[str, Any]  # of the space


def show_search_setup(base: Recipe | None, problems: Sequence[Sentence], owner: str) -> None:
    """Draw the search space, the sampler and the button that starts the search."""
    if base is None:
        show_warning(" ".join(map(say, problems)))
        return
    caption = _("Everything that does not vary is as in the playground: {recipe}.")
    words = f"{describe_data(base)} · {describe_training(base)}"
    st.caption(as_markdown(caption.format(recipe=words)))
    space = _edit_space()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        titles = {name: _(title) for name, title in SAMPLERS.items()}
        sampler = choose(_("Sampler"), titles, key="sweep.sampler", default="tpe", show_label=True)
        help_trials = _("A grid has as many trials as it has points.")
        st.number_input(
            _("Trials"),
            1,
            MAX_TRIALS,
            width=FIELD_WIDTH,
            help=help_trials,
            disabled=sampler == "grid",
            **persistent("sweep.trials", 32),
        )
        st.number_input(_("Seeds per trial"), 1, 5, width=FIELD_WIDTH, **persistent("sweep.trial_seeds", 1))
        st.toggle(
            _("Prune hopeless trials"),
            disabled=sampler == "grid",
            help=_(
                "A trial stops when its best validation accuracy so far is below the median of the earlier trials at "
                "the same iteration."
            ),
            **persistent("sweep.prune", False),
        )
        definition, problem = _define(base, space, sampler)
        st.button(
            _("Start"),
            type="primary",
            on_click=_start_search,
            args=(base, owner),
            disabled=definition is None,
            key="sweep.start_search",
            shortcut="Ctrl+Enter",
        )
    if problem is not None:
        show_warning(say(problem))
    if definition is not None:
        st.caption(_describe_cohorts(definition))


def put_search(definition: Definition) -> None:
    """Put a search into the set-up and unfold it; to be called before its widgets are drawn."""
    state = st.session_state
    put_recipe(definition.rows[0])
    put_space([_write_row(name, one) for name, one in definition.space.items()])
    state["sweep.kind"], state["sweep.sampler"], state["sweep.setup"] = "search", definition.sampler, True
    state["sweep.trials"], state["sweep.trial_seeds"] = definition.trials, definition.seeds
    state["sweep.prune"] = definition.prune


def put_space(rows: Sequence[Row]) -> None:
    """Put rows into the table of the space."""
    st.session_state[SPACE] = rows
    st.session_state.pop(EDITOR, None)


def _write_row(name: str, dimension: Dimension) -> Row:
    if isinstance(dimension, Range):
        return {NAME: name, VALUES: "", LOW: dimension.low, HIGH: dimension.high, LOG: dimension.log}
    mark = "; " if list_fields()[name].type is tuple else ", "
    return {NAME: name, VALUES: mark.join(map(write_text, dimension)), LOW: None, HIGH: None, LOG: False}


def _edit_space() -> list[Row]:
    """Draw the space as a table; a row with values is a list, any other a range."""
    state = st.session_state
    names = [name for name in list_fields() if name not in FIXED]
    if EDITOR not in state:  # the table is drawn anew: it goes on from where it was left
        state[FIRST] = state.setdefault(SPACE, list(FIRST_SPACE))
    frame = pd.DataFrame(state[FIRST], columns=[NAME, VALUES, LOW, HIGH, LOG])
    edited = st.data_editor(
        frame.astype({LOW: float, HIGH: float, LOG: bool, VALUES: str}),
        num_rows="dynamic",
        placeholder="",
        hide_index=True,
        key=EDITOR,
        column_config={
            NAME: st.column_config.SelectboxColumn(_("hyperparameter"), options=names, required=True, width=180),
            VALUES: st.column_config.TextColumn(
                _("values"), help=_("With commas: SGD, Adam. Between layer sizes semicolons: 128,64; 64.")
            ),
            LOW: st.column_config.NumberColumn(
                _("or from"), help=_("Empty: the lowest that is allowed."), format="%.3g"
            ),
            HIGH: st.column_config.NumberColumn(_("to"), help=_("Empty: the highest that is allowed."), format="%.3g"),
            LOG: st.column_config.CheckboxColumn(_("log scale"), default=False),
        },
    )
    kept = edited[edited[NAME].notna()].fillna({VALUES: ""})
    state[SPACE] = kept.to_dict("records")
    return state[SPACE]


def _read_space(rows: Sequence[Row]) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for row in rows:
        name, mark = row[NAME], ";" if list_fields()[row[NAME]].type is tuple else ","
        if texts := [part.strip() for part in row[VALUES].split(mark) if part.strip()]:
            space[name] = [read_text(name, text) for text in texts]
        else:
            ends = {key: row[key] for key in (LOW, HIGH) if row[key] == row[key] and row[key] is not None}
            if list_fields()[name].type is int:
                ends = {key: int(value) if float(value).is_integer() else value for key, value in ends.items()}
            space[name] = {**ends, LOG: bool(row[LOG])}
    return space


def _define(base: Recipe, rows: Sequence[Row], sampler: str) -> tuple[Definition | None, Sentence | None]:
    """Build the sweep; if that fails, say why."""
    state = st.session_state
    held = base.validation_size or count_held_out(base.data)
    row = base.model_copy(update={"validation_size": held, "seed": 0, "changes": ()})
    given: dict[str, Any] = {"rows": [row], "space": _read_space(rows), "sampler": sampler}
    given |= {"trials": state["sweep.trials"], "seeds": state["sweep.trial_seeds"]}
    given |= {"prune": sampler != "grid" and state["sweep.prune"]}
    if twice := [row[NAME] for place, row in enumerate(rows) if row[NAME] in [one[NAME] for one in rows[:place]]]:
        return None, Sentence(REPEATED_VALUE, {"field": "space", "value": twice[0]})
    try:
        return read_definition(given), None
    except SentenceError as error:
        return None, error.sentence


def _start_search(base: Recipe, owner: str) -> None:
    """Start the search of the set-up as it is at the click."""
    definition, _problem = _define(base, st.session_state[SPACE], st.session_state["sweep.sampler"])
    if definition is not None:
        start_sweep(definition, name_sweep(definition), owner)


def _describe_cohorts(definition: Definition) -> str:
    """Say how many trials there will be, and into how many cohorts they fall."""
    count = definition.count_trials()
    apart = list_apart(definition)
    text = _n("{count:,} trials, {seeds} seed each.", "{count:,} trials, {seeds} seeds each.", definition.seeds)
    text = text.format(count=count, seeds=definition.seeds)
    if not apart:
        return text + " " + _("All of them can train together, 16 at a time.")
    template = (
        _("They fall into at most {cohorts:,} cohorts, because trials that differ in {names} cannot train together.")
        if definition.sampler == "tpe"
        else _("They fall into {cohorts:,} cohorts, because trials that differ in {names} cannot train together.")
    )
    return f"{text} {template.format(names=', '.join(apart), cohorts=count_cohorts(definition))}"
