"""The thread that trains: one slice of one cohort after another, whose turn it is by fair shares."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence

import torch

from mlpcore.data.batches import DeviceImages
from mlpcore.data.residency import ImageLibrary
from mlpcore.jobs.failure_messages import explain_absence, explain_end, explain_failure
from mlpcore.jobs.fair_share import FairShare, choose_active
from mlpcore.jobs.queue import ActiveRun, Job, JobQueue, find_obstacle
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe, with_change
from mlpcore.runs.records import RunStatus
from mlpcore.training.device import pick_device
from mlpcore.training.lockstep import Edit, Leave, Offers, Progress, train_cohort

GRACE_SECONDS = 600.0  # for which somebody may be away whose run is to stop when they are gone
LOOK_SECONDS = 1.0  # between two looks at whether an owner is gone, while nothing trains
PACE_SECONDS = 3.0  # over which the pace of a run is measured

Train = Callable[[Sequence[Recipe], DeviceImages, torch.device], Offers[None]]
log = logging.getLogger(__name__)


def train_on(recipes: Sequence[Recipe], images: DeviceImages, device: torch.device) -> Offers[None]:
    """Train recipes in lockstep."""
    return train_cohort(recipes, images, device=device)


class Worker:
    """Trains what is on the roster; at most `max_active` cohorts at a time, but everybody's oldest in any case.

    How many may have begun is bounded (`find_obstacle`): a paused one keeps its memory.

    No failure ends it: one of training, of whatever kind, ends that cohort's runs as failed; one of its own, all that
    are in its hands. Then it goes on.
    clock: seconds, by which turns are shared and absences measured. train: what makes the generator of a cohort.
    """

    def __init__(
        self,
        roster: JobQueue,
        library: ImageLibrary,
        *,
        max_active: int,
        clock: Callable[[], float],
        train: Train,
    ) -> None:
        self._roster = roster
        self._library = library
        self._max_active = max_active
        self._clock = clock
        self._train = train
        self._turns: FairShare[Job] = FairShare()
        self._thread = threading.Thread(target=self._work, name="RunManager", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, for so long at most."""
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._roster.is_closing:
            try:
                self._take_turn()
            except BaseException as error:  # a defect here must not leave runs that go on for ever
                log.exception("The thread that trains failed, and all runs with it.")
                for group in self._roster.groups():
                    self._fail(group, error)

    def _take_turn(self) -> None:
        with self._roster.lock:
            self._roster.lock.wait_for(self._has_work, timeout=self._pause())
            if self._roster.is_closing:
                return
            for member in self._roster.active():
                self._take_up_requests(member)
            ready = self._find_ready()
            if not ready:
                return
            group = self._turns.pick(ready)
        began = self._clock()
        self._advance(group)
        self._turns.charge(group, self._clock() - began)

    def _has_work(self) -> bool:
        asked = any(member.stop_requested or member.requested for member in self._roster.active())
        return self._roster.is_closing or asked or bool(self._find_ready())

    def _pause(self) -> float | None:
        return LOOK_SECONDS if any(member.stop_when_disconnected for member in self._roster.active()) else None

    def _find_ready(self) -> list[Job]:
        """Find the groups that can have a turn; those that began and have none for now are shown as queued."""
        begun = self._roster.count_begun()
        awake = [group for group in self._roster.groups() if not group.paused and not find_obstacle(group, begun)]
        active = choose_active(awake, self._max_active)
        for group in awake:
            if group.training is not None:
                group.show(RunStatus.RUNNING if group in active else RunStatus.QUEUED)
            if group not in active:
                group.ticks.clear()  # else it would seem to have the pace that it had before
        return [group for group in active if not group.is_loading]

    def _take_up_requests(self, member: ActiveRun) -> None:
        group = member.group
        knobs, member.requested = member.requested, {}
        if knobs and group.step < member.run.recipe.train_iter:  # past the last iteration there is none left to change
            self._change(member, knobs)
        is_gone = member.stop_when_disconnected and self._clock() - member.seen_at > GRACE_SECONDS
        if member.stop_requested or is_gone:
            self._end(member, RunStatus.STOPPED, None if member.stop_requested else explain_absence(GRACE_SECONDS))
            if group.training is not None:
                group.outbox.append(Leave(member.position))

    def _change(self, member: ActiveRun, knobs: dict[str, float]) -> None:
        group = member.group
        try:
            recipe = with_change(member.run.recipe, group.step, knobs)
        except ValueError:  # it fitted when it was asked for: by now it would be one change too many
            log.warning("A change of run %s is left out.", member.run.id, exc_info=True)
            return
        member.update(recipe=recipe)
        if group.training is not None:
            group.outbox.append(Edit(member.position, recipe.changes[-1]))

    def _advance(self, group: Job) -> None:
        """Let a group train for one slice, or begin."""
        try:
            if group.training is None:
                self._begin(group)
            # the first slice at once: a generator takes nothing in before its first item
            if group.training is not None:
                sent, group.outbox = group.outbox, []
                self._record(group, group.training.send(sent or None))
        except BaseException as error:  # a failure of any kind is the run's, not the thread's
            log.exception("A run failed.")
            self._fail(group, error)

    def _begin(self, group: Job) -> None:
        recipe = group.members[0].run.recipe
        device = pick_device(recipe.device)
        if group.loading is None:
            group.loading = self._library.request(recipe.dataset, device)
            group.loading.images.add_done_callback(lambda _: self._roster.notify())
        if group.is_loading:
            return
        members = [member for member in group.members if not member.run.status.is_over]
        for position, member in enumerate(members):
            member.position = position
        images = group.loading.images.result()
        group.training = self._train([member.run.recipe for member in members], images, device)
        with self._roster.lock:
            for member in members:
                member.update(device=str(device))
            group.show(RunStatus.PAUSED if group.paused else RunStatus.RUNNING)

    def _record(self, group: Job, progress: Progress) -> None:
        now = time.monotonic()
        with self._roster.lock:
            group.step = progress.step
            group.ticks.append((now, progress.step))
            while now - group.ticks[0][0] > PACE_SECONDS:
                group.ticks.popleft()
            for member in group.members:
                if member.run.status.is_over:
                    continue
                if member.position in progress.evaluations:
                    member.add(progress.evaluations[member.position], progress.snapshots[member.position])
                member.update(step=progress.step, seconds=progress.seconds)
                if member.position in progress.over:
                    self._end(member, progress.over[member.position], explain_end(progress, member.position))

    def _fail(self, group: Job, error: BaseException) -> None:
        with self._roster.lock:
            for member in group.members:
                if not member.run.status.is_over:
                    member.update(traceback="".join(traceback.format_exception(error)))
                    self._end(member, RunStatus.FAILED, explain_failure(error))

    def _end(self, member: ActiveRun, status: RunStatus, message: Sentence | None = None) -> None:
        member.end(status, message)
        group = member.group
        if group.is_over and group.training is not None:
            group.training.close()
            group.training = None
        if group.is_over:
            group.loading = None  # its images are others' to keep
        self._roster.lock.notify_all()  # what is over is stored at once
