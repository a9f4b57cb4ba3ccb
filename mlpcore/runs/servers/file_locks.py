"""Tell by file locks which of the processes that share a database are alive."""

import os
import sys
from collections.abc import Collection
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection

from mlpcore.runs.messages import FOLDER_IS_READ_ONLY, StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLocks:
    """Shows that this process is alive: it holds the lock on a file of its own. As `Liveness` says, for SQLite.

    The operating system releases the lock the moment the process ends, however it ends. So no clock has to be trusted,
    no time-out waited for, no heartbeat written to a full disk, and no process number can be mistaken for another's.
    The lock files lie beside the database, so containers that share the folder see each other.
    `announce` and `find_dead` must not run at the same time, in all processes together: SQLite's write lock sees to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None

    @property
    def token(self) -> str | None:
        """The name of this process; None until it is announced."""
        return self._held[0] if self._held else None

    def announce(self) -> str:
        """Show this process as alive until `close`, and return its token. Raises StoreError."""
        if self._held is None:
            try:
                self._held = self._create()
            except OSError as error:
                raise StoreError(FOLDER_IS_READ_ONLY, reason=error.strerror) from error
        return self._held[0]

    def find_dead(self, tokens: Collection[str], connection: Connection) -> set[str]:  # noqa: ARG002
        """Return those of these tokens whose processes are dead, and delete the files of all dead processes."""
        return set(tokens) - {path.stem for path in self._folder.glob("*.lock") if not _clear_if_dead(path)}

    def close(self) -> None:
        """Stop showing this process as alive."""
        if self._held is not None:
            token, descriptor = self._held
            self._held = None
            # no explicit unlock, which would also unlock for a parent that this process was forked from
            os.close(descriptor)
            self._path(token).unlink(missing_ok=True)

    def _create(self) -> tuple[str, int]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = uuid4().hex
        descriptor = os.open(self._path(token), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return token, descriptor

    def _path(self, token: str) -> Path:
        return self._folder / f"{token}.lock"


def _clear_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:  # the file of another user, who may be alive
        return False
    try:
        lock(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    return True


def lock(descriptor: int) -> None:
    """Lock an open file. Raises OSError if it is locked, also by another opening in this process."""
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
