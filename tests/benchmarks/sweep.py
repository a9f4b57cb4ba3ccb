"""What watching a sweep costs: `python -m tests.benchmarks.sweep [ROUNDS]`, on a real server in a real Chromium.

Stores a search of 1,000 trials of which 256 are done, with made-up results, and lets a server go on with it: trials of
1,000 iterations on Shapes, 16 at a time. Prints how long a tick of the page takes for each of its views, from the
browser's request to the server's last message; the processor time of a tick, which a busy machine does not change, in
the server (without the threads that train and store) and in the browser; and how fast the trials train with no page and
with one open, in turns.
"""

import base64
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep, StoredTrial, SweepStatus
from mlpcore.sweeps.definition import Point, read_definition
from mlpcore.sweeps.samplers import sobol
from mlpcore.sweeps.trials import Trial, TrialResult, write_trial
from tests.stress.crowd import percentile
from tests.support.chromium import launch_chromium
from tests.support.servers import Server, serving

DONE, ITERATIONS, EVALUATIONS = 256, 1_000, 10
SWEEP = "0123456789ab"
VIEWS = ("map", "best", "parallel", "slice", "importance")
WATCHED_SECONDS = 8  # of each view
SETTLE_SECONDS = 3  # after a page was opened or closed
SPACE = {
    "optimizer": ["SGD", "Adam"],
    "lr": {"low": 1e-4, "high": 1.0, "log": True},
    "weight_decay": {"low": 1e-6, "high": 0.1, "log": True},
    "dropout": {"low": 0.0, "high": 0.5},
}


