"""The store of this process, which everything in it shares."""

import threading

from mlpcore.runs.store import RunStore

_store: RunStore | None = None
_lock = threading.Lock()


def shared_store() -> RunStore:
    """Return the store of this process; the first call opens it and marks the runs that dead processes left running.

    Raises StoreError if it cannot be opened; the next call tries again.
    """
    global _store
    with _lock:
        if _store is None:
            store = RunStore()
            try:
                store.mark_interrupted()
            except BaseException:
                store.close()
                raise
            _store = store
        return _store


def close_shared_store() -> None:
    """Close the store of this process, if it is open; the next call of `shared_store` opens a new one."""
    global _store
    with _lock:
        store, _store = _store, None
    if store is not None:
        store.close()
