"""Two servers on one database: what is asked on one reaches the other, which trains; nobody takes what is alive."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mlpcore.data.loader import DatasetLoader
from mlpcore.jobs.control.neighbours import Neighbours
from mlpcore.jobs.manager import RunManager
from mlpcore.messages import SentenceError
from mlpcore.runs.people.rights import Rights
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.clock import Clock
from tests.support.managers import LONG, ME, STRANGER, submit, wait_for_end, wait_for_evaluations, wait_until

Pair = tuple[RunManager, RunManager]


@pytest.fixture
def servers(open_store: Callable[[], RunStore], library: DatasetLoader, clock: Clock) -> Iterator[Pair]:
    """One that trains, and one on whose pages people click."""
    with ExitStack() as stack:
        trains, shows = (RunManager(open_store(), library, clock=clock) for _ in range(2))
        for manager in (trains, shows):
            stack.callback(manager.shutdown)
        yield trains, shows


def test_run_is_shown_live_paused_changed_resumed_and_stopped_from_the_other_server(servers: Pair) -> None:
    trains, shows = servers
    (run_id,) = submit(trains, LONG)
    wait_for_evaluations(trains, run_id, 1)
    wait_until(lambda: len(shows.get(run_id).evaluations) >= 2)
    assert [run.id for run in shows.list_everywhere()] == [run_id]
    assert shows.list_active() == []
    shows.pause(run_id, owner=ME)
    wait_until(lambda: shows.get(run_id).status is RunStatus.PAUSED)
    shows.change(run_id, owner=ME, lr=0.002)
    shows.resume(run_id, owner=ME)
    wait_until(lambda: [change.lr for change in shows.get(run_id).recipe.changes] == [0.002])
    wait_until(lambda: shows.get(run_id).status is RunStatus.RUNNING)
    shows.stop(run_id, owner=ME)
    (ended,) = wait_for_end(shows, run_id)
    assert (ended.status, ended.message) == (RunStatus.STOPPED, None)
    assert trains.get(run_id) == ended


def test_only_those_who_may_ask_from_the_other_server(servers: Pair) -> None:
    trains, shows = servers
    (run_id,) = submit(trains, LONG)
    for ask in (shows.stop, shows.pause, shows.resume):
        with pytest.raises(SentenceError, match="Only the person who started this run can do that"):
            ask(run_id, owner=STRANGER)
    shows._stored_runs.rights = shows._control._rights = Rights(["an admin"])
    with pytest.raises(SentenceError, match="Only the person who started this run can do that"):
        shows.pause(run_id, owner="an admin")
    shows.stop(run_id, owner="an admin")
    assert wait_for_end(shows, run_id)[0].status is RunStatus.STOPPED
    with pytest.raises(SentenceError, match="already over"):
        shows.stop(run_id, owner=ME)


def test_change_out_of_range_is_refused_on_the_page_where_it_is_asked(servers: Pair) -> None:
    trains, shows = servers
    (run_id,) = submit(trains, LONG)
    wait_for_evaluations(trains, run_id, 1)
    with pytest.raises(ValueError, match="lr"):
        shows.change(run_id, owner=ME, lr=-1.0)


def test_run_that_stops_without_its_owner_goes_on_while_a_page_is_open_on_the_other_server(
    servers: Pair, clock: Clock
) -> None:
    trains, shows = servers
    submit(trains, LONG, stop_when_disconnected=True)
    (job,) = trains._queue.jobs()
    clock.now += 300.0
    shows.neighbours._tell_who_is_here()  # of nobody
    shows.note_seen(STRANGER)
    shows.note_seen(ME)
    shows.neighbours._tell_who_is_here()
    wait_until(lambda: job.seen_at == clock.now)


def test_run_that_the_other_server_continues_is_not_continued_twice(servers: Pair) -> None:
    trains, shows = servers
    (run_id,) = submit(trains, LONG)
    wait_for_evaluations(trains, run_id, 1)
    trains.stop(run_id, owner=ME)
    wait_for_end(trains, run_id)
    again = trains.continue_runs([run_id], owner=ME)
    assert shows.continue_runs([run_id], owner=ME) == again


def test_its_thread_ends_when_it_is_closed(open_store: Callable[[], RunStore]) -> None:
    store, before = open_store(), set(threading.enumerate())
    neighbours = Neighbours(store)
    (thread,) = set(threading.enumerate()) - before
    neighbours.close(60.0)
    assert not thread.is_alive()
