"""The bytes of a file from one address, read in a thread of its own, so that who waits for them can leave at once."""

import contextlib
import threading
from enum import StrEnum
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1 << 18
QUEUED_CHUNKS = 16
HAND_OVER_SECONDS = 0.2  # between two looks whether anybody still waits
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # answers that may be better in a moment


class Outcome(StrEnum):
    """Why a source does not give the file."""

    UNREACHABLE = "it cannot be reached"
    BROKEN = "the connection broke"
    REFUSED = "it does not have the file"
    WRONG = "the md5 is wrong"


class SourceError(Exception):
    """A source does not give the file, or no more of it."""

    def __init__(self, outcome: Outcome, reason: object) -> None:
        super().__init__(f"{outcome} ({reason})")
        self.outcome = outcome


class Stream:
    """The bytes of `url` from `start` on; the whole file has `size` bytes. Time-outs in seconds."""

    def __init__(self, url: str, *, start: int, size: int, connect_seconds: float, read_seconds: float) -> None:
        self.received = 0  # bytes, those included that were there already and are passed over
        self._url, self._start, self._size = url, start, size
        self._timeout = (connect_seconds, read_seconds)
        self._items: Queue[bytes | SourceError] = Queue(QUEUED_CHUNKS)
        self._left = threading.Event()
        threading.Thread(target=self._run, name="download stream", daemon=True).start()

    def take(self, timeout: float) -> bytes:
        """Return the next bytes, none if none came in time (seconds). Raises SourceError when no more will come."""
        try:
            item = self._items.get(timeout=timeout)
        except Empty:
            return b""
        if isinstance(item, SourceError):
            raise item
        return item

    def leave(self) -> None:
        """Want no more; returns at once. The connection is closed at the next bytes, or when it times out."""
        self._left.set()

    def _run(self) -> None:
        import requests  # 0.16 s, which a page that only shows progress need not wait for
        import urllib3

        # As sent: a .gz that a server declares as compressed text would otherwise be unpacked on the way.
        headers = {"Accept-Encoding": "identity", "User-Agent": "mlp-playground"}
        if self._start:
            headers["Range"] = f"bytes={self._start}-"
        try:
            with requests.get(self._url, headers=headers, stream=True, timeout=self._timeout) as answer:
                self._pass_on(answer, skip=self._begin(answer))
            self._put(SourceError(Outcome.BROKEN, "the answer ended early"))
        except SourceError as error:
            self._put(error)
        except requests.ConnectionError as error:
            self._put(SourceError(Outcome.UNREACHABLE, error))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._put(SourceError(Outcome.BROKEN, error))

    def _begin(self, answer: "Response") -> int:
        """Check the head of the answer; returns how many of its bytes are there already."""
        if answer.status_code not in (200, 206):
            again = answer.status_code in TRY_AGAIN
            raise SourceError(Outcome.BROKEN if again else Outcome.REFUSED, f"status {answer.status_code}")
        if answer.status_code == 206:
            span = answer.headers.get("Content-Range", "").removeprefix("bytes ")
            first, _, total = span.partition("-")[0], *span.partition("/")[1:]
            if first != str(self._start) or total not in ("*", str(self._size)):
                raise SourceError(Outcome.REFUSED, f"it sends bytes {span} of a file of {self._size}")
            return 0
        length = answer.headers.get("Content-Length")  # absent where the server does not know yet
        if length is not None and length != str(self._size):
            raise SourceError(Outcome.REFUSED, f"it sends {length} bytes for a file of {self._size}")
        return self._start  # a server that knows no ranges sends the file from its beginning

    def _pass_on(self, answer: "Response", *, skip: int) -> None:
        position = self._start - skip
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            self.received += len(chunk)
            useful = chunk[max(self._start - position, 0) :]
            position += len(chunk)
            if position > self._size:
                raise SourceError(Outcome.REFUSED, f"it sends more than {self._size} bytes")
            self._put(useful)
            if self._left.is_set():
                return

    def _put(self, item: bytes | SourceError) -> None:
        while not self._left.is_set():
            with contextlib.suppress(Full):
                self._items.put(item, timeout=HAND_OVER_SECONDS)
                return
