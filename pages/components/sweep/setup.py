"""The set-up of a sweep: its rows, what they share, the learning rates and the seeds."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.differences import label_recipes
from mlpcore.charts.sweeps.sensitivity import RateCurve, sensitivity_chart
from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.messages import COMPARE_OPTIMIZERS
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.presets import build_comparison
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_limits
from mlpcore.runs.records import LONGEST_NAME
from mlpcore.sweeps.budgets import define_budget
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.sensitivity import define_sensitivity, merge_rates
from pages.components.recipe_form.widgets import describe_field
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash_errors, show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.state import count_held_out, get_sweeps
from pages.components.shared.words import _, _n, as_markdown, say

FIELD_WIDTH = 125  # pixels
CHART_HEIGHT = 350  # pixels
ITERATIONS = 1_000  # a third of the lecture's: enough to rank learning rates
EVALUATIONS = 10  # of each run
MAX_DATASETS = 4
RANGES = {"1e-4 … 1": (1e-4, 1.0), "1e-5 … 0.1": (1e-5, 0.1), "1e-3 … 10": (1e-3, 10.0)}


def begin_sweep(first: Recipe, datasets: Sequence[str]) -> None:
    """Set what a visitor has not chosen yet; a data set that has gone is forgotten. first: gives the data set."""
    state = st.session_state
    if state.get("sweep.dataset") not in datasets:
        state["sweep.dataset"] = first.dataset
    state.setdefault("sweep.train_iter", ITERATIONS)
    state.setdefault("sweep.range", next(iter(RANGES)))


def read_rows() -> tuple[list[Recipe], list[str]]:
    """Return the rows of the sweep, with the names that people gave them: the lecture's four, or those handed over."""
    state = st.session_state
    if rows := state.get("sweep.rows"):
        return rows
    like = Recipe(dataset=state["sweep.dataset"], train_iter=state["sweep.train_iter"])
    rows = build_comparison(COMPARE_OPTIMIZERS, like)
    return merge_rates(rows, [""] * len(rows))


def show_setup(datasets: Sequence[str], owner: str) -> None:
    """Draw what a sweep trains, and the button that starts it."""
    state = st.session_state
    rows, names = read_rows()
    labels = label_recipes(rows, names)
    st.caption(_("Rows: {labels}").format(labels=as_markdown(" · ".join(labels))))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if state.get("sweep.rows"):
            st.button(_("Use the lecture's four optimizers"), on_click=_forget_rows, key="sweep.forget")
        else:
            st.selectbox(
                _("Data set"),
                list(datasets),
                format_func=dataset_title,
                filter_mode=None,
                width=170,
                key="sweep.dataset",
                persist_state="session",
                help=describe_field(Recipe, "dataset"),
            )
            _iterations_field()
        apart = persistent("sweep.range")
        st.selectbox(_("Learning rates"), list(RANGES), width=150, help=_("Half a decade apart."), **apart)
        help_seeds = _("How often each rate is trained. The best of each row is then trained with five fresh seeds.")
        st.number_input(_("Seeds"), 1, 5, width=FIELD_WIDTH, help=help_seeds, **persistent("sweep.seeds", 1))
        definition, problem = _define(rows, names)
        st.button(
            _("Start"),
            type="primary",
            on_click=_start_rows,
            args=(owner,),
            disabled=definition is None,
            key="sweep.start",
            shortcut="Ctrl+Enter",
        )
    if problem is not None:
        show_warning(say(problem))
    if definition is not None:
        st.caption(_describe_work(definition))


def _define(rows: Sequence[Recipe], names: Sequence[str]) -> tuple[Definition | None, Sentence | None]:
    """Build the sweep of these rows; if that fails, say why."""
    state = st.session_state
    low, high = RANGES[state["sweep.range"]]
    try:
        own = [_prepare(row) for row in rows]
        return define_sensitivity(own, names, seeds=state["sweep.seeds"], low=low, high=high), None
    except SentenceError as error:
        return None, error.sentence


def _start_rows(owner: str) -> None:
    """Start the sweep of the set-up as it is at the click."""
    rows, names = read_rows()
    definition, _problem = _define(rows, names)
    if definition is not None:
        start_sweep(definition, f"Sweep of {len(rows)} rows", owner)


