"""From recipes to new runs, from runs to the jobs that train them in lockstep, and how many may wait."""

import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from mlpcore.jobs import messages
from mlpcore.jobs.executors.contract import Executor
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.queue import Job, JobQueue
from mlpcore.messages import SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import Recipe, fork_recipe
from mlpcore.runs.records import LONGEST_NAME, RECORD_BYTES, Run, RunStatus
from mlpcore.training.kernels.matmul import usable_rule
from mlpcore.training.lockstep import cohort_key
from mlpcore.training.reproducibility import describe_environment

MAX_SUBMISSIONS = 200  # that may wait or train; a comparison with all its rows and seeds is one
MAX_SUBMISSIONS_PER_OWNER = 50
SHARE_OF_RECORDS = 0.1  # of the memory budget, for the records of runs that wait; half of it for one person's


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


def build_fork(parent: Run, owner: str, step: int, values: dict[str, float], *, lesson: str) -> Run:
    """Build the record of a run that repeats another one, with the same matrix products, until it changes these values.

    Raises ValueError if they do not fit the recipe.
    """
    recipe = fork_recipe(parent.recipe, step, values)
    told = " ".join(f"{name} {exact_number(value)}" for name, value in values.items())
    run = _build_run(
        recipe, f"{told} from {step}"[:LONGEST_NAME].strip(), owner, submission=secrets.token_hex(6), lesson=lesson
    )
    return replace(run, versions=describe_environment(usable_rule(parent.versions)), forked_from=parent.id)


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
    executor: Executor,
    queue: JobQueue,
    *,
    seen_at: float,
    stop_when_disconnected: bool = False,
    keep_snapshots: bool = True,
) -> list[Job]:
    """Build the jobs of runs that are submitted together: those that can train in lockstep and fit in memory share one.

    Where more cohorts can compute at a time than there are in the queue, they are smaller and more of them.

    Raises SentenceError if a run's device is not here or one run alone does not fit.
    """
    cohorts: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        cohorts.setdefault((usable_rule(run.versions), *cohort_key(run.recipe)), []).append(run)
    jobs: list[Job] = []
    for cohort in cohorts.values():
        device = executor.pick_device(cohort[0].recipe)  # first: before, a cluster may not be known
        most_runs = math.ceil(len(runs) / max(executor.max_asked - len(queue.jobs()), 1))
        for count, demand in budget.split([run.recipe for run in cohort], device, most_runs=most_runs):
            part, cohort = cohort[:count], cohort[count:]
            job = Job(part, demand, stop_when_disconnected=stop_when_disconnected, seen_at=seen_at)
            job.keeps_snapshots = keep_snapshots
            jobs.append(job)
    return jobs


def refuse_too_many(jobs: Sequence[Job], count: int, owner: str, budget: MemoryBudget) -> None:
    """Raise SentenceError if so many new runs of a person, beside these jobs, are more than may wait."""
    own = [job for job in jobs if job.owner == owner]
    if len({job.submission for job in jobs}) >= MAX_SUBMISSIONS:
        raise SentenceError(messages.TOO_MANY_SUBMISSIONS, limit=MAX_SUBMISSIONS)
    if len({job.submission for job in own}) >= MAX_SUBMISSIONS_PER_OWNER:
        raise SentenceError(messages.TOO_MANY_SUBMISSIONS_OF_OWNER, limit=MAX_SUBMISSIONS_PER_OWNER)
    most = int(SHARE_OF_RECORDS * budget.total("cpu") / RECORD_BYTES)
    in_all, of_owner = (sum(len(job.runs) for job in some) for some in (jobs, own))
    room = max(min(most - in_all, most // 2 - of_owner), 0)
    if count > room:
        raise SentenceError(messages.TOO_MANY_RUNS, count=count, room=room)
