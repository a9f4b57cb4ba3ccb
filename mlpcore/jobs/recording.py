"""Record what the training of a job has measured, once, though a training that was lost repeats it elsewhere."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from mlpcore.jobs.executors.contract import Training
from mlpcore.jobs.messages import DIFFERS, explain_divergence
from mlpcore.jobs.queue import ActiveRun, Job
from mlpcore.messages import Sentence
from mlpcore.runs.records import RunStatus
from mlpcore.training.lockstep import Progress

RATE_SECONDS = 3.0  # over which a run's iterations per second are measured


class Ending(NamedTuple):
    """How a run ends."""

    active: ActiveRun
    status: RunStatus
    message: Sentence | None = None
    last_losses: tuple[float, ...] = ()


def note_place(job: Job, training: Training) -> None:
    """Record on which device a job trains, and what its last digits depend on. The caller holds the queue's lock."""
    for active in job.runs:
        run = active.run
        if run.status.is_over:
            continue
        if run.device != training.device:
            active.update_run(device=training.device)
        if training.versions and training.versions != run.versions:
            active.found_versions = training.versions
            active.update_run(versions=training.versions)


def record(job: Job, progress: Progress) -> Iterator[Ending]:
    """Record a job's progress; yield the runs that end with it. The caller holds the queue's lock."""
    _note_step(job, progress)
    for active in job.runs:
        if active.run.status.is_over:
            continue
        position = active.position
        if (evaluation := progress.evaluations.get(position)) is not None:
            known = active.recall(evaluation.step)
            if known is None:
                active.add_evaluation(evaluation, progress.snapshots.get(position))
                job.losses = 0
            elif replace(known, seconds=evaluation.seconds) != evaluation:
                yield Ending(active, RunStatus.INTERRUPTED, DIFFERS)
                continue
        # a step counts once its evaluation is complete: a shutdown may come before that
        if (step := progress.step - (position in progress.pending)) >= active.run.step:
            active.update_run(step=step, seconds=progress.seconds)
        if (status := progress.over.get(position)) is not None:
            message = explain_divergence(progress.step) if status is RunStatus.DIVERGED else None
            yield Ending(active, status, message, progress.last_losses.get(position, ()))


def _note_step(job: Job, progress: Progress) -> None:
    job.step, job.pending = max(progress.step, job.step), progress.pending
    now = time.monotonic()
    job.step_times.append((now, progress.step))
    while now - job.step_times[0][0] > RATE_SECONDS:
        job.step_times.popleft()