class Ticks:
    """Times the reruns that the page's timers ask for, by the browser's own clock."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._asked: float | None = None

    def note_sent(self, frame: dict[str, Any]) -> None:
        """Note a message of the browser."""
        if frame["response"]["opcode"] == 2:
            message = BackMsg.FromString(base64.b64decode(frame["response"]["payloadData"]))
            self._asked = frame["timestamp"] if message.rerun_script.is_auto_rerun else None

    def note_received(self, frame: dict[str, Any]) -> None:
        """Note a message of the server."""
        if self._asked is None or frame["response"]["opcode"] != 2:
            return
        message = ForwardMsg.FromString(base64.b64decode(frame["response"]["payloadData"]))
        if message.WhichOneof("type") == "script_finished":
            self.seconds.append(frame["timestamp"] - self._asked)
            self._asked = None


class Effort:
    """The processor time of a server, but for its threads that live on, and of a browser; in seconds since the start.

    Each rerun of a page has a thread of its own; the first thread sends what the rerun drew.
    """

    def __init__(self, server: Server, browser: Browser) -> None:
        self._pid, self._session = server.pid, browser.new_browser_cdp_session()
        self._first = self._read()

    def _read(self) -> tuple[float, dict[str, float], float]:
        threads = {task.name: read_ticks(task / "stat") for task in Path(f"/proc/{self._pid}/task").iterdir()}
        processes = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        return read_ticks(Path(f"/proc/{self._pid}/stat")), threads, sum(one["cpuTime"] for one in processes)

    def measure(self) -> tuple[float, float]:
        """Return the seconds of the server and of the browser."""
        (began, first, browser), (ended, last, browser_now) = self._first, self._read()
        lasting = sum(last[name] - first[name] for name in first.keys() & last.keys() - {str(self._pid)})
        return ended - began - lasting, browser_now - browser


def read_ticks(stat: Path) -> float:
    """Read the processor time of a process or a thread, in seconds."""
    try:
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    except OSError:  # a thread that has just ended
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, and print median and spread."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    ticks: dict[str, list[float]] = {view: [] for view in VIEWS}
    efforts: dict[str, list[tuple[float, float]]] = {view: [] for view in VIEWS}
    speeds: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        fill(f"sqlite:///{home / 'runs.sqlite3'}")
        with serving(Path(folder), data=Path(folder) / "data") as server, sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            uncounted: dict[str, list[Any]] = {view: [] for view in VIEWS}
            watch(browser, server, uncounted, uncounted)  # starts the trials, and loads Shapes
            for _ in range(rounds):
                alone = measure_speed(server, lambda: time.sleep(WATCHED_SECONDS * len(VIEWS)), settle=time.sleep)
                speeds.append((alone, watch(browser, server, ticks, efforts)))
    print(f"{DONE} trials done at first, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for view, seconds in (*ticks.items(), ("all", [one for own in ticks.values() for one in own])):
        late = f"95 % within {1000 * percentile(seconds, 0.95):.0f}"
        print(f"tick, {view:<10} median {1000 * statistics.median(seconds):4.0f} ms, {late} ms, {len(seconds)} ticks")
    for view, spent in efforts.items():
        of_server, of_browser = (1000 * sum(times) / len(ticks[view]) for times in zip(*spent, strict=True))
        print(f"processor time of a tick, {view:<10} server {of_server:.0f} ms, browser {of_browser:.0f} ms")
    for name, values in (
        ("iterations/s, no page", [alone for alone, _watched in speeds]),
        ("iterations/s, one page", [watched for _alone, watched in speeds]),
        ("one page over no page", [watched / alone for alone, watched in speeds]),
    ):
        print(f"{name:<22} median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def fill(url: str) -> None:
    """Store the sweep; the server that starts next goes on with it."""
    rng = random.Random(0)
    row = {"dataset": "Shapes", "train_iter": ITERATIONS, "eval_every": ITERATIONS // EVALUATIONS}
    rows = [row | {"validation_size": 500}]
    definition = read_definition({"rows": rows, "space": SPACE, "sampler": "sobol", "trials": 1_000})
    trials = [make_up(number, point, rng) for number, point in enumerate(sobol(definition)[:DONE])]
    text = definition.model_dump_json()
    stored = StoredSweep(SWEEP, "search", "nobody", time.time(), SweepStatus.RUNNING, text, tuple(trials))
    with closing(RunStore(url)) as store:
        store.sweeps.create(stored)


def make_up(number: int, point: Point, rng: random.Random) -> StoredTrial:
    """Make up what came of a trial."""
    steps = tuple(range(ITERATIONS // EVALUATIONS, ITERATIONS + 1, ITERATIONS // EVALUATIONS))
    curve = tuple(sorted(rng.uniform(0.1, 0.9) for _step in steps))
    result = TrialResult(("finished",), steps, (curve,), (curve[-1],), (curve[-1],), (ITERATIONS,))
    return write_trial(Trial(number, dict(point), (f"{number:012x}",), result=result))


def watch(
    browser: Browser, server: Server, ticks: dict[str, list[float]], efforts: dict[str, list[tuple[float, float]]]
) -> float:
    """Open the page and look at each of its views for a while; return the speed meanwhile."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    times = Ticks()
    network = page.context.new_cdp_session(page)
    network.on("Network.webSocketFrameSent", times.note_sent)
    network.on("Network.webSocketFrameReceived", times.note_received)
    network.send("Network.enable")
    page.goto(f"{server.url}/sweep?sweep={SWEEP}")
    views = page.locator(".st-key-sweep-view button")
    views.first.wait_for()

    def look() -> None:
        for place, view in enumerate(VIEWS):
            views.nth(place).click()
            times.seconds.clear()
            effort = Effort(server, browser)
            page.wait_for_timeout(WATCHED_SECONDS * 1000)
            ticks[view] += times.seconds
            efforts[view].append(effort.measure())

    speed = measure_speed(server, look, settle=lambda seconds: page.wait_for_timeout(seconds * 1000))
    page.close()
    return speed


def measure_speed(server: Server, work: Callable[[], None], *, settle: Callable[[float], None]) -> float:
    """Return the iterations a second of all trials together, by what the store has, while `work` goes on."""
    settle(SETTLE_SECONDS)
    began, first = monotonic(), count_steps(server)
    work()
    return (count_steps(server) - first) / (monotonic() - began)


def count_steps(server: Server) -> int:
    """Count the iterations of all runs as stored: at most half a second old."""
    with closing(sqlite3.connect(server.home / "runs.sqlite3")) as connection:
        (steps,) = connection.execute("SELECT coalesce(sum(step), 0) FROM runs").fetchone()
    return int(steps)


if __name__ == "__main__":
    main()
