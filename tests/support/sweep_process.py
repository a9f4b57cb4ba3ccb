"""A process that goes on with sweeps as the server does: `python -m tests.support.sweep_process ID` or `new FILE`.

It prints the id of the sweep, then a line of JSON whenever more is done or drawn, and ends when the sweep is over.
"""

import json
import sys
import threading
from pathlib import Path

from mlpcore.jobs.manager import shutdown as shut_down_runs
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.manager import shared_sweeps, shutdown
from tests.support.present import present

LOOK_SECONDS = 0.005  # between two looks


def main(arguments: list[str]) -> None:
    """Go on with a sweep until it is over."""
    sweeps = shared_sweeps()
    if arguments[0] == "new":
        definition = Definition.model_validate_json(Path(arguments[1]).read_text(encoding="utf-8"))
        sweep_id = sweeps.start(definition, owner="me", name="a sweep")
    else:
        sweep_id = arguments[0]
    print(json.dumps({"id": sweep_id}), flush=True)
    pace, last = threading.Event(), None
    while not (sweep := present(sweeps.get(sweep_id))).status.is_over:
        now = {"drawn": len(sweep.trials), "done": len(sweep.trials) - len(sweep.waiting)}
        if now != last:
            print(json.dumps(now), flush=True)
        last = now
        pace.wait(LOOK_SECONDS)
    shutdown()
    shut_down_runs()


if __name__ == "__main__":
    main(sys.argv[1:])
