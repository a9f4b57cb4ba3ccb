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
    files = sum(1 for _ in _folder(pid, "fd").iterdir())
    status = _read_status(pid)
    return Usage(_megabytes(status["VmRSS"]), int(status["Threads"]), files)


def read_peak(pid: int) -> float:
    """Read the most memory that a process has held since its start or the last `reset_peak`, MB."""
    return _megabytes(_read_status(pid)["VmHWM"])


def reset_peak(pid: int) -> None:
    """Count the peak of a process's memory from now on."""
    _folder(pid, "clear_refs").write_text("5")


def _folder(pid: int, name: str) -> Path:
    return Path("/proc") / str(pid) / name


def _read_status(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _folder(pid, "status").read_text().splitlines())


def _megabytes(text: str) -> float:
    return int(text.split()[0]) * 1024 / 1e6  # Linux writes kB for 1,024 bytes
