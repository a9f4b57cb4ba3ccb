"""What a process takes of the machine, as Linux tells it; and data to train on that is quickly made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

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


def make_tiny(home: Path) -> None:
    """Put the data set Tiny into a folder of data sets: 2 classes, 200 + 40 images."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 100), ("test", 20)):
        for name, level in (("dark", 100), ("light", 130)):
            folder = home / "Tiny" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(level - 90, level + 90, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
