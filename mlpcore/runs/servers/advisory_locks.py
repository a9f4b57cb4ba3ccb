"""Tell by PostgreSQL's advisory locks which of the processes that share a database are alive."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from mlpcore.runs.database.engine import explained
from mlpcore.runs.database.postgresql import CONNECT, connect

KEEP_SECONDS = 1.0  # between two looks at whether the lock is still held
DEAD_SECONDS = 120.0  # for which a lock stays free until its process counts as dead
LONGEST_GAP = 30.0  # seconds between two looks at a lock, beyond which it may have been held meanwhile

log = logging.getLogger(__name__)


class AdvisoryLocks:
    """Shows that this process is alive: it holds a lock of a session of its own. As `Liveness` says, for PostgreSQL.

    The database releases the lock when the session ends, as it does when the process dies, on whatever host. But a
    restart of the database or a broken connection ends the sessions of living processes too. So a thread takes the
    lock again within a second or two, and a process counts as dead only when its lock has been seen free for
    DEAD_SECONDS, all of them after the last restart of the database.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Use the database of an engine, but no connection of its pool.

        clock: seconds, for how long a lock has been free.
        """
        self._engine = create_engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=CONNECT)
        event.listen(self._engine, "do_connect", connect)
        self._clock = clock
        self._token: str | None = None
        self._session: Connection | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="liveness", daemon=True)
        self._free: dict[str, tuple[float, float]] = {}  # by token: since when its lock is free, and when last seen so
        self._started: object = None  # when the database was started

    @property
    def token(self) -> str | None:
        """The name of this process; None until it is announced."""
        return self._token

    def announce(self) -> str:
        """Show this process as alive until `close`, and return its token. Raises StoreError."""
        with self._lock:
            if self._token is None:
                token = uuid4().hex
                with explained():
                    self._take(token)
                self._token = token
                self._keeper.start()
            return self._token

    def find_dead(self, tokens: Collection[str], connection: Connection) -> set[str]:
        """Return those of these tokens whose locks have been free for DEAD_SECONDS, as far as this process has seen.

        To be called at least every LONGEST_GAP seconds.
        """
        query = "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
        held = set(connection.scalars(text(query)))
        started = connection.scalar(text("SELECT pg_postmaster_start_time()"))
        with self._lock:
            now = self._clock()
            if started != self._started:
                self._free, self._started = {}, started
            for token in tokens:
                since, seen = self._free.pop(token, (now, now))
                if token != self._token and _key(token) not in held:
                    self._free[token] = (since if now - seen <= LONGEST_GAP else now, now)
            return {token for token in tokens if token in self._free and now - self._free[token][0] >= DEAD_SECONDS}

    def close(self) -> None:
        """Stop showing this process as alive."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join(KEEP_SECONDS)
        self._release()

    def _keep(self) -> None:
        """Take the lock again whenever the session that held it has ended."""
        while not self._closing.wait(KEEP_SECONDS):
            try:
                if self._session is None:
                    self._take(self._token or "")
                    log.info("The database is back, and knows again that this process is alive.")
                else:
                    self._session.execute(text("SELECT 1"))
            except DBAPIError:
                self._release()

    def _take(self, token: str) -> None:
        session = self._engine.connect()
        try:
            # False while the database has not noticed the end of an earlier session, whose lock counts until then
            if session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(token)}):
                self._session = session
        finally:
            if self._session is not session:
                session.close()

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()  # which ends it, and releases the lock


def _key(token: str) -> int:
    """Return the number of a process's lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], signed=True)
