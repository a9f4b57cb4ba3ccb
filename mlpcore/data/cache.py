"""Cache decoded images as .npy files, so that a data set is decoded once."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)


class Arrays(NamedTuple):
    """A decoded data set: images uint8 (N, 3, 32, 32), labels int64 (N,)."""

    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    test_images: NDArray[Any]
    test_labels: NDArray[Any]


def cached_arrays(folder: Path, *, fingerprint: str, build: Callable[[], Arrays]) -> Arrays:
    """Read the arrays cached under a fingerprint; build and cache them if there are none.

    Every file name contains the fingerprint, and files are renamed into place when they are complete: a process killed
    at any moment leaves no cache or a complete one, never old images beside new labels. If the cache cannot be written
    (a full disk, a read-only folder), the arrays are built again next time.
    """
    cached = _read(folder, fingerprint)
    if cached is not None:
        return cached
    arrays = build()
    try:
        _write(folder, fingerprint, arrays)
    except OSError as error:
        log.warning("decoded images are not cached: %s", error)
    return arrays


def _files(folder: Path, fingerprint: str) -> list[Path]:
    return [folder / f"{name}-{fingerprint}.npy" for name in Arrays._fields]


def _read(folder: Path, fingerprint: str) -> Arrays | None:
    try:
        return Arrays(*map(_load, _files(folder, fingerprint)))
    except FileNotFoundError:
        return None
    except Exception:  # 40,000 damaged files raised TokenError, SyntaxError, TypeError, MemoryError and others
        log.warning("Cached images are damaged and will be decoded again.", exc_info=True)
        return None


def _load(file: Path) -> NDArray[Any]:
    with file.open("rb") as stream:  # np.load(file) would leave a file open that it cannot read
        array: NDArray[Any] = np.load(stream, allow_pickle=False)
    return array


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
    hour_ago = time.time() - 3600  # another process may be writing a younger .part
    for stale in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may be reading or removing it
            is_outdated = stale.suffix == ".npy" and stale not in files
            is_abandoned = stale.suffix == ".part" and stale.stat().st_mtime < hour_ago
            if is_outdated or is_abandoned:
                stale.unlink()
