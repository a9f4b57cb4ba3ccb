"""From recipes to new runs, and from runs to the jobs that train them in lockstep."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.queue import Job
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.training.device import pick_device_of
from mlpcore.training.lockstep import cohort_key
from mlpcore.training.matmul import usable_rule
from mlpcore.training.reproducibility import describe_environment


def build_runs(
    recipes: Sequence[Recipe], names: Sequence[str], owner: str, *, lesson: str = "", submission: str = ""
) -> list[Run]:
    """Build the records of new runs that are submitted together, or belong to what was submitted before."""
    submission = submission or secrets.token_hex(6)
    return [
        _build_run(recipe, name, owner, submission=submission, lesson=lesson)
        for recipe, name in zip(recipes, names, strict=True)
    ]


def build_continuations(ended: Sequence[Run], owner: str) -> list[Run]:
    """Build the records of runs that train these recipes to their end, with the same matrix products."""
    submission = secrets.token_hex(6)
    return [
        replace(
            _build_run(run.recipe, run.name, owner, submission=submission, lesson=run.lesson),
            versions=describe_environment(usable_rule(run.versions)),
            continues=run.id,
        )
        for run in ended
    ]


def _build_run(recipe: Recipe, name: str, owner: str, *, submission: str, lesson: str) -> Run:
    return Run(
        id=secrets.token_hex(6),
        name=name,
        recipe=recipe,
        status=RunStatus.QUEUED,
        created=time.time(),
        owner=owner,
        versions=describe_environment(None),
        submission=submission,
        lesson=lesson,
    )


def build_jobs(
    runs: Sequence[Run],
    budget: MemoryBudget,
    *,
    seen_at: float,
    stop_when_disconnected: bool = False,
    keep_snapshots: bool = True,
) -> list[Job]:
    """Build the jobs of runs that are submitted together: those that can train in lockstep and fit in memory share one.

    Raises SentenceError if a run's device is not here or one run alone does not fit.
    """
    cohorts: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        cohorts.setdefault((usable_rule(run.versions), *cohort_key(run.recipe)), []).append(run)
    jobs: list[Job] = []
    for cohort in cohorts.values():
        device = pick_device_of(cohort[0].recipe)
        for count, demand in budget.split([run.recipe for run in cohort], str(device)):
            part, cohort = cohort[:count], cohort[count:]
            job = Job(part, demand, stop_when_disconnected=stop_when_disconnected, seen_at=seen_at)
            job.keeps_snapshots = keep_snapshots
            jobs.append(job)
    return jobs
