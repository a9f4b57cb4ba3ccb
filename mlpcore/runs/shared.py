"""The one store of this process: opened at its first use and shared by all threads."""

import threading

from mlpcore.runs.store import RunStore
from mlpcore.runs.stored_runs import StoredRuns

_runs: StoredRuns | None = None
_lock = threading.Lock()


def shared_store() -> RunStore:
    """Return the store of this process; the first call opens it and marks the runs that dead processes left running.

    Raises StoreError if it cannot be opened; the next call tries again.
    """
    return shared_runs().store


def shared_runs() -> StoredRuns:
    """Return what changes the runs of the shared store for their owners. Raises StoreError as `shared_store` does."""
    global _runs
    with _lock:
        if _runs is None:
            store = RunStore()
            try:
                store.mark_interrupted()
                _runs = StoredRuns(store)
            except BaseException:
                store.close()
                raise
        return _runs


def close_shared_store() -> None:
    """Close the store of this process, if it is open; the next call of `shared_store` opens a new one."""
    global _runs
    with _lock:
        runs, _runs = _runs, None
    if runs is not None:
        runs.store.close()