def start_sweep(definition: Definition, name: str, owner: str) -> None:
    """Start a sweep, show it, and fold the set-up away."""
    with flash_errors("sweep.said"):
        st.session_state["sweep.shown"] = get_sweeps().start(definition, owner=owner, name=name)
        st.session_state["sweep.setup"] = False


def _iterations_field() -> None:
    low, high = find_limits(Recipe, "train_iter")
    st.number_input(
        _("Iterations"),
        int(low),
        int(high),
        step=500,
        width=FIELD_WIDTH,
        help=describe_field(Recipe, "train_iter"),
        **persistent("sweep.train_iter"),
    )


def show_budget_setup(datasets: Sequence[str], owner: str) -> None:
    """Draw on which data sets the rows compete, and the button that starts them."""
    rows, names = read_rows()
    labels = label_recipes(rows, names)
    st.caption(_("Rows: {labels}").format(labels=as_markdown(" · ".join(labels))))
    st.caption(
        _(
            "Every row gets 15 learning rates per data set, in three studies of five. A study counts by the trial that "
            "reaches the target first, a row by the median of its studies. The chart shows on which share of the data "
            "sets a row needed at most so many times the steps of the fastest."
        )
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = persistent("sweep.budget.datasets", list(datasets)[:MAX_DATASETS])
        chosen = st.multiselect(
            _("Data sets"), list(datasets), format_func=dataset_title, max_selections=MAX_DATASETS, width=360, **key
        )
        _iterations_field()
        st.button(
            _("Start"),
            type="primary",
            on_click=_start_budget,
            args=(owner,),
            disabled=not chosen,
            key="sweep.start_budget",
            shortcut="Ctrl+Enter",
        )


def _start_budget(owner: str) -> None:
    rows, names = read_rows()
    with flash_errors("sweep.said"):
        started = []
        for dataset in st.session_state["sweep.budget.datasets"]:
            own = [_prepare(_move(row, dataset)) for row in rows]
            name = f"Budget {dataset}"[:LONGEST_NAME]
            started.append(get_sweeps().start(define_budget(own, names), owner=owner, name=name))
            st.session_state["sweep.shown"] = ",".join(started)
        st.session_state["sweep.setup"] = not started


def _move(row: Recipe, dataset: str) -> Recipe:
    """Let a row train on another data set."""
    source = row.data if row.dataset == dataset else DataSource(dataset)
    return row.model_copy(update={"dataset": dataset, "points": source.points, "validation_size": 0})


def _prepare(row: Recipe) -> Recipe:
    """Give a row held-out images and the sweep's length, without changes made while a run went on."""
    state = st.session_state
    steps = row.train_iter if state.get("sweep.rows") else state["sweep.train_iter"]
    every = row.eval_every if state.get("sweep.rows") else max(steps // EVALUATIONS, 1)
    held = row.validation_size or count_held_out(row.data)
    return row.replace(train_iter=steps, eval_every=every, validation_size=held, seed=0, changes=())


def _describe_work(definition: Definition) -> str:
    """Say how many runs there will be, and which images choose."""
    rows, count = definition.rows, definition.count_trials()
    runs = count * definition.seeds
    template = _n(
        "{rows} rows × {rates} learning rates × {seeds} seed: {runs} runs in lockstep.",
        "{rows} rows × {rates} learning rates × {seeds} seeds: {runs} runs in lockstep.",
        definition.seeds,
    )
    trained = template.format(rows=len(rows), rates=count // len(rows), seeds=definition.seeds, runs=runs)
    chosen = _("{held:,} held-out images choose the rates; the test images are for the verdict.")
    return f"{trained} {chosen.format(held=definition.rows[0].validation_size)}"


def _forget_rows() -> None:
    st.session_state["sweep.rows"] = None


def show_sketch() -> None:
    """Show what is there before a sweep: the axes on which its curves will be."""
    st.text(
        _(
            "Comparing optimizers at one learning rate each compares the rates. A sweep trains every row at each rate, "
            "on the same images in the same order, and then compares the rows at their best."
        )
    )
    low, high = RANGES[st.session_state["sweep.range"]]
    rows, names = read_rows()
    labels = label_recipes(rows, names)
    chart = sensitivity_chart([RateCurve(label, [], None) for label in labels], [low, high], translate=_)
    live_plot(chart, key="sweep.rates", height=CHART_HEIGHT, alt=_("Validation accuracy over the learning rate."))
