"""What a process takes of the machine, as Linux tells it."""

from dataclasses import dataclass
from pathlib import Path

TINY = "dataset=Tiny&hidden_sizes=64&batch_size=32&scheduler=none"


@dataclass(frozen=True)
class Usage:
    """What a process has at a moment."""

    memory: float  # MB, resident
    threads: int
    files: int  # open, sockets among them


def read_usage(pid: int) -> Usage:
    """Read what the process has now."""
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    files = sum(1 for _ in (folder / "fd").iterdir())
    return Usage(int(status["VmRSS"].split()[0]) / 1000, int(status["Threads"]), files)
