"""A published data set, brought to where torchvision expects it: from this computer if it is there, else fetched."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlpcore.data.download.archives import Cancelled, raise_if
from mlpcore.data.download.fetch import Patience, Phase, Transfer
from mlpcore.data.download.install import Placement
from mlpcore.data.download.sources import ARCHIVES, Archive, ArchiveSet
from mlpcore.messages import N_, Sentence, SentenceError

log = logging.getLogger(__name__)

BAR_SECONDS = 0.2  # between two looks at a download, for its bar


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a download is: bytes, bytes per second, seconds, the host asked now, and a sentence for a person."""

    phase: Phase
    bytes_done: int
    bytes_total: int
    rate: float | None
    host: str
    sentence: Sentence

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all bytes are there at this rate; None where there is no rate."""
        return (self.bytes_total - self.bytes_done) / self.rate if self.rate else None


class Download:
    """One data set on its way, in a thread of its own: it goes on when the page that asked for it is closed.

    Two processes may be asked for the same folder: one fetches, the other waits for it.
    """

    def __init__(
        self,
        archive_set: ArchiveSet,
        home: Path,
        *,
        patience: Patience | None = None,
        owner: str = "",
    ) -> None:
        """Prepare to bring the set to `home`, looking first there and where a package installs it."""
        self.owner = owner  # a secret of the browser that asked first: the one that may cancel it
        self._set = archive_set
        self._installed = [Path(folder) for folder in archive_set.installed]
        self._patience = patience or Patience()
        self._cancelled, self._over = threading.Event(), threading.Event()
        self._placement = Placement(archive_set, home, cancelled=self._cancelled)
        self._finished_bytes = 0  # of the archives that are dealt with
        self._progress = self._picture(Phase.CHECKING)

    @property
    def progress(self) -> Progress:
        """How far it is now; never changed afterwards."""
        return self._progress

    def start(self) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self._run, name=f"download {self._set.dataset}", daemon=True).start()

    def cancel(self) -> None:
        """Ask it to stop, which it does within a second; what has arrived is kept for the next time."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> Progress:
        """Wait until it is over, or for that many seconds; returns how far it is."""
        self._over.wait(seconds)
        return self._progress

    def _run(self) -> None:
        dataset = self._set.dataset
        try:
            self._bring()
            phase, sentence = Phase.DONE, Sentence("{dataset} is here.", {"dataset": dataset})
        except Cancelled:
            template = (
                "The download of {dataset} was cancelled. What has arrived is kept: the next one goes on from it."
            )
            phase, sentence = Phase.CANCELLED, Sentence(template, {"dataset": dataset})
        except SentenceError as error:
            phase, sentence = Phase.FAILED, error.sentence
        except OSError as error:
            log.warning("%s: %s", dataset, error)
            phase, sentence = Phase.FAILED, self._placement.explain(error).sentence
        except Exception as error:
            log.exception("%s", dataset)
            template = "{dataset} could not be fetched, by a fault of this program ({reason}): its log says more."
            phase, sentence = Phase.FAILED, Sentence(template, {"dataset": dataset, "reason": type(error).__name__})
        done = None if phase is Phase.DONE else self._progress.bytes_done
        self._progress = self._picture(phase, done=done, sentence=sentence)
        self._over.set()

    def _bring(self) -> None:
        if not self._missing():  # before anything is written: the folder may be read-only and whole
            return
        with self._placement.alone(waiting=self._show_the_other):
            missing = self._missing()
            for index, archive in enumerate(missing):
                raise_if(self._cancelled)
                self._progress = self._picture(Phase.CHECKING)
                if not self._placement.find(archive, self._installed):
                    self._fetch(archive, room=sum(each.size + each.unpacked_size for each in missing[index:]))
                self._finished_bytes += archive.size

    def _missing(self) -> list[Archive]:
        self._progress = self._picture(Phase.CHECKING)
        missing = self._placement.missing()
        self._finished_bytes = sum(archive.size for archive in self._set.archives if archive not in missing)
        return missing

    def _fetch(self, archive: Archive, *, room: int) -> None:
        folder = self._placement.folder
        folder.mkdir(parents=True, exist_ok=True)
        part, whole = folder / f"{archive.name}.part", folder / archive.name
        self._placement.require_room(room - _size(part))

        def report(phase: Phase, done: int, rate: float | None, host: str) -> None:
            self._progress = self._picture(phase, done=self._finished_bytes + done, rate=rate, host=host)

        Transfer(archive, part, patience=self._patience, report=report, cancelled=self._cancelled).run()
        part.replace(whole)
        report(Phase.UNPACKING, archive.size, None, "")
        if not self._placement.take(archive, whole):
            raise SentenceError(
                "{file} does not hold the files of {dataset}, though its md5 is right: please report this.",
                file=archive.name,
                dataset=self._set.dataset,
            )

    def _show_the_other(self) -> None:
        files = [self._placement.folder / archive.name for archive in self._set.archives]
        done = sum(_size(file) or _size(file.with_name(f"{file.name}.part")) for file in files)
        self._progress = self._picture(Phase.WAITING, done=done)

    def _picture(
        self,
        phase: Phase,
        *,
        done: int | None = None,
        rate: float | None = None,
        host: str = "",
        sentence: Sentence | None = None,
    ) -> Progress:
        values = {"dataset": self._set.dataset, "host": host}
        return Progress(
            phase=phase,
            bytes_done=self._finished_bytes if done is None else done,
            bytes_total=sum(archive.size for archive in self._set.archives),
            rate=rate,
            host=host,
            sentence=sentence or Sentence(_ACTIVITIES[phase], values),
        )


