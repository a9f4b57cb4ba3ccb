"""Who is alive on PostgreSQL: who holds a lock, and who lost it with the database's restart and takes it again."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.clock import Clock
from tests.support.managers import wait_until
from tests.support.postgresql import Cluster
from tests.support.store_child import start_child
from tests.support.stores import run, watch


@pytest.fixture
def stores(own_postgresql: Cluster, clock: Clock) -> Iterator[tuple[RunStore, RunStore]]:
    """One that has a run, and one that watches."""
    url = own_postgresql.url
    with closing(RunStore(url, clock=clock)) as first, closing(RunStore(url, clock=clock)) as second:
        first.create_many([run("a")])
        yield first, second


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_living_process_takes_its_lock_again_after_a_restart_and_keeps_its_runs(
    mode: str,
    stores: tuple[RunStore, RunStore],
    own_postgresql: Cluster,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    _first, second = stores
    assert watch(second.mark_interrupted, clock) == []
    own_postgresql.stop(mode)  # type: ignore[arg-type]
    own_postgresql.start()
    assert second.mark_interrupted() == []  # whether it has the lock again or not
    wait_until(lambda: own_postgresql.count_advisory_locks() == 1)
    wait_until(lambda: "The database is back" in caplog.text)
    assert watch(second.mark_interrupted, clock) == []
    assert second.get("a").status is RunStatus.RUNNING


def test_living_process_whose_session_is_ended_takes_its_lock_again(
    stores: tuple[RunStore, RunStore], own_postgresql: Cluster, clock: Clock
) -> None:
    _first, second = stores
    with own_postgresql.connect() as connection:
        holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
        (ended,) = connection.execute(holders).fetchall()
        connection.execute("SELECT pg_terminate_backend(%s)", ended)
        wait_until(lambda: connection.execute(holders).fetchall() not in ([], [ended]))  # it goes a little later
    assert watch(second.mark_interrupted, clock) == []


def test_two_minutes_begin_when_the_database_is_back(
    stores: tuple[RunStore, RunStore], own_postgresql: Cluster, clock: Clock
) -> None:
    first, second = stores
    first._liveness.close()
    assert watch(second.mark_interrupted, clock, seconds=110) == []
    own_postgresql.stop()
    own_postgresql.start()
    clock.now += 10
    assert watch(second.mark_interrupted, clock, seconds=110) == []
    clock.now += 10
    assert second.mark_interrupted() == ["a"]


def test_lock_that_nobody_looked_at_for_long_may_have_been_held_meanwhile(
    stores: tuple[RunStore, RunStore], clock: Clock
) -> None:
    first, second = stores
    first._liveness.close()
    assert second.mark_interrupted() == []
    clock.now += 3600
    assert watch(second.mark_interrupted, clock, seconds=110) == []
    clock.now += 10
    assert second.mark_interrupted() == ["a"]


def test_killed_process_loses_its_lock_at_once(own_postgresql: Cluster) -> None:
    script = "RunStore(sys.argv[1]).create_many([run('x')]); print(flush=True); sys.stdin.read()"
    with start_child(script, own_postgresql.url) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert own_postgresql.count_advisory_locks() == 1
        child.kill()
    wait_until(lambda: own_postgresql.count_advisory_locks() == 0)


def test_closed_store_leaves_no_session_behind(own_postgresql: Cluster) -> None:
    with closing(RunStore(own_postgresql.url)) as store:
        store.create_many([run("a")])
    with own_postgresql.connect() as connection:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mlp-playground'"
        wait_until(lambda: connection.execute(sessions).fetchone() == (0,))
