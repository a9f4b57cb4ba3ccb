"""Put a published data set where torchvision expects it, from archives on this computer or by download."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlpcore.data import messages
from mlpcore.data.download.fetch import ArchiveFetcher, RetryPolicy
from mlpcore.data.download.install import Cancelled, Installer, file_size, raise_if
from mlpcore.data.download.sources import ARCHIVES, Archive, ArchiveSet, dataset_title
from mlpcore.messages import Sentence, SentenceError

log = logging.getLogger(__name__)

BAR_SECONDS = 0.2  # between two updates of the progress bar


class DownloadStatus(StrEnum):
    """What a download is doing, as the sentence that a page shows."""

    WAITING = messages.WAITING
    CONNECTING = messages.CONNECTING
    DOWNLOADING = messages.DOWNLOADING
    CHECKING = messages.CHECKING
    UNPACKING = messages.UNPACKING
    DONE = messages.DONE
    FAILED = messages.FAILED
    CANCELLED = messages.CANCELLED

    @property
    def is_over(self) -> bool:
        """Whether the download has ended."""
        return self in (DownloadStatus.DONE, DownloadStatus.FAILED, DownloadStatus.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """How far a download is: bytes, bytes per second, and the host it asks."""

    dataset: str
    status: DownloadStatus = DownloadStatus.CHECKING
    bytes_done: int = 0
    bytes_total: int
    rate: float | None = None
    host: str = ""
    failure: Sentence | None = None

    @property
    def sentence(self) -> Sentence:
        """What a page shows."""
        return self.failure or Sentence(self.status.value, {"dataset": dataset_title(self.dataset), "host": self.host})

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all bytes are received at this rate; None without a rate."""
        return (self.bytes_total - self.bytes_done) / self.rate if self.rate else None


