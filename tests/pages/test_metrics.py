"""What Prometheus reads of a real server, taken apart by Prometheus' own parser."""

import asyncio
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from tests.support.image_folders import TINY, make_tiny, share_shapes
from tests.support.managers import wait_until
from tests.support.paths import ROOT
from tests.support.servers import Server, serving
from tests.support.stores import run
from tests.support.websocket_guest import Guest

TOKEN = "a token that only Prometheus knows"
Figures = dict[tuple[str, ...], float]  # by name and values of labels


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, drawn_shapes: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    make_tiny(folder / "data")
    share_shapes(folder / "data", drawn_shapes)
    (folder / "home").mkdir()
    with closing(RunStore(f"sqlite:///{folder / 'home' / 'runs.sqlite3'}")) as store:
        store.create_many([run("old", name="Anna's run", owner="person:anna", status=RunStatus.FAILED)])
    with serving(folder, data=folder / "data", MLPCORE_MEMORY_GB="2", MLPCORE_METRICS_TOKEN=TOKEN) as server:
        yield server


def read(server: Server, authorization: str = f"Bearer {TOKEN}") -> tuple[str, Figures]:
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": authorization})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return text, {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def test_it_tells_runs_queue_speed_delay_and_memory_and_nothing_about_anybody(server: Server) -> None:
    _text, quiet = read(server)
    assert quiet["mlpcore_store_up",] == 1
    assert quiet["mlpcore_runs", "failed"] == 1
    assert [quiet["mlpcore_runs", status] for status in ("queued", "running", "finished")] == [0, 0, 0]
    assert quiet["mlpcore_queue_length",] == quiet["mlpcore_steps_per_second",] == 0
    assert quiet["mlpcore_storing_delay_seconds",] == 0
    assert quiet["process_resident_memory_bytes",] > 1e7

    async def start() -> str:
        address = f"{server.url}/?dataset={TINY}&scheduler=none&hidden_sizes=8&train_iter=200000&eval_every=100"
        async with Guest(address) as guest:
            await guest.run(click="start")
            assert guest.errors == []
            return guest.shown_run

    run_id = asyncio.run(start())
    wait_until(lambda: read(server)[1]["mlpcore_runs", "running"] == 1, timeout=60)
    wait_until(lambda: read(server)[1]["mlpcore_steps_per_second",] > 0, timeout=60)
    text, busy = read(server)
    assert busy["mlpcore_memory_budget_bytes", "cpu"] == 1_900_000_000  # but for what pages cache
    assert 0 < busy["mlpcore_memory_used_bytes", "cpu"] < 1_900_000_000
    assert 0 < busy["mlpcore_storing_delay_seconds",] < 60
    with closing(sqlite3.connect(server.home / "runs.sqlite3")) as database:
        (owner,) = database.execute("SELECT owner FROM runs WHERE id = ?", [run_id]).fetchone()
    for private in ("Anna", "anna", "old", run_id, owner, owner.partition(":")[2], TINY, TOKEN, str(server.home)):
        assert private not in text


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {TOKEN}!", f"Basic {TOKEN}", TOKEN, "Bearer ü"])
def test_whoever_lacks_the_token_learns_nothing(server: Server, authorization: str) -> None:
    with pytest.raises(HTTPError) as refused:
        read(server, authorization)
    assert (refused.value.code, refused.value.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.value.read() == b"The token of MLPCORE_METRICS_TOKEN is needed."


def test_before_anything_trains_they_are_written_without_torch(tmp_path: Path) -> None:
    code = "import sys; from mlpcore.operations.metrics import write_metrics; write_metrics(None)\n"
    code += "assert not {'torch', 'mlpcore.jobs'} & sys.modules.keys()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"MLPCORE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_a_database_that_cannot_be_read_is_told_beside_what_the_process_knows(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite3").write_text("this is not a database" * 100)
    code = "from mlpcore.operations.metrics import write_metrics; print(write_metrics(None).decode())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"MLPCORE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert "mlpcore_store_up 0.0" in lines
    assert "mlpcore_queue_length 0.0" in lines
    assert not any(line.startswith("mlpcore_runs") for line in lines)
