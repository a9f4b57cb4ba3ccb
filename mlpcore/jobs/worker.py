"""The training thread: it asks jobs for their next slices; `fair_share.py` chooses whose, an executor computes them."""

import logging
import threading
from collections.abc import Callable, Sequence

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors.contract import CutOff, Executor, Failed, Lost, Order, Progressed, Report, Training
from mlpcore.jobs.executors.local import explain_error
from mlpcore.jobs.fair_share import FairShare, choose_active
from mlpcore.jobs.memory import MemoryBudget
from mlpcore.jobs.messages import explain_absence, explain_losses
from mlpcore.jobs.queue import ActiveRun, Job, JobQueue
from mlpcore.jobs.recording import note_place, record
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import with_change
from mlpcore.runs.records import RunStatus
from mlpcore.training.lockstep import ChangeRun, RemoveRun

GRACE_SECONDS = 600.0  # for which the owner of a run that is set to stop without them may be away
POLL_SECONDS = 1.0  # between two checks for an owner's absence while nothing trains
FIRST_RETRY_SECONDS = 0.05  # after a defect of the thread; twice as long each time it repeats
LAST_RETRY_SECONDS = 30.0
MAX_LOSSES = 5  # of a training that measures nothing new; then its runs fail

log = logging.getLogger(__name__)


