"""How a store tells which of the processes that share its database are alive: one contract for every back end."""

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import Connection


class Liveness(Protocol):
    """Shows that this process is alive, by a lock that a dead process cannot hold, and finds out who is dead.

    The store calls `announce` and `find_dead` inside a transaction that writes.
    """

    @property
    def token(self) -> str | None:
        """The name of this process; None until it is announced."""

    def announce(self) -> str:
        """Show this process as alive until `close`, and return its token. Raises StoreError."""

    def find_dead(self, tokens: Collection[str], connection: Connection) -> set[str]:
        """Return those of these tokens whose processes are dead."""

    def close(self) -> None:
        """Stop showing this process as alive."""
