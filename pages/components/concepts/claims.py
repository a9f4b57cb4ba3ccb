"""The notes' claims, each with the experiment that tests it and its result."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress

import streamlit as st
from pydantic import ValidationError

from mlpcore.analysis.claims.experiments import CLAIMS, Claim, decide
from mlpcore.analysis.claims.rules import Verdict
from mlpcore.analysis.claims.wording import ResultTable, describe_claim, describe_results
from mlpcore.analysis.differences import name_differences
from mlpcore.charts.claims import accuracy_by_lr_chart, steps_chart
from mlpcore.data.catalog import SHAPES, data_home, fingerprint, known_datasets, last_modified
from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import SentenceError
from mlpcore.recipes.points import POINT_SETS, DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import StoreError
from mlpcore.runs.records import Run, RunStatus
from pages.components.compare.results import build_series
from pages.components.shared.choices import persistent
from pages.components.shared.compared_runs import reload_runs
from pages.components.shared.flash import flash_errors, get_flashed, show_warning
from pages.components.shared.layout import number_table
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import count_images, count_test_images, get_manager, get_store, read_owner, read_runs
from pages.components.shared.words import _, as_markdown, say, show_duration

SEARCHED = 200  # of the visitor's newest runs, for those of an experiment that was started before a reload


def show_claims() -> None:
    """Draw a card for each claim."""
    datasets = [name for name in known_datasets(data_home()) if name not in POINT_SETS and _is_usable(name)]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kept, first = persistent("claims.dataset"), datasets.index(SHAPES)
        dataset = st.selectbox(
            _("Data set"), datasets, first, filter_mode=None, format_func=dataset_title, width=200, **kept
        )
        st.caption(
            _(
                "The claims of the lecture notes, each with an experiment that tests it. The rule that decides it is "
                "fixed beforehand; the result is what was measured, whatever the notes say."
            )
        )
    datasets = [dataset, *(name for name in datasets if name != dataset)]
    plans = {claim.key: claim.plan(datasets, count_images(DataSource(dataset))) for claim in CLAIMS}
    places = {key: _place(recipes) for key, recipes in plans.items()}
    known = _known_runs(plans, places)
    for claim in CLAIMS:
        with st.container(border=True, gap="small"):
            _card(claim, plans[claim.key], known, places[claim.key], dataset)


def _is_usable(dataset: str) -> bool:
    """Return whether the name of a folder is valid in a recipe."""
    try:
        Recipe(dataset=dataset)
    except ValidationError:
        return False
    return True


def _place(recipes: Sequence[Recipe]) -> str:
    """Hash an experiment with its data sets: it is another one once they change or there is a second one."""
    parts = [recipe.model_dump_json() for recipe in recipes]
    parts += [fingerprint(data_home(), source) for source in dict.fromkeys(recipe.data for recipe in recipes)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _known_runs(plans: dict[str, list[Recipe]], places: dict[str, str]) -> dict[str, list[str]]:
    """Return the run ids of each experiment: this session's, or those of its recipes that the visitor has kept.

    Runs from before their images changed belong to another experiment.
    """
    known: dict[str, list[str]] = st.session_state.setdefault("claims.runs", {})
    if known.keys() >= set(places.values()):
        return known
    newest: dict[str, str] = {}
    listed, _total = get_store().search(owner=read_owner(), limit=SEARCHED)
    runs = [one.run for one in listed]
    changed = {source: last_modified(data_home(), source) for source in {run.recipe.data for run in runs}}
    for run in runs:
        is_whole = run.status not in (RunStatus.STOPPED, RunStatus.INTERRUPTED, RunStatus.FAILED)
        if is_whole and run.created > changed[run.recipe.data]:
            newest.setdefault(run.recipe.model_dump_json(), run.id)
    for key, recipes in plans.items():
        found = [newest.get(recipe.model_dump_json()) for recipe in recipes]
        known.setdefault(places[key], [] if None in found else [run_id for run_id in found if run_id])
    return known


def _card(claim: Claim, recipes: list[Recipe], known: dict[str, list[str]], place: str, dataset: str) -> None:
    run_ids, texts = known[place], describe_claim(claim, test_images=_count_test_images(recipes))
    runs = read_runs(run_ids)
    going_on = any(not run.status.is_over for run in runs)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.markdown(f"**{say(texts.statement)}**", width="stretch")
        if going_on:
            st.button(_("Stop"), on_click=_stop, args=(run_ids,), key=f"claims.stop.{claim.key}")
        else:
            label = _("Try it again") if runs else _("Try it")
            st.button(label, on_click=_start, args=(claim, recipes, known, place), key=f"claims.try.{claim.key}")
    names = ", ".join(as_markdown(dataset_title(name)) for name in dict.fromkeys(recipe.dataset for recipe in recipes))
    cost = _("{count} runs on {datasets}, about {duration} of computing.")
    cost = cost.format(count=len(recipes), datasets=names, duration=show_duration(claim.seconds))
    st.caption(f"{say(texts.experiment)} {cost}  \n{say(texts.rule)}")
    for refused in get_flashed(f"claims.refused.{claim.key}"):
        show_warning(say(refused))
    if len(runs) < len(run_ids):
        st.caption(_("Some of its runs were deleted. Try it again to decide the claim."))
    elif runs:
        show_fragment(_show_runs, claim, [run.id for run in runs], going_on, dataset, every=1.0 if going_on else None)


def _count_test_images(recipes: Sequence[Recipe]) -> int:
    """Count the test images of the data set that has the fewest."""
    return min(count_test_images(recipe.data) for recipe in recipes)


def _start(claim: Claim, recipes: list[Recipe], known: dict[str, list[str]], place: str) -> None:
    labels = [re.sub(r"[^\w .\-]+", " ", label) for label in name_differences(recipes)]
    names = [label if len(label) <= 40 else _short_name(one) for label, one in zip(labels, recipes, strict=True)]
    with flash_errors(f"claims.refused.{claim.key}"):  # too many are waiting, the disk is full
        known[place] = get_manager().submit(recipes, owner=read_owner(), names=names)


def _short_name(recipe: Recipe) -> str:
    return f"{recipe.optimizer.name} seed {recipe.seed} {recipe.dataset}"[:40].strip()


def _stop(run_ids: list[str]) -> None:
    for run_id in run_ids:
        with suppress(SentenceError, StoreError):  # over by now; a store in trouble is said as the page is drawn
            get_manager().stop(run_id, owner=read_owner())


def _show_runs(claim: Claim, drawn: Sequence[str], ticks: bool, dataset: str) -> None:
    """Draw the progress of the experiment, then its result, beside its curves."""
    runs = reload_runs(drawn)
    going_on = any(not run.status.is_over for run in runs)
    if len(runs) < len(drawn) or (ticks and not going_on):
        rerun_page()  # one was deleted meanwhile, or the timer and the button above belong to runs that go on
    words, picture = st.columns([5, 7], gap="medium")
    with words:
        if going_on:
            _progress(runs)
        else:
            _show_result(claim, runs)
    with picture:
        if claim.by_rate:
            chart = accuracy_by_lr_chart(runs, translate=_)
        else:
            names = dict.fromkeys(run.recipe.dataset for run in runs)
            groups = {name: build_series([run for run in runs if run.recipe.dataset == name]) for name in names}
            chart = steps_chart(groups, claim.measures, translate=_)
        key, alt = f"claims.chart.{claim.key}", _("What the runs of this experiment measured.")
        live_plot(chart, key=key, height=290, alt=alt, revision=f"{dataset} {runs[0].id}")


def _progress(runs: Sequence[Run]) -> None:
    done, whole = sum(run.step for run in runs), sum(run.recipe.train_iter for run in runs if not run.status.is_over)
    whole += sum(run.step for run in runs if run.status.is_over)
    text = _("{done:,} of {whole:,} iterations of all runs together").format(done=done, whole=whole)
    if not done:
        text = _("Waiting for the images, or for runs that started earlier.")
    st.progress(min(done / max(whole, 1), 1.0), text=text)


def _show_result(claim: Claim, runs: Sequence[Run]) -> None:
    result = decide(claim, runs, test_images=_count_test_images([run.recipe for run in runs]))
    if result.verdict is Verdict.SUPPORTED:
        st.badge(_("Held here"), color="green")
    elif result.verdict is Verdict.REFUTED:
        st.badge(_("Did not hold here"), color="orange")
    else:
        st.badge(_("Not decided here"), color="gray")
    for said in describe_results(result):
        if isinstance(said, ResultTable):
            number_table([say(name) for name in said.columns], [[say(cell) for cell in row] for row in said.rows])
            st.caption(as_markdown(say(said.note)))
        else:
            st.text(say(said))
    for message in dict.fromkeys(say(run.message) for run in runs if run.message):
        st.text(message)
    if st.button(_("Open in Compare"), key=f"claims.compare.{claim.key}"):
        st.session_state["compare.handed_over"] = [run.id for run in runs]
        st.switch_page("compare.py")
