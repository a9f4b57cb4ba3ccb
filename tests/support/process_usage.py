"""The memory, threads and open files of a process, read from Linux's /proc."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """The resources that a process holds at one moment."""

    memory: float  # MB, resident
    threads: int
    files: int  # open, including sockets


def read_usage(pid: int) -> Usage:
    """Read the resources that a process holds now."""
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    files = sum(1 for _ in (folder / "fd").iterdir())
    return Usage(int(status["VmRSS"].split()[0]) / 1000, int(status["Threads"]), files)
