"""A process that trains as the server does, `python -m tests.support.trainer_process`, and whoever starts and ends it.

It prints a line of JSON the moment it has something: that it is ready, its runs, each evaluation, that the store
refuses or takes again, and its end when all its runs are over.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from mlpcore.recipes.recipe import SGD, Adam, AnyOptimizer, NoScheduler, Recipe, StepLR
from mlpcore.runs.records import Evaluation
from tests.support.paths import ROOT

OWNER = "trainer"  # of the runs
SECONDS = 60  # for whatever is waited for, on a busy machine
LOOK_SECONDS = 0.005  # between two looks


def build_recipes(train_iter: int) -> list[Recipe]:
    """Four recipes of two cohorts, so that runs train in lockstep and jobs share the time."""
    knobs: dict[str, Any] = {
        "dataset": "Tiny",
        "batch_size": 32,
        "train_iter": train_iter,
        "eval_every": 40,
        "device": "cpu",
    }
    plain: dict[str, Any] = {"scheduler": NoScheduler()}
    steps: dict[str, Any] = {"scheduler": StepLR(step_size=100, gamma=0.9), "dropout": 0.3}
    optimizers: tuple[AnyOptimizer, ...] = (SGD(lr=0.01, momentum=0.9), Adam(lr=1e-3))
    return [
        Recipe(**knobs, **schedule, hidden_sizes=sizes, optimizer=optimizer, seed=seed)
        for sizes, schedule in (((64,), plain), ((32, 16), steps))
        for seed, optimizer in enumerate(optimizers)
    ]


@dataclass(frozen=True)
class Said:
    """One evaluation as the process said it."""

    run_id: str
    at: float  # on the monotonic clock, which is the machine's
    values: dict[str, Any]


class Trainer:
    """The started process; its lines are read as they come."""

    def __init__(
        self, *, home: Path, data: Path, train_iter: int, before: Sequence[str] = (), store: str | None = None
    ) -> None:
        """before: a command that becomes the process, the way `env` does. store: where the runs are, if not in home."""
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.support.trainer_process", str(train_iter)],
            cwd=ROOT,
            env=os.environ
            | {"MLPCORE_HOME": str(home), "MLPCORE_DATA": str(data)}
            | ({"MLPCORE_STORE": store} if store else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a command before it may have become its parent: they end together
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self.run_ids: list[str] = []
        self.said: list[Said] = []
        self.troubles: list[str | None] = []
        self.is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: Callable[[], object]) -> None:
        """Wait until it is so. Raises RuntimeError where the process ends before."""
        pace, deadline = threading.Event(), monotonic() + SECONDS
        while not event():
            if self.process.poll() is not None and not self._reader.is_alive() and not event():
                raise RuntimeError(f"the trainer ended by itself, with {self.process.returncode}")
            assert monotonic() < deadline, "it did not happen in time"
            pace.wait(LOOK_SECONDS)

    def kill(self) -> float:
        """End the process as a power cut would; return when."""
        at = monotonic()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return at

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._stdin.close()
        self._stdout.close()

    def _read(self) -> None:
        for line in self._stdout:
            match json.loads(line):
                case {"runs": run_ids}:
                    self.run_ids = run_ids
                case {"run": run_id, "at": at, "values": values}:
                    self.said.append(Said(run_id, at, values))
                case {"trouble": trouble}:
                    self.troubles.append(trouble)
                case {"over": _}:
                    self.is_over = True


def main(train_iter: int) -> None:
    """Train, and say what is measured, until every run is over and stored."""
    from mlpcore.jobs.manager import shared_manager, shutdown

    manager = shared_manager()
    recipes = build_recipes(train_iter)
    run_ids = manager.submit(recipes, owner=OWNER, names=["a run"] * len(recipes))
    _say(runs=run_ids)
    counts, trouble, pace = dict.fromkeys(run_ids, 0), None, threading.Event()
    while True:
        runs = [manager.get(run_id) for run_id in run_ids]
        for run in runs:
            for evaluation in run.evaluations[counts[run.id] :]:
                _say(run=run.id, at=monotonic(), values=as_json(evaluation))
            counts[run.id] = len(run.evaluations)
        if manager.trouble != trouble:
            trouble = manager.trouble
            _say(trouble=trouble and str(trouble))
        if all(run.status.is_over for run in runs) and trouble is None:
            break
        pace.wait(LOOK_SECONDS)
    shutdown()
    _say(over=True)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as it comes out of JSON: floats bit for bit."""
    return json.loads(json.dumps(asdict(evaluation)))


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