class Download:
    """Download one data set in a thread, which continues when the page that started it is closed.

    Two processes may be asked to fill the same folder: one downloads, the other waits for it.
    """

    def __init__(
        self, archive_set: ArchiveSet, home: Path, *, policy: RetryPolicy | None = None, owner: str = ""
    ) -> None:
        """Prepare to provide the data set in the folder `home`.

        owner: a secret of the browser that started the download, which alone may cancel it.
        """
        self.owner = owner
        self._set, self._folder, self._policy = archive_set, home / archive_set.folder, policy or RetryPolicy()
        self._cancelled, self._over = threading.Event(), threading.Event()
        self._installer = Installer(archive_set, home, cancelled=self._cancelled)
        self._bytes_in_place = 0  # of the archives that need no download any more
        total = sum(archive.size for archive in archive_set.archives)
        self._begun = DownloadProgress(dataset=archive_set.dataset, bytes_total=total)
        self.progress = self._begun  # replaced, never changed

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name=f"download {self._set.dataset}", daemon=True).start()

    def cancel(self) -> None:
        """Ask the download to stop, which takes about a second; what was received is kept for the next one."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> DownloadProgress:
        """Wait until the download is over, or for that many seconds; return its progress."""
        self._over.wait(seconds)
        return self.progress

    def _run(self) -> None:
        status, failure = DownloadStatus.FAILED, None
        try:
            self._provide()
            status = DownloadStatus.DONE
        except Cancelled:
            status = DownloadStatus.CANCELLED
        except SentenceError as error:
            failure = error.sentence
        except OSError as error:
            log.warning("%s: %s", self._set.dataset, error)
            failure = self._installer.explain(error).sentence
        except Exception:  # our own mistake: the thread must still report that the download is over
            log.exception("%s", self._set.dataset)
        self._report(status, self.progress.bytes_done, failure=failure)
        self._over.set()

    def _report(self, status: DownloadStatus, bytes_done: int, **values: Any) -> None:
        self.progress = replace(self._begun, status=status, bytes_done=bytes_done, **values)

    def _provide(self) -> None:
        if not self._find_missing():  # before anything is written: the folder may be read-only and complete
            return
        with self._installer.locked(on_wait=self._report_waiting):
            missing = self._find_missing()
            for index, archive in enumerate(missing):
                raise_if(self._cancelled)
                if not self._installer.install_local(archive):
                    self._fetch(archive, space=sum(each.size + each.unpacked_size for each in missing[index:]))
                self._bytes_in_place += archive.size
                self._report(DownloadStatus.CHECKING, self._bytes_in_place)

    def _find_missing(self) -> list[Archive]:
        missing = self._installer.find_missing()
        self._bytes_in_place = sum(archive.size for archive in self._set.archives if archive not in missing)
        self._report(DownloadStatus.CHECKING, self._bytes_in_place)
        return missing

    def _fetch(self, archive: Archive, *, space: int) -> None:
        def report(received: int, rate: float | None, host: str) -> None:
            status = DownloadStatus.CONNECTING if rate is None else DownloadStatus.DOWNLOADING
            self._report(status, self._bytes_in_place + received, rate=rate, host=host)

        self._folder.mkdir(parents=True, exist_ok=True)
        part, complete = self._folder / f"{archive.name}.part", self._folder / archive.name
        self._installer.require_space(space - file_size(part))
        ArchiveFetcher(archive, part, policy=self._policy, on_progress=report, cancelled=self._cancelled).run()
        part.replace(complete)
        self._report(DownloadStatus.UNPACKING, self._bytes_in_place + archive.size)
        if not self._installer.install(archive, complete):
            raise SentenceError(
                messages.UNEXPECTED_CONTENT, file=archive.name, dataset=dataset_title(self._set.dataset)
            )

    def _report_waiting(self) -> None:
        files = [self._folder / archive.name for archive in self._set.archives]
        done = sum(file_size(file) or file_size(file.with_name(f"{file.name}.part")) for file in files)
        self._report(DownloadStatus.WAITING, done)


class Downloads:
    """The downloads of this process, each shared by all who request it. Safe from several threads."""

    def __init__(
        self,
        home: Callable[[], Path],
        *,
        archive_sets: Mapping[str, ArchiveSet] = ARCHIVES,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._home, self._sets, self._policy = home, archive_sets, policy
        self._downloads: dict[str, Download] = {}
        self._lock = threading.Lock()

    def request(self, dataset: str, *, owner: str = "") -> Download:
        """Return the running download of a data set; start one, which resumes an earlier one, if there is none."""
        archive_set = _find_set(self._sets, dataset)
        with self._lock:
            current = self._downloads.get(dataset)
            if current is None or current.progress.status.is_over:
                current = Download(archive_set, self._home(), policy=self._policy, owner=owner)
                self._downloads[dataset] = current
                current.start()
            return current

    def find(self, dataset: str) -> Download | None:
        """Return the last download of a data set, over or not; None if nobody has requested one."""
        return self._downloads.get(dataset)


def download(
    dataset: str,
    home: str | Path,
    *,
    archive_sets: Mapping[str, ArchiveSet] = ARCHIVES,
    policy: RetryPolicy | None = None,
) -> None:
    """Download a data set into the folder `home`, with a progress bar; return when it is there.

    Raises:
        SentenceError: the data set could not be provided; the message says what to do.
        KeyboardInterrupt: Ctrl-C was pressed; what was received is kept for the next download.
    """
    from tqdm.auto import tqdm

    work = Download(_find_set(archive_sets, dataset), Path(home).expanduser(), policy=policy)
    progress = work.progress
    work.start()
    try:
        with tqdm(desc=dataset, total=progress.bytes_total, unit="B", unit_scale=True) as bar:
            while not progress.status.is_over:
                progress = work.wait(BAR_SECONDS)
                bar.set_postfix_str(progress.host, refresh=False)
                bar.update(progress.bytes_done - bar.n)
    except KeyboardInterrupt:
        work.cancel()
        work.wait()
        raise
    if progress.status is not DownloadStatus.DONE:
        raise SentenceError(progress.sentence.template, **progress.sentence.values)


def _find_set(archive_sets: Mapping[str, ArchiveSet], dataset: str) -> ArchiveSet:
    if dataset not in archive_sets:
        options = ", ".join(archive_sets)
        raise SentenceError(messages.NOT_AN_OPTION, field="dataset", value=dataset, options=options)
    return archive_sets[dataset]
