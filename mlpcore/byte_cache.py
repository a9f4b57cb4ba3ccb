"""A cache that is bounded in bytes, not in entries."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Value = TypeVar("Value")

ENTRY_BYTES = 5_000  # counted for each entry, besides its value: a key may hold a recipe


class ByteCache:
    """Keeps values up to so many bytes; what was used least recently goes first. Safe from several threads.

    Whoever asks for a value while another thread computes it waits for that one. Values are shared: never modify them.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes; a value that is larger is computed each time."""
        self.limit = limit
        self.bytes = 0  # kept now
        self._kept: dict[Hashable, tuple[object, int]] = {}  # least recently used first; with the bytes of each
        self._computing: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Value], *, size: Callable[[Value], int | None]) -> Value:
        """Return the value of a key, computed if it is not kept.

        Args:
            key: What the value depends on.
            compute: Computes it.
            size: Tells the bytes of a value; None for one that must not be kept.
        """
        with self._lock:
            if key in self._kept:
                return cast(Value, self._use(key))
            computing = self._computing.setdefault(key, threading.Lock())
        with computing:
            try:
                with self._lock:
                    if key in self._kept:
                        return cast(Value, self._use(key))
                value = compute()
                if (value_bytes := size(value)) is not None:
                    self._keep(key, value, ENTRY_BYTES + value_bytes)
                return value
            finally:
                with self._lock:
                    self._computing.pop(key, None)

    def find(self, key: Hashable) -> object | None:
        """Return the value of a key if it is kept."""
        with self._lock:
            return self._use(key) if key in self._kept else None

    def _use(self, key: Hashable) -> object:
        entry = self._kept[key] = self._kept.pop(key)  # now the most recently used
        return entry[0]

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        with self._lock:
            if size > self.limit:
                return
            self._kept[key] = value, size
            self.bytes += size
            while self.bytes > self.limit:
                _value, freed = self._kept.pop(next(iter(self._kept)))
                self.bytes -= freed
