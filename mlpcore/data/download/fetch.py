"""Download one archive over HTTP: try its mirrors in order, resume where one stopped, and check the md5."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from urllib.parse import urlsplit

from mlpcore.data import messages
from mlpcore.data.download.install import Cancelled, file_size, has_md5, raise_if
from mlpcore.data.download.sources import Archive
from mlpcore.messages import SentenceError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1  # a cancel is noticed within this time, whatever the network does
CHUNK_BYTES = 1 << 18
QUEUED_CHUNKS = 16
MIN_DELIVERY = 1 << 20  # bytes: a connection that breaks earlier counts as a failed try
RETRY_STATUSES = {408, 425, 429, 500, 502, 503, 504}  # a second try may succeed

Chunk = tuple[int, bytes]  # position in the file, and the bytes from there on


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to leave a mirror: timeouts in seconds, the slowest rate in bytes per second, and failed tries."""

    connect_seconds: float = 10
    read_seconds: float = 20
    slow_rate: float = 200_000  # 170 MB in a quarter of an hour; the throttled host gives 60,000
    slow_seconds: float = 10
    tries: int = 3
    retry_seconds: float = 1


class MirrorFailure(StrEnum):
    """Why a mirror does not deliver the file."""

    UNREACHABLE = "cannot be reached"
    BROKEN = "connection broke"
    REFUSED = "does not have the file"
    WRONG_MD5 = "wrong md5"


class MirrorError(Exception):
    """A mirror does not deliver the file, or no more of it."""

    def __init__(self, failure: MirrorFailure, reason: object) -> None:
        super().__init__(f"{failure} ({reason})")
        self.failure = failure


@dataclass(eq=False)
class _Mirror:
    url: str
    failed_tries: int = 0
    rate: float | None = None  # mean bytes per second of the last connection; None before the first
    failure: MirrorFailure | None = None
    is_given_up: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.url


class ArchiveFetcher:
    """Download an archive into the file `part`, and resume from what the file already holds.

    Mirrors are byte-identical, so one continues where another stopped; the md5 at the end decides. A slow mirror is
    left for an untried one or for one that was faster. on_progress gets the bytes received, the rate in bytes per
    second (None while connecting) and the mirror's host.
    """

    def __init__(
        self,
        archive: Archive,
        part: Path,
        *,
        policy: RetryPolicy,
        on_progress: Callable[[int, float | None, str], None],
        cancelled: threading.Event,
    ) -> None:
        self._archive, self._part, self._policy = archive, part, policy
        self._on_progress, self._cancelled = on_progress, cancelled
        self._mirrors = [_Mirror(url) for url in archive.urls]
        # Where the bytes in the part file came from.
        self._contributors = {_Mirror("an earlier download")} if file_size(part) else set()
        self._keeps_apart = False  # after a wrong md5 each mirror sends a whole file, so that the wrong one shows

    def run(self) -> None:
        """Return once the md5 of `part` is right.

        What was received stays in `part`, unless its md5 is wrong. Raises SentenceError if no mirror delivers,
        Cancelled, and OSError if `part` cannot be written.
        """
        mirror: _Mirror | None = None
        while True:
            if file_size(self._part) < self._archive.size:
                mirror = self._choose_mirror(mirror)
                self._receive(mirror)
            elif has_md5(self._part, self._archive.md5):
                return
            else:
                self._reject()

    def _choose_mirror(self, last: _Mirror | None) -> _Mirror:
        """Choose the mirror to ask: the same after a broken connection, else an untried one, else the fastest."""

        def rank(mirror: _Mirror) -> tuple[bool, bool, float, int]:
            resumes = mirror is last and mirror.failure is MirrorFailure.BROKEN and bool(mirror.rate)
            return resumes, mirror.rate is None, mirror.rate or 0.0, -mirror.failed_tries

        candidates = [mirror for mirror in self._mirrors if not mirror.is_given_up]
        if not candidates:
            raise self._explain_failure()
        chosen = max(candidates, key=rank)  # the first of equals
        if self._keeps_apart and self._contributors - {chosen}:
            self._discard()
        if chosen.failed_tries and self._cancelled.wait(self._policy.retry_seconds * chosen.failed_tries):
            raise Cancelled
        return chosen

    def _receive(self, mirror: _Mirror) -> None:
        """Append what a mirror sends until the file is complete, the mirror fails, or it proves too slow."""
        start = received = file_size(self._part)
        mirror.failure = None
        self._on_progress(start, None, mirror.host)
        meter = _RateMeter(self._policy.slow_seconds)
        stream = _stream(mirror.url, start=start, size=self._archive.size, policy=self._policy)
        try:
            with contextlib.closing(stream), self._part.open("ab") as out:
                for position, chunk in stream:
                    raise_if(self._cancelled)
                    meter.add(len(chunk))
                    if new := chunk[max(received - position, 0) :]:  # a server without ranges sends the whole file
                        self._contributors.add(mirror)
                        received += out.write(new)
                    if meter.mean:
                        self._on_progress(received, meter.rate, mirror.host)
                    if received == self._archive.size or self._is_too_slow(mirror, meter):
                        return
        except MirrorError as error:
            log.info("%s: %s", mirror.host, error)
            mirror.failure = error.failure
            mirror.failed_tries += received - start < MIN_DELIVERY
            # Without a network one try is enough: a mirror that sent something before is tried again.
            is_offline = error.failure is MirrorFailure.UNREACHABLE and mirror not in self._contributors
            is_refused = error.failure is MirrorFailure.REFUSED
            mirror.is_given_up = is_offline or is_refused or mirror.failed_tries >= self._policy.tries
        finally:
            mirror.rate = meter.mean

    def _is_too_slow(self, mirror: _Mirror, meter: "_RateMeter") -> bool:
        if self._keeps_apart or not meter.is_full or meter.rate >= self._policy.slow_rate:
            return False
        others = [other.rate for other in self._mirrors if other is not mirror and not other.is_given_up]
        return any(rate is None or rate > meter.mean for rate in others)

    def _reject(self) -> None:
        """Delete a file with a wrong md5, and give up the mirror that sent all of it."""
        log.warning("%s from %s: wrong md5", self._archive.name, [mirror.host for mirror in self._contributors])
        if len(self._contributors) == 1:
            for mirror in self._contributors:
                mirror.failure, mirror.is_given_up = MirrorFailure.WRONG_MD5, True
        self._keeps_apart = True
        self._discard()

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._contributors = set()

    def _explain_failure(self) -> SentenceError:
        template = messages.INCOMPLETE
        failures = {mirror.failure for mirror in self._mirrors}
        if failures == {MirrorFailure.UNREACHABLE}:
            template = messages.UNREACHABLE
        elif failures == {MirrorFailure.WRONG_MD5}:
            template = messages.WRONG_MD5
        hosts = ", ".join(dict.fromkeys(mirror.host for mirror in self._mirrors))
        return SentenceError(template, file=self._archive.name, hosts=hosts, url=self._archive.urls[0])


