"""The console command `mlp-playground`: without a command it opens the app, from any folder."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from mlpcore.cli.main import main

NAME = "mlp-playground"
LIBRARY = Path(__file__).resolve().parents[1]
PLACES = (LIBRARY.parent / "app.py", LIBRARY.parent / "mlp_playground" / "app.py")  # in a checkout; installed


def run(arguments: Sequence[str] | None = None) -> int:
    """Open the app, with options of `streamlit run` if there are any; or run a command and return its exit code.

    Args:
        arguments: those of the command line; sys.argv without the program if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("--server."):
        return main(given, program=NAME)
    app = next(place for place in PLACES if place.is_file())
    sys.argv = ["streamlit", "run", str(app), *given]
    runpy.run_module("streamlit", run_name="__main__")  # ends the process
    return 0
