"""Sights on disk: one file a run, in the folder of the runs."""

import logging
import re
from pathlib import Path

import numpy as np

from mlpcore.runs.snapshots import Frame, Snapshot

log = logging.getLogger(__name__)


class SnapshotFiles:
    """The newest snapshot of each run, at most 1 MB for 10,000 test images; a lost one can be computed again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, run_id: str, snapshot: Snapshot) -> None:
        """Write a snapshot in place of an older one. Raises OSError where it cannot be written; the older one stays.

        Raises ValueError where the id makes no file name.
        """
        file = self._file(run_id)
        unfinished = file.with_suffix(".part")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with unfinished.open("wb") as stream:
                np.savez(
                    stream,
                    allow_pickle=False,
                    step=snapshot.step,
                    classes=np.array(snapshot.classes),
                    labels=snapshot.labels,
                    likeliest=snapshot.likeliest,
                    shares=snapshot.shares,
                    numbers=np.array([frame.number for frame in snapshot.frames]),
                    steps=np.array([frame.step for frame in snapshot.frames]),
                    frames=np.stack([frame.units for frame in snapshot.frames]),
                )
            unfinished.replace(file)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def read(self, run_id: str) -> Snapshot | None:
        """Read what is kept of a run; None where that is nothing, or nothing that can be read."""
        try:
            # opened here: numpy leaves a file that it cannot read open
            with self._file(run_id).open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                return _check(
                    Snapshot(
                        step=int(kept["step"]),
                        classes=tuple(kept["classes"].tolist()),
                        labels=kept["labels"],
                        likeliest=kept["likeliest"],
                        shares=kept["shares"],
                        frames=tuple(
                            Frame(*map(int, moment), units)
                            for *moment, units in zip(kept["numbers"], kept["steps"], kept["frames"], strict=True)
                        ),
                    )
                )
        except FileNotFoundError:
            return None
        except Exception:  # 100,000 damaged files were refused with 14 kinds, Python's own SystemError among them
            log.warning("What was kept of the snapshot of run %r cannot be read.", run_id, exc_info=True)
            return None

    def mark(self, run_id: str) -> int | None:
        """What tells a run's file from an older one; None where there is none."""
        try:
            return self._file(run_id).stat().st_mtime_ns
        except (OSError, ValueError):
            return None

    def delete(self, run_id: str) -> None:
        """Forget a run's snapshot, if there is one."""
        try:
            self._file(run_id).unlink(missing_ok=True)
        except (OSError, ValueError):
            log.warning("The snapshot of run %r could not be deleted.", run_id, exc_info=True)

    def _file(self, run_id: str) -> Path:
        if not re.fullmatch(r"[0-9A-Za-z_\-]{1,64}", run_id):
            raise ValueError(f"run_id is {run_id!r}: it must be 1 to 64 letters, digits, hyphens or underscores")
        return self._folder / f"{run_id}.npz"


def _check(snapshot: Snapshot) -> Snapshot:
    """Let a snapshot through whose arrays fit each other. Raises ValueError for another."""
    images, classes = len(snapshot.labels), len(snapshot.classes)
    fit = (
        snapshot.frames
        and snapshot.labels.shape == (images,)
        and snapshot.likeliest.shape == snapshot.shares.shape == (images, snapshot.shares.shape[-1])
        and all(
            numbers.dtype.kind == "u" and numbers.max() < classes for numbers in (snapshot.labels, snapshot.likeliest)
        )
        and snapshot.shares.dtype == np.float16
        and snapshot.frames[0].units.dtype == np.uint8
        and snapshot.frames[0].units.ndim == 4
    )
    if not fit:
        raise ValueError("its arrays do not fit each other")
    return snapshot
