"""Sweeps that go on or are over: their progress, and what they show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from mlpcore.data.download.sources import dataset_title
from mlpcore.runs.records import Run
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.trials import PRUNED, Sweep, judge
from pages.components.shared.flash import flash_errors, mark_page_stale
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import find_run, get_manager, get_sweeps, read_owner
from pages.components.shared.words import _, _n, say
from pages.components.sweep.budget_results import show_budget
from pages.components.sweep.extension import offer_more_trials
from pages.components.sweep.files import show_downloads
from pages.components.sweep.search_results import show_search
from pages.components.sweep.sensitivity_results import show_sensitivity


def find_sweeps(sweep_ids: Sequence[str]) -> list[Sweep]:
    """Return the sweeps that are kept here."""
    return [sweep for sweep_id in sweep_ids if (sweep := get_sweeps().get(sweep_id)) is not None]


def show_sweeps(sweeps: Sequence[Sweep]) -> None:
    """Show sweeps that were started together, updated every second while one goes on."""
    goes_on = any(not sweep.status.is_over for sweep in sweeps)
    show_fragment(_draw, [sweep.id for sweep in sweeps], goes_on, every=1.0 if goes_on else None)


def _draw(sweep_ids: Sequence[str], ticks: bool) -> None:
    sweeps = find_sweeps(sweep_ids)
    if not sweeps:
        st.text(_("This sweep was deleted."))
        return
    if ticks and all(sweep.status.is_over for sweep in sweeps):
        rerun_page()  # the timer and the buttons belong to a sweep that goes on
    waiting = [_read_waiting(sweep) for sweep in sweeps]  # once a tick: what is just over comes from the database
    for sweep, runs in zip(sweeps, waiting, strict=True):
        title = dataset_title(sweep.definition.rows[0].dataset) if len(sweeps) > 1 else ""
        _show_progress(sweep, list(runs.values()), title)
    latest = _with_latest(sweeps[0], waiting[0])
    if latest.definition.studies:
        show_budget(sweeps)
    elif is_search(latest):
        show_search(latest)
    else:
        show_sensitivity(latest)
    if all(sweep.status.is_over for sweep in sweeps):
        show_downloads(sweeps)


def is_search(sweep: Sweep) -> bool:
    """Return whether a sweep searches a space, rather than comparing rows at their best."""
    return not (sweep.definition.studies or sweep.definition.fresh_seeds)


def _read_waiting(sweep: Sweep) -> dict[str, Run]:
    """Return the runs of the trials without a result, by id."""
    return {run_id: run for trial in sweep.waiting for run_id in trial.run_ids if (run := find_run(run_id))}


def _with_latest(sweep: Sweep, waiting: Mapping[str, Run]) -> Sweep:
    """Give each trial that still trains the result that it has so far."""
    trials = []
    for trial in sweep.trials:
        runs = [waiting[run_id] for run_id in trial.run_ids if run_id in waiting] if trial.result is None else []
        if runs and all(run.evaluations for run in runs):
            trial = replace(trial, result=judge(runs))
        trials.append(trial)
    return replace(sweep, trials=tuple(trials))


def _show_progress(sweep: Sweep, waiting: Sequence[Run], title: str) -> None:
    """Say how far a sweep is, beside the buttons that pause and stop it; title: which of several it is."""
    manager, is_mine = get_manager(), sweep.belongs_to(read_owner())
    done = sum(trial.result is not None for trial in sweep.trials)
    whole = sweep.definition.count_trials()
    fresh = [trial for trial in sweep.trials if trial.is_fresh]
    share = sum(run.step / run.recipe.train_iter for run in waiting) / max(sweep.definition.seeds, 1)
    text = _("{done} of {whole} trials").format(done=min(done, whole), whole=whole)
    if fresh and not sweep.status.is_over:
        text = _("each row at its best, with fresh seeds")
        share, whole = sum(run.step / run.recipe.train_iter for run in waiting), max(len(waiting), 1)
        done = 0
    parts = [title, text] if title else [text]
    if pruned := sum(trial.result is not None and trial.result.status == PRUNED for trial in sweep.trials):
        parts.append(_("{count} pruned").format(count=pruned))
    if sweep.problem is not None:
        parts.append(say(sweep.problem))
    elif trouble := manager.trouble:
        parts.append(say(trouble))
    if sweep.status is not SweepStatus.RUNNING:
        parts.append(_(sweep.status.value))
    if nodes := manager.count_nodes(waiting[0].id) if waiting else 0:
        parts.append(_n("on {count} node", "on {count} nodes", nodes).format(count=nodes))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if sweep.status.is_over:
            st.text(" · ".join(parts))
        else:
            st.progress(min((done + share) / whole, 1.0), " · ".join(parts))
        if is_mine and not sweep.status.is_over:
            is_paused = sweep.status is SweepStatus.PAUSED
            st.button(
                _("Resume") if is_paused else _("Pause"),
                on_click=_ask,
                args=("resume" if is_paused else "pause", sweep.id),
                key=f"sweep.pause.{sweep.id}",
            )
            st.button(_("Stop"), on_click=_ask, args=("stop", sweep.id), key=f"sweep.stop.{sweep.id}")
        if is_search(sweep):
            offer_more_trials(sweep)


def _ask(what: str, sweep_id: str) -> None:
    mark_page_stale()
    with flash_errors("sweep.said"):
        getattr(get_sweeps(), what)(sweep_id, owner=read_owner())
