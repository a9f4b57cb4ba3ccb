"""Fair shares: computing time by person, what waits and what is refused, and runs that stop when nobody is there."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mlpcore.data.batches import DeviceImages
from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.executors.local import LocalExecutor
from mlpcore.jobs.fair_share import FairShare, TimeShares, choose_active
from mlpcore.jobs.manager import RunManager
from mlpcore.jobs.submission import MAX_SUBMISSIONS, MAX_SUBMISSIONS_PER_OWNER
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.training.lockstep import Progress, ProgressGenerator
from tests.support.clock import Clock
from tests.support.managers import (
    LONG,
    submit,
    timeless,
    train_alone,
    wait_for_end,
    wait_for_evaluations,
    wait_until,
)

ANN, BEN = "ann", "ben"


@dataclass(frozen=True)
class Work:
    owner: str
    number: int = 0


class TestChoice:
    ANNS = tuple(Work(ANN, number) for number in range(16))

    def test_one_persons_oldest_fill_the_places_while_they_are_alone(self) -> None:
        assert choose_active(self.ANNS, 4) == list(self.ANNS[:4])

    def test_somebody_else_has_a_place_though_sixteen_were_there_before(self) -> None:
        assert choose_active([*self.ANNS, Work(BEN)], 4) == [self.ANNS[0], Work(BEN), *self.ANNS[1:3]]

    def test_everybody_has_a_place_and_past_the_limit_nobody_has_a_second(self) -> None:
        crowd = [Work(f"person {number}", place) for number in range(30) for place in range(2)]
        assert choose_active(crowd, 4) == [work for work in crowd if work.number == 0]

    def test_nothing_is_chosen_of_nothing(self) -> None:
        assert choose_active([], 4) == []


class TestShares:
    def spend(
        self, shares: TimeShares[str], wanting: Sequence[str], costs: dict[str, float], seconds: float
    ) -> dict[str, float]:
        spent: dict[str, float] = defaultdict(float)
        while sum(spent.values()) < seconds:
            picked = shares.pick(wanting)
            shares.charge(picked, costs[picked])
            spent[picked] += costs[picked]
        return spent

    def test_seconds_are_shared_evenly_however_long_a_time_slice_of_each_is(self) -> None:
        spent = self.spend(TimeShares(), ["a", "b", "c"], {"a": 0.01, "b": 0.3, "c": 0.05}, 90.0)
        assert dict(spent) == {name: pytest.approx(30.0, abs=0.3) for name in "abc"}

    def test_who_comes_late_neither_catches_up_nor_waits(self) -> None:
        shares: TimeShares[str] = TimeShares()
        costs = {"a": 0.03, "b": 0.03}
        self.spend(shares, ["a"], costs, 100.0)
        assert dict(self.spend(shares, ["a", "b"], costs, 6.0)) == {name: pytest.approx(3.0, abs=0.1) for name in "ab"}

    def test_who_was_away_has_saved_up_nothing(self) -> None:
        shares: TimeShares[str] = TimeShares()
        costs = {"a": 0.03, "b": 0.03}
        self.spend(shares, ["a", "b"], costs, 6.0)
        self.spend(shares, ["a"], costs, 100.0)
        assert dict(self.spend(shares, ["a", "b"], costs, 6.0)) == {name: pytest.approx(3.0, abs=0.1) for name in "ab"}

    def test_a_long_time_slice_is_not_forgotten_by_staying_away(self) -> None:
        shares: TimeShares[str] = TimeShares()
        shares.charge(shares.pick(["a"]), 5.0)
        shares.charge(shares.pick(["b"]), 0.03)
        assert self.spend(shares, ["a", "b"], {"a": 0.03, "b": 0.03}, 4.5).keys() == {"b"}

    def test_of_one_person_every_work_has_the_same_share(self) -> None:
        shares: FairShare[Work] = FairShare()
        works = [Work(ANN, 0), Work(ANN, 1), Work(BEN, 0)]
        costs = {works[0]: 0.01, works[1]: 0.2, works[2]: 0.05}
        spent: dict[Work, float] = defaultdict(float)
        while sum(spent.values()) < 80.0:
            picked = shares.pick(works)
            shares.charge(picked, costs[picked])
            spent[picked] += costs[picked]
        expected = dict(zip(works, (20.0, 20.0, 40.0), strict=True))
        assert dict(spent) == {work: pytest.approx(seconds, abs=0.3) for work, seconds in expected.items()}


class TestTraining:
    def test_one_run_beside_another_persons_sixteen_gets_half_of_the_time(
        self, store: RunStore, library: DatasetLoader
    ) -> None:
        clock, done = Clock(), threading.Event()
        spent: dict[str, float] = defaultdict(float)

        def train(recipes: Sequence[Recipe], _images: DeviceImages, **_place: Any) -> ProgressGenerator[None]:
            owner, cost = (BEN, 0.05) if recipes[0].seed else (ANN, recipes[0].hidden_sizes[0] / 1000)
            step = 0
            while True:
                yield Progress(step, 0.0)
                step += 1
                clock.now += cost
                if BEN in spent or owner == BEN:
                    spent[owner] += cost if not done.is_set() else 0.0
                if sum(spent.values()) > 100.0:
                    done.set()

        manager = RunManager(store, library, clock=clock, executor=LocalExecutor(train))
        submit(manager, *[LONG.replace(hidden_sizes=(size,)) for size in range(10, 170, 10)], owner=ANN)
        (bens,) = submit(manager, LONG.replace(seed=1), owner=BEN)
        assert done.wait(30)
        assert spent[BEN] / spent[ANN] == pytest.approx(1.0, abs=0.2)
        active = {run.id for run in manager.list_active() if run.status is RunStatus.RUNNING}
        assert bens in active
        assert len(active) == 4
        manager.shutdown()

    def test_what_makes_room_is_queued_again_and_loses_nothing(
        self,
        store: RunStore,
        library: DatasetLoader,
        images: DeviceImages,
    ) -> None:
        manager = RunManager(store, library, executor=LocalExecutor(max_active=2))
        first, second = (submit(manager, LONG.replace(seed=seed, train_iter=3000), owner=ANN)[0] for seed in (1, 2))
        wait_for_evaluations(manager, second, 1)
        (bens,) = submit(manager, LONG, owner=BEN)
        wait_until(lambda: manager.get(second).status is RunStatus.QUEUED)
        wait_for_evaluations(manager, bens, 1)
        before = manager.get(second)
        wait_for_evaluations(manager, first, 1)
        assert manager.get(second) == before
        assert 0 < before.step < 3000
        manager.pause(second, owner=ANN)
        assert manager.get(second).status is RunStatus.PAUSED
        manager.resume(second, owner=ANN)
        manager.stop(bens, owner=BEN)
        for run in wait_for_end(manager, first, second):
            assert run.status is RunStatus.FINISHED
            assert timeless(run.evaluations) == train_alone(run.recipe, images)
        manager.shutdown()

    def test_everybodys_run_moves_however_many_they_are(self, manager: RunManager) -> None:
        ids = [submit(manager, LONG.replace(seed=number), owner=f"person {number}")[0] for number in range(9)]
        wait_until(lambda: all(manager.get(run_id).step for run_id in ids))
        assert {manager.get(run_id).status for run_id in ids} == {RunStatus.RUNNING}


class TestLimits:
    def test_one_person_cannot_fill_the_queue(self, manager: RunManager, store: RunStore) -> None:
        for _ in range(MAX_SUBMISSIONS_PER_OWNER):
            submit(manager, LONG, LONG, owner=ANN)
        sentence = r"^You already have 50 runs and comparisons waiting or training\. Try again when"
        with pytest.raises(SentenceError, match=sentence):
            submit(manager, LONG, owner=ANN)
        assert store.count() == 2 * MAX_SUBMISSIONS_PER_OWNER
        submit(manager, LONG, owner=BEN)

    def test_all_together_cannot_overfill_it(self, manager: RunManager, store: RunStore) -> None:
        for number in range(MAX_SUBMISSIONS):
            submit(manager, LONG, owner=f"person {number // 2}")
        sentence = r"^200 runs and comparisons are already waiting or training on this server\. Try again"
        with pytest.raises(SentenceError, match=sentence):
            submit(manager, LONG, owner="cleo")
        assert store.count() == MAX_SUBMISSIONS


class TestAbsence:
    SENTENCE = "Stopped because no page of this app had been open for 10 minutes, as was asked when it started."

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def manager(self, store: RunStore, library: DatasetLoader, clock: Clock) -> Iterator[RunManager]:
        manager = RunManager(store, library, clock=clock)
        yield manager
        manager.shutdown()

    @pytest.mark.parametrize("paused", [False, True])
    def test_a_run_that_was_to_stop_without_its_owner_does(
        self, manager: RunManager, clock: Clock, paused: bool
    ) -> None:
        (run_id,) = submit(manager, LONG, owner=ANN, stop_when_disconnected=True)
        measured = wait_for_evaluations(manager, run_id, 1)
        if paused:
            manager.pause(run_id, owner=ANN)
        clock.now += 601.0
        (run,) = wait_for_end(manager, run_id)
        assert (run.status, str(run.message)) == (RunStatus.STOPPED, self.SENTENCE)
        assert run.evaluations[:1] == measured.evaluations[:1]

    def test_it_goes_on_while_its_owner_is_seen(self, manager: RunManager, clock: Clock) -> None:
        (run_id,) = submit(manager, LONG, owner=ANN, stop_when_disconnected=True)
        for _ in range(3):
            clock.now += 599.0
            assert manager.note_seen(ANN)
            wait_for_evaluations(manager, run_id, 1)
        assert not manager.get(run_id).status.is_over

    def test_somebody_else_who_is_seen_keeps_it_from_nothing(self, manager: RunManager, clock: Clock) -> None:
        (run_id,) = submit(manager, LONG, owner=ANN, stop_when_disconnected=True)
        clock.now += 300.0
        assert not manager.note_seen(BEN)
        clock.now += 301.0
        assert str(wait_for_end(manager, run_id)[0].message) == self.SENTENCE

    def test_a_run_that_was_not_to_stop_goes_on_without_its_owner(self, manager: RunManager, clock: Clock) -> None:
        (run_id,) = submit(manager, LONG, owner=ANN)
        assert not manager.note_seen(ANN)
        clock.now += 1e6
        wait_for_evaluations(manager, run_id, 2)
        assert manager.get(run_id).status is RunStatus.RUNNING
