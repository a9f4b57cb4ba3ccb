"""One archive over HTTP: its sources tried in turn, what has arrived kept, and nothing taken for whole unchecked."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from mlpcore.data.download.archives import Cancelled, has_md5, raise_if
from mlpcore.data.download.sources import Archive
from mlpcore.data.download.stream import Outcome, SourceError, Stream
from mlpcore.messages import SentenceError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1  # a cancel is seen within this time, whatever the network does
LITTLE = 1 << 20  # bytes: a connection that broke before it brought these is a failed try


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a source is waited for: seconds, bytes per second, and failed tries until it is given up."""

    connect_seconds: float = 10
    read_seconds: float = 20
    slow_rate: float = 200_000  # 170 MB in a quarter of an hour; the throttled host gives 60,000
    slow_seconds: float = 10
    tries: int = 3
    retry_seconds: float = 1


class Phase(StrEnum):
    """What a download is doing."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    UNPACKING = "unpacking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


# phase, bytes of the archive that are there, bytes per second or None, the source's host
Report = Callable[[Phase, int, float | None, str], None]


@dataclass(eq=False)
class _Source:
    url: str
    tries: int = 0  # that failed
    rate: float | None = None  # bytes per second over the whole time that it was last asked
    outcome: Outcome | None = None
    given_up: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.url


class Transfer:
    """Fills `part` with an archive, going on from what is in it.

    Mirrors are byte-identical, so one goes on where another stopped; the md5 at the end decides. A source is left for
    an untried one when it is slow. When all have proved slow the fastest is asked again, and kept.
    """

    def __init__(
        self, archive: Archive, part: Path, *, patience: Patience, report: Report, cancelled: threading.Event
    ) -> None:
        self._archive, self._part = archive, part
        self._patience, self._report, self._cancelled = patience, report, cancelled
        self._sources = [_Source(url) for url in archive.urls]
        # Whose bytes are in the part; None is an earlier download.
        self._givers: set[_Source | None] = {None} if self._have() else set()
        self._settled = False  # no source is left any more for being slow
        self._unmixed = False  # a mixture had a wrong md5: from now on each gives a whole file, so one can be blamed

    def run(self) -> None:
        """Return once the md5 of `part` is right.

        Raises SentenceError where no source delivers, Cancelled, and OSError where `part` cannot be written. What has
        arrived stays in `part`, unless its md5 is wrong.
        """
        source: _Source | None = None
        while True:
            if self._have() < self._archive.size:
                source = self._choose(source)
                self._ask(source)
                continue
            self._report(Phase.CHECKING, self._archive.size, None, source.host if source else "")
            if has_md5(self._part, self._archive.md5, cancelled=self._cancelled):
                return
            self._reject()

    def _have(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def _choose(self, last: _Source | None) -> _Source:
        """Choose the source to ask: after a break the same, else an untried one, else the fastest known."""
        candidates = [source for source in self._sources if not source.given_up]
        if not candidates:
            raise self._failure()
        untried = [source for source in candidates if source.rate is None]
        if last in candidates and last.rate and last.outcome is Outcome.BROKEN:
            chosen = last
        elif untried:
            chosen = untried[0]
        else:
            chosen = max(candidates, key=lambda source: (source.rate or 0, -source.tries))
        if self._unmixed and self._givers - {chosen}:
            self._discard()
        if chosen.tries and self._cancelled.wait(self._patience.retry_seconds * chosen.tries):
            raise Cancelled
        return chosen

    def _ask(self, source: _Source) -> None:
        """Take what a source gives until the file is full, the source fails, or it is left for being slow."""
        before = have = self._have()
        source.outcome = None
        self._report(Phase.CONNECTING, before, None, source.host)
        meter = _Meter(self._patience.slow_seconds)
        stream = Stream(
            source.url,
            start=before,
            size=self._archive.size,
            connect_seconds=self._patience.connect_seconds,
            read_seconds=self._patience.read_seconds,
        )
        try:
            with self._part.open("ab") as out:
                while have < self._archive.size:
                    raise_if(self._cancelled)
                    chunk = stream.take(LOOK_SECONDS)
                    meter.mark(stream.received)
                    if chunk:
                        self._givers.add(source)
                        have += out.write(chunk)
                    if stream.received:
                        self._report(Phase.DOWNLOADING, have, meter.rate, source.host)
                    if self._is_too_slow(source, meter):
                        log.info("%s is slow: %.0f bytes/s", source.host, meter.rate)
                        return
        except SourceError as error:
            log.info("%s: %s", source.host, error)
            source.outcome = error.outcome
            if have - before < LITTLE:
                source.tries += 1
            # Without a network nobody should wait for the same answer three times.
            offline = error.outcome is Outcome.UNREACHABLE and not self._givers - {None}
            source.given_up = offline or error.outcome is Outcome.REFUSED or source.tries >= self._patience.tries
        finally:
            stream.leave()
            source.rate = meter.average

    def _is_too_slow(self, source: _Source, meter: "_Meter") -> bool:
        if self._settled or self._unmixed or not meter.is_full or meter.rate >= self._patience.slow_rate:
            return False
        others = [other for other in self._sources if other is not source and not other.given_up]
        if any(other.rate is None for other in others):
            return True
        self._settled = True
        return any((other.rate or 0) > meter.average for other in others)

    def _reject(self) -> None:
        """Throw a file with a wrong md5 away, and do not ask again who gave it."""
        for source in self._givers:
            if source is not None:
                log.warning("%s from %s: %s", self._archive.name, source.host, Outcome.WRONG)
        if len(self._givers) == 1:
            for source in self._givers - {None}:
                source.outcome, source.given_up = Outcome.WRONG, True
        else:
            self._unmixed = True
        self._discard()

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._givers = set()

    def _failure(self) -> SentenceError:
        values = {
            "file": self._archive.name,
            "hosts": ", ".join(dict.fromkeys(source.host for source in self._sources)),
            "url": self._archive.urls[0],
        }
        outcomes = {source.outcome for source in self._sources}
        if outcomes == {Outcome.UNREACHABLE}:
            return SentenceError(
                "{hosts} cannot be reached: check the network and try again, or fetch {url} by other means and put it "
                "into the folder of the data sets (MLPCORE_DATA).",
                **values,
            )
        if outcomes == {Outcome.WRONG}:
            return SentenceError(
                "What {hosts} sent as {file} has a wrong md5 and was removed unopened: try again later, or fetch "
                "{file} by other means and put it into the folder of the data sets (MLPCORE_DATA).",
                **values,
            )
        return SentenceError(
            "{file} could not be fetched whole from {hosts}: try again, which goes on from what has arrived, or fetch "
            "{url} by other means and put it into the folder of the data sets (MLPCORE_DATA).",
            **values,
        )


class _Meter:
    """Bytes per second over the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = monotonic()
        self._marks = deque([(self._start, 0)])
        self.is_full = False  # whether the rate spans the whole time

    def mark(self, total: int) -> None:
        """Note how many bytes have come so far."""
        now = monotonic()
        self._marks.append((now, total))
        while len(self._marks) > 2 and self._marks[1][0] <= now - self._seconds:
            self._marks.popleft()
        self.is_full = now - self._marks[0][0] >= self._seconds

    @property
    def rate(self) -> float:
        """Bytes per second; 0 before the first mark."""
        (start, before), (end, total) = self._marks[0], self._marks[-1]
        return (total - before) / (end - start) if end > start else 0.0

    @property
    def average(self) -> float:
        """Bytes per second since the beginning."""
        end, total = self._marks[-1]
        return total / (end - self._start) if end > self._start else 0.0
