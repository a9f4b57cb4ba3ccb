"""`python -m mlpcore backup FILE` and `restore FILE`, for whoever runs the server."""

import argparse
from pathlib import Path
from typing import Any

from mlpcore.messages import Sentence


def add_commands(commands: Any) -> None:
    """Add the two commands to those of the command line."""
    for name, command, help_, description in (
        (
            "backup",
            _backup,
            "write all runs, sweeps and people into one file",
            "Write everything that the store keeps into a new file, while the server runs.",
        ),
        (
            "restore",
            _restore,
            "add what a backup holds and the store lacks",
            "Add the runs, sweeps and people of a backup that the store lacks, while the server runs. Nothing that is "
            "there changes. A backup of SQLite can be restored into PostgreSQL, and the other way round.",
        ),
    ):
        parser = commands.add_parser(name, help=help_, description=description)
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.set_defaults(command=command)


def _backup(given: argparse.Namespace) -> int:
    from mlpcore.operations.backup import write_backup
    from mlpcore.operations.messages import WRITTEN

    done = write_backup(given.file)
    values = {"runs": done.runs, "sweeps": done.sweeps, "file": str(given.file), "size": done.bytes / 1e6}
    print(Sentence(WRITTEN, values))
    return 0


def _restore(given: argparse.Namespace) -> int:
    from mlpcore.operations.messages import RESTORED
    from mlpcore.operations.restore import restore_backup

    done = restore_backup(given.file)
    print(Sentence(RESTORED, {"added": done.added, "there": done.there}))
    return 0
