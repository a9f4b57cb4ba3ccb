"""The training thread: it gives one job at a time a time slice; `fair_share.py` chooses which."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence

import torch

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.fair_share import FairShare, choose_active
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.messages import explain_absence, explain_divergence, explain_failure
from mlpcore.jobs.queue import ActiveRun, Job, JobQueue
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import with_change
from mlpcore.runs.records import RunStatus
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import ChangeRun, Progress, ProgressGenerator, RemoveRun
from mlpcore.training.matmul import usable_rule
from mlpcore.training.reproducibility import count_threads

GRACE_SECONDS = 600.0  # for which the owner of a run that is set to stop without them may be away
POLL_SECONDS = 1.0  # between two checks for an owner's absence while nothing trains
FIRST_RETRY_SECONDS = 0.05  # after a defect of the thread; twice as long each time it repeats
LAST_RETRY_SECONDS = 30.0
RATE_SECONDS = 3.0  # over which a run's iterations per second are measured

Train = Callable[..., ProgressGenerator[None]]  # as train_cohort
log = logging.getLogger(__name__)


class Worker:
    """Trains the jobs of a queue: at most `max_active` at a time, but everybody's oldest in any case.

    Jobs start only while they fit in the memory budget; a paused job keeps its memory. No failure ends the thread: if
    a training fails, the runs of that job end as failed; if the worker itself fails, all do.
    clock: seconds, for time shares and absences. train: trains a cohort, as `train_cohort` does.
    """

    def __init__(
        self,
        queue: JobQueue,
        library: DatasetLoader,
        budget: MemoryBudget,
        *,
        max_active: int,
        clock: Callable[[], float],
        train: Train,
    ) -> None:
        self._queue = queue
        self._library = library
        self._budget = budget
        self._max_active = max_active
        self._clock = clock
        self._train = train
        self._shares: FairShare[Job] = FairShare()
        self._thread = threading.Thread(target=self._work, name="RunManager", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait at most so long for the thread to end; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        torch.set_num_threads(count_threads())
        delay = 0.0  # of the last retry
        while not self._queue.is_closing:
            try:
                self._train_next()
                delay = 0.0
            except BaseException as error:  # a defect here must not leave runs that never end
                if delay == 0.0:  # one that repeats would flood the log
                    log.exception("The training thread failed, and all runs with it.")
                delay = min(2 * delay or FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
                self._recover(error, delay)

    def _recover(self, error: BaseException, delay: float) -> None:
        """Fail all runs after a defect of this thread, and wait before it goes on: the defect may repeat."""
        with self._queue.lock:
            for job in self._queue.jobs():
                try:
                    self._fail(job, error)
                except Exception:  # the other jobs must be ended all the same
                    log.debug("A run could not be ended either.", exc_info=True)
            self._queue.lock.wait_for(lambda: self._queue.is_closing, delay)

    def _train_next(self) -> None:
        job = self._wait_for_job()
        if job is None:
            return
        started_at = self._clock()
        self._train_slice(job)
        self._shares.charge(job, self._clock() - started_at)

    def _wait_for_job(self) -> Job | None:
        """Do what people asked, and wait for a job that can train; None if the queue closes."""
        with self._queue.lock:
            while not self._queue.is_closing:
                for job in self._queue.jobs():
                    self._apply_requests(job)
                chosen = self._choose(self._queue.jobs())
                self._show_choice(chosen)
                if ready := [job for job in chosen if not job.is_loading]:
                    return self._shares.pick(ready)
                self._queue.lock.wait(self._poll_interval())
        return None

    def _poll_interval(self) -> float | None:
        return POLL_SECONDS if any(job.stop_when_disconnected for job in self._queue.jobs()) else None

    def _choose(self, jobs: Sequence[Job]) -> list[Job]:
        """Choose the jobs that train now, also those whose images are still being loaded."""
        waiting = self._budget.find_waiting_reasons(jobs)
        chosen = choose_active([job for job in jobs if not job.paused and job not in waiting], self._max_active)
        return chosen + [job for job in jobs if job.must_complete_evaluation and job not in chosen]

    def _show_choice(self, chosen: Sequence[Job]) -> None:
        """Give jobs that have started the status of their turn."""
        for job in self._queue.jobs():
            if job.training is not None and not job.paused:
                job.set_status(RunStatus.RUNNING if job in chosen else RunStatus.QUEUED)
            if job not in chosen:
                job.step_times.clear()  # otherwise it would seem to train as fast as before

    def _apply_requests(self, job: Job) -> None:
        is_disconnected = job.stop_when_disconnected and self._clock() - job.seen_at > GRACE_SECONDS
        if not job.has_requests and not is_disconnected:
            return
        runs = [active for active in job.runs if not active.run.status.is_over]
        for active in runs:
            if is_disconnected and not active.stop_requested:
                active.request_stop(explain_absence(GRACE_SECONDS))
            requested, active.requested_change = active.requested_change, {}
            if requested and job.step < active.run.recipe.train_iter:  # after the last iteration nothing can change
                self._change(active, requested)
            if active.stop_requested and active.position not in job.pending:
                self._end(active, RunStatus.STOPPED, active.stop_message)
                if job.training is not None:
                    job.commands.append(RemoveRun(active.position))
        job.has_requests = any(active.stop_requested and not active.run.status.is_over for active in runs)

    def _change(self, active: ActiveRun, requested: dict[str, float]) -> None:
        job = active.job
        try:
            recipe = with_change(active.run.recipe, job.step, requested)
        except ValueError:  # valid when it was requested, but by now one change too many
            log.warning("A change of run %s is left out.", active.run.id, exc_info=True)
            return
        active.update_run(recipe=recipe)
        if job.training is not None:
            job.commands.append(ChangeRun(active.position, recipe.changes[-1]))

    def _train_slice(self, job: Job) -> None:
        """Start a job, or train it for one time slice."""
        try:
            if job.training is None:
                self._start(job)
            # with the first slice at once: a generator accepts commands only after its first item
            if job.training is not None:
                commands, job.commands = job.commands, []
                self._record(job, job.training.send(commands or None))
        except BaseException as error:  # of any kind: it is the job's, not the thread's
            log.exception("A run failed.")
            self._fail(job, error)

    def _start(self, job: Job) -> None:
        recipe = job.runs[0].run.recipe
        device = pick_device(recipe.device)
        if job.loading is None:
            with self._queue.lock:
                if not self._budget.admit(job, self._queue.jobs()):  # a page has loaded other images meanwhile
                    return
                job.loading = self._library.request(recipe.dataset, device)
            job.loading.images.add_done_callback(lambda _: self._queue.notify())
        if job.is_loading:
            return
        runs = [active for active in job.runs if not active.run.status.is_over]
        for position, active in enumerate(runs):
            active.position = position
        recipes, images = [active.run.recipe for active in runs], job.loading.images.result()
        job.training = self._train(recipes, images, device=device, rule=usable_rule(runs[0].run.versions))
        with self._queue.lock:
            for active in runs:
                active.update_run(device=str(device))
            job.set_status(RunStatus.PAUSED if job.paused else RunStatus.RUNNING)

    def _record(self, job: Job, progress: Progress) -> None:
        now = time.monotonic()
        with self._queue.lock:
            job.step, job.pending = progress.step, progress.pending
            job.step_times.append((now, progress.step))
            while now - job.step_times[0][0] > RATE_SECONDS:
                job.step_times.popleft()
            for active in job.runs:
                if active.run.status.is_over:
                    continue
                position = active.position
                if position in progress.evaluations:
                    active.add_evaluation(progress.evaluations[position], progress.snapshots[position])
                # a step counts once its evaluation is complete: a shutdown may come before that
                active.update_run(step=progress.step - (position in progress.pending), seconds=progress.seconds)
                if (status := progress.over.get(position)) is not None:
                    message = explain_divergence(progress.step) if status is RunStatus.DIVERGED else None
                    self._end(active, status, message, last_losses=progress.last_losses.get(position, ()))

    def _fail(self, job: Job, error: BaseException) -> None:
        with self._queue.lock:
            for active in job.runs:
                if not active.run.status.is_over:
                    active.update_run(traceback="".join(traceback.format_exception(error)))
                    self._end(active, RunStatus.FAILED, explain_failure(error))

    def _end(
        self,
        active: ActiveRun,
        status: RunStatus,
        message: Sentence | None = None,
        *,
        last_losses: tuple[float, ...] = (),
    ) -> None:
        active.end(status, message, last_losses=last_losses)
        job = active.job
        if job.is_over:
            if job.training is not None:
                job.training.close()
            job.training = job.loading = None  # frees its memory; the library may keep the images
        self._queue.lock.notify_all()  # runs that are over are stored at once