class _RateMeter:
    """Measure bytes per second over the last `window` seconds (rate) and over the whole time (mean)."""

    def __init__(self, window: float) -> None:
        self._window, self._start, self._total = window, monotonic(), 0
        self._marks = deque([(self._start, 0)])
        self.rate = self.mean = 0.0
        self.is_full = False  # whether the rate covers a whole window

    def add(self, count: int) -> None:
        """Record bytes that were received now."""
        now, self._total = monotonic(), self._total + count
        self._marks.append((now, self._total))
        while len(self._marks) > 2 and self._marks[1][0] <= now - self._window:
            self._marks.popleft()
        start, before = self._marks[0]
        self.rate = (self._total - before) / max(now - start, 1e-9)
        self.mean = self._total / max(now - self._start, 1e-9)
        self.is_full = now - start >= self._window


def _stream(url: str, *, start: int, size: int, policy: RetryPolicy) -> Generator[Chunk]:
    """Yield a file's chunks as they arrive, and an empty one every POLL_SECONDS without any.

    A thread reads them, so that the caller can leave at any time; it closes the connection at the next chunk or
    timeout. Raises MirrorError when no more will come.
    """
    items: Queue[Chunk | MirrorError] = Queue(QUEUED_CHUNKS)
    closed = threading.Event()

    def read() -> None:
        try:
            for chunk in _request(url, start=start, size=size, policy=policy):
                items.put(chunk)
                if closed.is_set():
                    return
        except MirrorError as error:
            items.put(error)

    threading.Thread(target=read, name="download stream", daemon=True).start()
    try:
        while True:
            item: Chunk | MirrorError = (start, b"")
            with contextlib.suppress(Empty):
                item = items.get(timeout=POLL_SECONDS)
            if isinstance(item, MirrorError):
                raise item
            yield item
    finally:
        closed.set()
        with contextlib.suppress(Empty):
            items.get_nowait()  # makes room for the one item that the thread still puts


def _request(url: str, *, start: int, size: int, policy: RetryPolicy) -> Iterator[Chunk]:
    """Yield a file of `size` bytes, from `start` on if the server knows ranges; raise MirrorError at the end."""
    import requests  # 0.16 s, which a page that only shows progress saves
    import urllib3

    # Unencoded: a .gz that a server declares as compressed text would otherwise be unpacked on the way.
    headers = {"Accept-Encoding": "identity", "User-Agent": "mlp-playground"}
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = policy.connect_seconds, policy.read_seconds
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            status = response.status_code
            if status not in (200, 206):
                failure = MirrorFailure.BROKEN if status in RETRY_STATUSES else MirrorFailure.REFUSED
                raise MirrorError(failure, f"status {status}")
            if status == 206:
                span = response.headers.get("Content-Range", "")
                position, length = start, span.partition("/")[2] if span.startswith(f"bytes {start}-") else span
            else:
                position, length = 0, response.headers.get("Content-Length", "*")  # missing if not known in advance
            if length not in ("*", str(size)):
                raise MirrorError(MirrorFailure.REFUSED, f"it sends {length} bytes of a file of {size}")
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                if position + len(chunk) > size:
                    raise MirrorError(MirrorFailure.REFUSED, f"it sends more than {size} bytes")
                yield position, chunk
                position += len(chunk)
        raise MirrorError(MirrorFailure.BROKEN, "the response ended early")
    except requests.ConnectionError as error:
        raise MirrorError(MirrorFailure.UNREACHABLE, error) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise MirrorError(MirrorFailure.BROKEN, error) from error
