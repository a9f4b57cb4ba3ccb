"""Memory: what the operator allows, and what the process may still take of the machine and its control groups."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from mlpcore.runs.quota import read_gigabytes

SHARE_OF_FREE = 0.8  # of the memory that is free at the start, for jobs; the rest is for pages and everything else


def read_memory() -> float | None:
    """Read from MLPCORE_MEMORY_GB how many bytes jobs may use; None if it is not set."""
    return read_gigabytes("MLPCORE_MEMORY_GB", os.environ.get("MLPCORE_MEMORY_GB"))


def find_budget(device: torch.device) -> int:
    """Find the bytes that jobs may use on a device: a share of what is free on it now."""
    if device.type == "cuda":
        return int(SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0])
    return int(SHARE_OF_FREE * find_free())


def find_free(root: Path = Path("/")) -> int:
    """Find the bytes this process can still take: of the machine, of its control groups and of its own limit."""
    return max(0, min(_free_bytes(root), default=4_000_000_000))  # where the system tells nothing, a small machine


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library can: glibc keeps much of it, in pieces."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _free_bytes(root: Path) -> Iterator[int]:
    with suppress(OSError, KeyError):
        yield _read_kilobytes(root / "proc/meminfo")["MemAvailable"]
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _free_of_groups(root / "sys/fs/cgroup", path, "memory.max", "memory.current")
            elif "memory" in controllers.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes"
                yield from _free_of_groups(root / "sys/fs/cgroup/memory", path, *names)
    if sys.platform == "linux":
        import resource  # not on every system

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            with suppress(OSError, KeyError):
                yield limit - _read_kilobytes(root / "proc/self/status")["VmSize"]


def _free_of_groups(mount: Path, path: str, limit_name: str, usage_name: str) -> Iterator[int]:
    """Read what is free in a control group and in each one above it; in a container, the path is often not there."""
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # "max": no limit
            limit = int((folder / limit_name).read_text())
            yield limit - int((folder / usage_name).read_text()) + _read_cache(folder)
        if folder == mount:
            return


def _read_cache(group: Path) -> int:
    """Read how much of a control group's usage is files in the page cache, which the kernel gives up when needed."""
    with suppress(OSError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, value = line.split()
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def _read_kilobytes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {name.rstrip(":"): int(words[0]) * 1024 for name, *words in lines if words[1:] == ["kB"]}
