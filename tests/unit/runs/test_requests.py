"""Requests reach the process that they are for, in their order, once, and nobody else."""

from collections.abc import Callable
from contextlib import closing

from mlpcore.runs.servers.requests import Request
from mlpcore.runs.store import RunStore
from tests.support.clock import Clock
from tests.support.present import present
from tests.support.stores import count_rows, find_left, run


def test_requests_reach_their_process_once_and_in_order(open_store: Callable[[], RunStore]) -> None:
    asking, asked, other = open_store(), open_store(), open_store()
    for store, run_id in ((asked, "a"), (other, "b")):
        store.create_many([run(run_id)])
    server = present(asking.read_state("a")).server
    assert server != present(asking.read_state("b")).server
    asking.requests.send(server, "change", "a", lr=0.1 + 0.2)
    asking.requests.send(server, "stop", "a")
    assert asking.requests.take() == other.requests.take() == []
    assert asked.requests.take() == [Request("change", "a", {"lr": 0.1 + 0.2}), Request("stop", "a", {})]
    assert asked.requests.take() == []


def test_requests_to_a_dead_process_go_with_its_runs(open_store: Callable[[], RunStore], clock: Clock) -> None:
    store = open_store()
    with closing(open_store()) as dead:
        dead.create_many([run()])
        store.requests.send(present(store.read_state("a")).server, "stop", "a")
    assert find_left(store.mark_interrupted, clock) == ["a"]
    assert count_rows(store, "requests") == 0