class Worker:
    """Trains the jobs of a queue: as many at a time as the executor can, but everybody's oldest in any case.

    Jobs start only while they fit in the memory budget; a paused job keeps its memory. No failure ends the thread: if
    a training fails, the runs of that job end as failed; if the worker itself fails, all do.
    clock: seconds, for time shares and absences.
    """

    def __init__(
        self,
        queue: JobQueue,
        library: DatasetLoader,
        budget: MemoryBudget,
        executor: Executor,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._library = library
        self._budget = budget
        self._executor = executor
        self._clock = clock
        self._shares: FairShare[Job] = FairShare()
        self._jobs: dict[Training, Job] = {}
        self._thread = threading.Thread(target=self._work, name="RunManager", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait at most so long for the thread to end; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        self._executor.open(self._queue.notify)
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
        self._executor.close()

    def _recover(self, error: BaseException, delay: float) -> None:
        """Fail all runs after a defect of this thread, and wait before it goes on: the defect may repeat."""
        with self._queue.lock:
            for job in self._queue.jobs():
                try:
                    self._fail(job, explain_error(error))
                except Exception:  # the other jobs must be ended all the same
                    log.debug("A run could not be ended either.", exc_info=True)
            self._queue.lock.wait_for(lambda: self._queue.is_closing, delay)

    def _train_next(self) -> None:
        for job in self._wait_for_jobs():
            self._ask(job)
        for training, report in self._executor.collect():
            if training in self._jobs:  # else it has ended meanwhile
                self._charge(self._jobs[training])
                self._take(self._jobs[training], training, report)

    def _wait_for_jobs(self) -> list[Job]:
        """Do what people asked, and wait until jobs can train or have reported; return those to ask now."""
        with self._queue.lock:
            while not self._queue.is_closing:
                for job in self._queue.jobs():
                    if job.asked_at is None:  # else it computes: what people ask takes effect between two slices
                        self._apply_requests(job)
                jobs = self._queue.jobs()
                chosen = self._choose(jobs)
                self._show_choice(chosen)
                picked = self._pick(chosen, sum(job.asked_at is not None and job.has_begun for job in jobs))
                if picked or self._executor.has_reports:
                    return picked
                self._queue.lock.wait(self._poll_interval())
        return []

    def _pick(self, chosen: Sequence[Job], computing: int) -> list[Job]:
        """Pick jobs to be asked, beside those that compute already."""
        ready = [job for job in chosen if job.asked_at is None and not job.is_loading]
        picked: list[Job] = []
        while ready and computing + len(picked) < self._executor.max_asked:
            picked.append(self._shares.pick(ready))
            ready.remove(picked[-1])
        return picked

    def _poll_interval(self) -> float | None:
        return POLL_SECONDS if any(job.stop_when_disconnected for job in self._queue.jobs()) else None

    def _choose(self, jobs: Sequence[Job]) -> list[Job]:
        """Choose the jobs that train now, also those whose images are still being loaded."""
        if self._executor.problem is not None:
            return []
        waiting = self._budget.find_waiting_reasons(jobs)
        may_train = [job for job in jobs if not job.paused and job not in waiting]
        chosen = choose_active(may_train, self._executor.max_active)
        return chosen + [job for job in jobs if job.must_complete_evaluation and job not in chosen]

    def _show_choice(self, chosen: Sequence[Job]) -> None:
        """Give jobs that have started the status of their turn."""
        for job in self._queue.jobs():
            if job.has_begun and not job.paused:
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

    def _ask(self, job: Job) -> None:
        """Ask a job for its next slice; start it before, if its images are there."""
        job.asked_at = self._clock()
        try:
            if job.training is None:
                self._start(job)
            # the first slice at once: a generator accepts commands only after its first item
            if job.training is not None:
                commands, job.commands = job.commands, []
                job.training.ask(commands)
                return
        except BaseException as error:  # of any kind: it is the job's, not the thread's
            log.exception("A run could not be started.")
            self._fail(job, explain_error(error))
        self._charge(job)

    def _charge(self, job: Job) -> None:
        if job.asked_at is not None:  # else it was cut off while it waited or was paused
            self._shares.charge(job, self._clock() - job.asked_at)
        job.asked_at = None

    def _start(self, job: Job) -> None:
        device = job.demand.device
        if job.loading is None:
            with self._queue.lock:
                if not self._budget.admit(job, self._queue.jobs()):  # a page has loaded other images meanwhile
                    return
                job.loading = self._library.request(job.source, self._executor.place_images(device))
            job.loading.images.add_done_callback(lambda _: self._queue.notify())
        if job.is_loading:
            return
        runs = [active for active in job.runs if not active.run.status.is_over]
        for position, active in enumerate(runs):
            active.position = position
        order = Order(
            recipes=[active.run.recipe for active in runs],
            versions=runs[0].run.versions,
            device=device,
            bytes=job.demand.bytes,
            keeps_snapshots=job.keeps_snapshots,
        )
        job.training = self._executor.start(order, job.loading.images.result())
        self._jobs[job.training] = job
        if job.has_begun:
            with self._queue.lock:
                note_place(job, job.training)
                job.set_status(RunStatus.PAUSED if job.paused else RunStatus.RUNNING)

    def _take(self, job: Job, training: Training, report: Report) -> None:
        """Take what a job's training has reported."""
        try:
            match report:
                case Progressed(progress):
                    with self._queue.lock:
                        note_place(job, training)
                        for ending in (ending for item in progress for ending in record(job, item)):
                            self._end(*ending)
                case Failed():
                    self._fail(job, report)
                case Lost(reason):
                    self._lose(job, reason)
                case CutOff(sentence) if not job.step:  # nothing is lost: it waits for the cluster
                    self._lose(job, str(sentence))
                case CutOff(sentence):
                    self._end_all(job, RunStatus.INTERRUPTED, sentence)
        except BaseException as error:  # of any kind: it is the job's, not the thread's
            log.exception("What a run has measured could not be taken.")
            self._fail(job, explain_error(error))

    def _lose(self, job: Job, reason: str) -> None:
        """Let a job whose training is lost start again from its recipes; what it has measured stays."""
        log.warning("A training was lost and starts again: %s", reason)
        with self._queue.lock:
            job.losses += 1
            if job.losses > MAX_LOSSES:
                self._fail(job, Failed(explain_losses(job.losses), reason))
                return
            self._close(job)
            job.commands.clear()  # the recipes have the changes
            job.pending = ()
            job.step_times.clear()
            job.set_status(RunStatus.PAUSED if job.paused else RunStatus.QUEUED)

    def _fail(self, job: Job, failure: Failed) -> None:
        with self._queue.lock:
            for active in job.runs:
                if not active.run.status.is_over:
                    active.update_run(traceback=failure.traceback)
            self._end_all(job, RunStatus.FAILED, failure.sentence)

    def _end_all(self, job: Job, status: RunStatus, message: Sentence) -> None:
        with self._queue.lock:
            for active in job.runs:
                if not active.run.status.is_over:
                    self._end(active, status, message)

    def _close(self, job: Job) -> None:
        if job.training is not None:
            self._jobs.pop(job.training, None)
            job.training.close()
        job.training = None

    def _end(
        self,
        active: ActiveRun,
        status: RunStatus,
        message: Sentence | None = None,
        last_losses: tuple[float, ...] = (),
    ) -> None:
        active.end(status, message, last_losses=last_losses)
        job = active.job
        if job.training is not None and status in (RunStatus.STOPPED, RunStatus.INTERRUPTED):
            job.commands.append(RemoveRun(active.position))  # whatever else ends a run, its training knows
        if job.is_over:
            self._close(job)
            job.loading = None  # frees their memory, unless the library keeps the images
        self._queue.lock.notify_all()  # runs that are over are stored at once
