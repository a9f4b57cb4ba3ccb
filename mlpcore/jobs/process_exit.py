"""The end of the process: no thread may be inside torch when Python ends."""

import threading
from typing import Protocol

EXIT_SECONDS = 60.0  # how long the end of the process waits for an iteration in progress


class Manager(Protocol):
    """Whoever has threads that run torch."""

    def shutdown(self) -> None:
        """Ask the threads to end."""

    def join(self, seconds: float) -> None:
        """Wait at most so long for their end."""


_managers: set[Manager] = set()  # whose threads run


def note_start(manager: Manager) -> None:
    """Shut this manager down when the main thread ends."""
    _managers.add(manager)


def note_end(manager: Manager) -> None:
    """Forget a manager whose threads have ended."""
    _managers.discard(manager)


def _end_threads() -> None:
    """Shut down every manager when the main thread ends, and wait until no thread of theirs runs torch any more.

    Python ends a daemon thread where it next takes the GIL. Inside torch's C++ that calls std::terminate: "terminate
    called without an active exception", exit code 134.
    """
    for manager in list(_managers):  # which a shutdown takes out
        manager.shutdown()
        manager.join(EXIT_SECONDS)


# Not atexit: by then concurrent.futures has ended its threads, and a data set that is being loaded would fail its runs.
threading._register_atexit(_end_threads)  # type: ignore[attr-defined]
