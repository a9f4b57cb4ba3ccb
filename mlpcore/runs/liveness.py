"""Which of the processes that share a folder are alive."""

import os
from pathlib import Path
from uuid import uuid4

if os.name == "nt":
    import msvcrt
else:
    import fcntl


class Liveness:
    """A process is alive while it holds the lock on a file of its own.

    The system lets go of a lock at the instant its process ends, however it ends: there is no clock to trust, no time
    to wait for, no heartbeat to write while a disk is full, no process number that a stranger may have by now. The
    file lies beside what it speaks for, so containers that share a folder see each other.
    `announce` and `living` must not run at the same time, in all processes together: the store calls them inside a
    write transaction.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None

    def announce(self) -> str:
        """Show this process as alive until `close`; return its token. Raises OSError."""
        if self._held is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            token = uuid4().hex
            descriptor = os.open(self._path(token), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                lock(descriptor)
            except OSError:
                os.close(descriptor)
                raise
            self._held = token, descriptor
        return self._held[0]

    def living(self) -> set[str]:
        """Find the tokens whose processes are alive, and clear away the files of the others."""
        return {path.stem for path in self._folder.glob("*.lock") if not _clear_if_dead(path)}

    def close(self) -> None:
        """Stop being shown as alive."""
        if self._held is not None:
            token, descriptor = self._held
            self._held = None
            # no explicit unlock: it would also unlock for a parent this process was forked from
            os.close(descriptor)
            self._path(token).unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        return self._folder / f"{token}.lock"


def _clear_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:  # another user's: nothing says that it is dead
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
    """Take the lock of an open file, or raise OSError; it belongs to this opening: no process can take it twice."""
    if os.name == "nt":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