_ACTIVITIES = {
    Phase.WAITING: N_("{dataset} is being fetched by another process on this computer: waiting for it."),
    Phase.CONNECTING: N_("Connecting to {host}."),
    Phase.DOWNLOADING: N_("Downloading {dataset} from {host}."),
    Phase.CHECKING: N_("Checking what there is of {dataset}."),
    Phase.UNPACKING: N_("Unpacking {dataset}."),
}


class Downloads:
    """The downloads of this process, each shared by all who ask for it. Safe from several threads."""

    def __init__(
        self,
        home: Callable[[], Path],
        *,
        archive_sets: Mapping[str, ArchiveSet] = ARCHIVES,
        patience: Patience | None = None,
    ) -> None:
        self._home, self._sets, self._patience = home, archive_sets, patience
        self._downloads: dict[str, Download] = {}
        self._lock = threading.Lock()

    def request(self, dataset: str, *, owner: str = "") -> Download:
        """Start a download, unless it is going on already; one that is over starts again, from what has arrived."""
        archive_set = _find_set(self._sets, dataset)
        with self._lock:
            current = self._downloads.get(dataset)
            if current is None or current.progress.phase.is_over:
                current = Download(archive_set, self._home(), patience=self._patience, owner=owner)
                self._downloads[dataset] = current
                current.start()
            return current

    def find(self, dataset: str) -> Download | None:
        """The last download of a data set, over or not; None where nobody has asked for one."""
        return self._downloads.get(dataset)


def download(
    dataset: str,
    home: str | Path,
    *,
    archive_sets: Mapping[str, ArchiveSet] = ARCHIVES,
    patience: Patience | None = None,
) -> None:
    """Bring a data set to `home` and return when it is there, with a bar of the bytes meanwhile.

    Raises SentenceError, which says what to do; Ctrl-C keeps what has arrived.
    """
    from tqdm.auto import tqdm

    archive_set = _find_set(archive_sets, dataset)
    work = Download(archive_set, Path(home).expanduser(), patience=patience)
    work.start()
    try:
        with tqdm(desc=dataset, total=work.progress.bytes_total, unit="B", unit_scale=True) as bar:
            while True:
                progress = work.wait(BAR_SECONDS)
                bar.set_postfix_str(progress.host, refresh=False)
                bar.update(progress.bytes_done - bar.n)
                if progress.phase.is_over:
                    break
    except KeyboardInterrupt:
        work.cancel()
        work.wait()
        raise
    if progress.phase is not Phase.DONE:
        raise SentenceError(progress.sentence.template, **progress.sentence.values)


def _find_set(archive_sets: Mapping[str, ArchiveSet], dataset: str) -> ArchiveSet:
    if dataset not in archive_sets:
        raise SentenceError(
            "{field} is {value}: it must be one of {options}.",
            field="dataset",
            value=dataset,
            options=", ".join(archive_sets),
        )
    return archive_sets[dataset]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
