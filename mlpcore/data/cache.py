"""Decoded images kept as .npy files, so that a data set is decoded once."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

log = logging.getLogger(__name__)


class Arrays(NamedTuple):
    """A data set as it is kept: images uint8 (N, 3, 32, 32), labels int64 (N,)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def cached_arrays(folder: Path, *, fingerprint: str, build: Callable[[], Arrays]) -> Arrays:
    """Read the arrays kept under this fingerprint; where there are none, build and keep them.

    The fingerprint is part of every file's name and files appear whole, by renaming: a process killed at any moment
    leaves either no set or a whole one, never old images beside new labels. A cache that cannot be written (a full
    disk, a read-only folder) costs the next start its time, nothing else.
    """
    kept = _read(folder, fingerprint)
    if kept is not None:
        return kept
    arrays = build()
    try:
        _write(folder, fingerprint, arrays)
    except OSError as error:
        log.warning("decoded images are not kept: %s", error)
    return arrays


def _files(folder: Path, fingerprint: str) -> list[Path]:
    return [folder / f"{name}-{fingerprint}.npy" for name in Arrays._fields]


def _read(folder: Path, fingerprint: str) -> Arrays | None:
    try:
        return Arrays(*map(_load, _files(folder, fingerprint)))
    except FileNotFoundError:
        return None
    except Exception:  # of 40,000 damaged files some each with TokenError, SyntaxError, TypeError, MemoryError, …
        log.warning("Kept images are damaged and decoded anew.", exc_info=True)
        return None


def _load(file: Path) -> np.ndarray:
    with file.open("rb") as stream:  # opened here: numpy leaves a file that it cannot read open
        return np.load(stream, allow_pickle=False)


def _write(folder: Path, fingerprint: str, arrays: Arrays) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(folder, fingerprint)
    for file, array in zip(files, arrays, strict=True):
        temporary = folder / f"{uuid.uuid4().hex}.part"
        try:
            with temporary.open("xb") as stream:
                np.save(stream, array, allow_pickle=False)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    hour_ago = time.time() - 3600  # a younger .part may be another process's, being written now
    for stale in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may be reading or removing it
            old_set = stale.suffix == ".npy" and stale not in files
            left_behind = stale.suffix == ".part" and stale.stat().st_mtime < hour_ago
            if old_set or left_behind:
                stale.unlink()
