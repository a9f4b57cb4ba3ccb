"""A PostgreSQL that restarts, crashes, is away or has no free connection: training goes on, and nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from mlpcore.runs.store import RunStore
from tests.stress.killed import find_lost
from tests.support.image_folders import make_tiny
from tests.support.postgresql import Cluster
from tests.support.trainer_process import Said, Trainer

Outage = Callable[[Cluster], AbstractContextManager[None]]


@contextmanager
def away(cluster: Cluster) -> Iterator[None]:
    cluster.stop("fast")
    yield
    cluster.start()


@contextmanager
def crashed(cluster: Cluster) -> Iterator[None]:
    cluster.stop("immediate")
    yield
    cluster.start()


@contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    with cluster.without_free_connections():
        yield


@contextmanager
def silent(cluster: Cluster) -> Iterator[None]:
    with cluster.frozen():
        yield


@pytest.mark.parametrize(
    ("outage", "sentence"),
    [
        (away, "The database of the runs cannot be reached"),
        (crashed, "The database of the runs cannot be reached"),
        (full, "The database of the runs has no free connection"),
        (silent, "The database of the runs cannot be reached"),
    ],
)
def test_outage_stops_no_run_is_said_and_loses_nothing(
    outage: Outage, sentence: str, tmp_path: Path, own_postgresql: Cluster
) -> None:
    make_tiny(tmp_path / "data")
    url = own_postgresql.url
    with Trainer(home=tmp_path / "home", data=tmp_path / "data", train_iter=100_000, store=url) as trainer:
        trainer.wait_for(lambda: trainer.said)
        with outage(own_postgresql):
            trainer.wait_for(lambda: any(str(trouble).startswith(sentence) for trouble in trainer.troubles))
            aim = len(trainer.said) + 2 * len(trainer.run_ids)
            trainer.wait_for(lambda: len(trainer.said) >= aim)  # training does not wait
        trainer.wait_for(lambda: trainer.troubles[-1] is None)
        said = list(trainer.said)
        with closing(RunStore(url)) as store:

            def find_missing() -> list[Said]:
                return find_lost(said, [store.get(run_id) for run_id in trainer.run_ids])

            trainer.wait_for(lambda: find_missing() == [])
