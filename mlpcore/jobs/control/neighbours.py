"""The thread that looks, every second, at what other processes on the same database ask for and leave behind."""

import logging
import threading
import time
from collections.abc import Callable

from mlpcore.messages import SentenceError
from mlpcore.runs.servers.requests import Request
from mlpcore.runs.store import RunStore, StoreError

LOOK_SECONDS = 1.0  # between two looks at what is asked
CARE_SECONDS = 10.0  # between two looks at who is alive, and whose pages are open here
SEEN = "seen"  # asks a process to note that a person has a page open; the subject is the person

log = logging.getLogger(__name__)

Serve = Callable[[Request], object]


class Neighbours:
    """Serves the requests of other processes, marks the runs that dead ones left, and tells who has a page open here.

    While the database fails, it waits: requests stay in the database.
    """

    def __init__(self, store: RunStore) -> None:
        """Start the thread."""
        self._store = store
        self._serve: dict[str, Serve] = {}  # by action
        self._seen: set[str] = set()  # people with a page open here, since they were last told
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="Neighbours", daemon=True)
        self._thread.start()

    def serve(self, action: str, serve: Serve) -> None:
        """Serve the requests of one action from now on."""
        self._serve[action] = serve

    def note_seen(self, owner: str) -> None:
        """Tell the processes that train runs of a person that they have a page open here."""
        self._seen.add(owner)

    def close(self, seconds: float) -> None:
        """End the thread; wait for it at most so long."""
        self._closing.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        care_at = 0.0
        while not self._closing.wait(LOOK_SECONDS):
            try:
                for request in self._store.requests.take():
                    self._answer(request)
                if time.monotonic() >= care_at:
                    self._store.mark_interrupted()
                    self._tell_who_is_here()
                    care_at = time.monotonic() + CARE_SECONDS
            except StoreError as error:
                log.debug("Requests of other processes wait: %s", error)
            except Exception:  # a defect: the thread must go on, the next look may succeed
                log.exception("What other processes ask for could not be looked at.")

    def _answer(self, request: Request) -> None:
        try:
            self._serve[request.action](request)
        except SentenceError as error:  # by now it cannot be done any more
            log.info("A request of another process is left out: %s", error)
        except Exception:  # this request's alone
            log.exception("A request of another process failed: %s", request.action)

    def _tell_who_is_here(self) -> None:
        seen, self._seen = self._seen, set()
        try:
            for owner, server in self._store.requests.find_servers(sorted(seen)):
                self._store.requests.send(server, SEEN, owner)
        except StoreError:
            self._seen |= seen
            raise
