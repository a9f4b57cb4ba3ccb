"""Install a published data set: check md5s, unpack archives, and move the complete files into place."""

import contextlib
import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

from mlpcore.data import messages
from mlpcore.data.download.sources import Archive, ArchiveSet, dataset_title
from mlpcore.messages import SentenceError

CHUNK_BYTES = 1 << 20
LOCK_POLL_SECONDS = 0.2
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)  # file systems that know no locks
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)

# Python before 3.11.4 has no filters; the archive is the published one in any case, byte for byte
_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class Cancelled(Exception):
    """The download was cancelled."""


def raise_if(cancelled: Event) -> None:
    """Raise Cancelled once the event is set."""
    if cancelled.is_set():
        raise Cancelled


def file_size(file: Path) -> int:
    """Return the size of a file in bytes; 0 where there is none."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def has_md5(file: Path, md5: str) -> bool:
    """Check the md5 of a file; False for one that is missing or cannot be read."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return False
    return digest.hexdigest() == md5


def is_unpacked(archive: Archive, folder: Path) -> bool:
    """Check whether a folder holds every file of the archive, each with its md5."""
    return all(has_md5(folder / name, md5) for name, md5 in archive.files.items())


class Installer:
    """Installs the files of one data set in the data home. Methods raise Cancelled, SentenceError and OSError."""

    def __init__(self, archive_set: ArchiveSet, home: Path, *, cancelled: Event) -> None:
        self._set, self._home, self._cancelled = archive_set, home, cancelled
        self._target = home / archive_set.unpacked

    def find_missing(self) -> list[Archive]:
        """List the archives whose files are not all in place with the right md5: 0.4 s for a complete CIFAR-10."""
        return [archive for archive in self._set.archives if not is_unpacked(archive, self._target)]

    def install_local(self, archive: Archive) -> bool:
        """Install an archive from what this computer has of it; return False where that is nothing usable.

        The data home and the folders of system packages may hold the archive itself or its unpacked files.
        """
        for place in (self._home, *map(Path, self._set.installed)):
            files = {place / self._set.folder / archive.name, place / archive.name}
            for source in (place / self._set.unpacked, place, *files):
                if source != self._target and self.install(archive, source):
                    return True
        return False

    def install(self, archive: Archive, source: Path) -> bool:
        """Copy a folder or unpack an archive file into place; return False where it does not hold this archive.

        A .tar.gz is opened only if its md5 is right. A .gz is a single compressed file, which a distribution may have
        compressed again (Debian's Fashion-MNIST is): there the md5 of the unpacked file decides.
        """
        is_folder = is_unpacked(archive, source)
        if not is_folder and not (source.is_file() and os.access(source, os.R_OK)):
            return False
        self.require_space(archive.unpacked_size)
        staging = self._home / f".{self._set.dataset}.unpacking"  # the dot hides it from the list of data sets
        folder = staging / self._target.name
        shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
        try:
            folder.mkdir(parents=True)
            if is_folder:
                for name in archive.files:
                    shutil.copyfile(source / name, folder / name)
            elif archive.name.endswith(".tar.gz"):
                self._extract_tar(archive, source, staging)
            else:
                _extract_gz(archive, source, folder)
            if not is_unpacked(archive, folder):
                return False
            self._target.mkdir(parents=True, exist_ok=True)
            for file in folder.iterdir():  # the data set counts as here once all of them are
                file.replace(self._target / file.name)
            return True
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _extract_tar(self, archive: Archive, source: Path, parent: Path) -> None:
        """Extract a .tar.gz, whose top folder is the one that torchvision reads."""
        if has_md5(source, archive.md5):
            with tarfile.open(source) as tar:
                for member in tar:
                    raise_if(self._cancelled)
                    tar.extract(member, parent, **_SAFELY)

    @contextlib.contextmanager
    def locked(self, *, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock that lets one thread of one process write this data set; the system frees it at process death.

        `on_wait` is called repeatedly while another process or thread holds the lock.
        """
        from filelock import FileLock, Timeout  # 30 ms, which a page that only shows progress saves

        def is_given_up() -> bool:
            on_wait()
            return self._cancelled.is_set()

        self._home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._home / f".{self._set.dataset}.lock", fallback_to_soft=False)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock.acquire(poll_interval=LOCK_POLL_SECONDS, cancel_check=is_given_up))
            except Timeout:
                raise Cancelled from None
            except OSError as error:
                if error.errno not in NO_LOCKS:  # without locks the md5 check alone protects from two writers
                    raise
            yield

    def require_space(self, needed: int) -> None:
        """Raise SentenceError where the disk has fewer free bytes than needed."""
        if shutil.disk_usage(self._home).free < needed:
            raise self._full_disk(needed)

    def explain(self, error: OSError) -> SentenceError:
        """Build the message for a failed write; it names no path of the server."""
        if error.errno in NO_ROOM:
            return self._full_disk(sum(archive.size + archive.unpacked_size for archive in self._set.archives))
        template = messages.FOLDER_IS_READ_ONLY if error.errno in NOT_WRITABLE else messages.CANNOT_BE_STORED
        return SentenceError(
            template, dataset=dataset_title(self._set.dataset), reason=os.strerror(error.errno or errno.EIO)
        )

    def _full_disk(self, needed: int) -> SentenceError:
        megabytes = -(-needed // 1_000_000)
        return SentenceError(messages.DISK_IS_FULL, dataset=dataset_title(self._set.dataset), megabytes=megabytes)


def _extract_gz(archive: Archive, source: Path, folder: Path) -> None:
    """Decompress a file, as far as the size of the published one: another may be endless."""
    (name,) = archive.files
    with (
        contextlib.suppress(gzip.BadGzipFile, EOFError, zlib.error),
        gzip.open(source) as stream,
        (folder / name).open("wb") as out,
    ):
        while out.tell() <= archive.unpacked_size and (chunk := stream.read(CHUNK_BYTES)):
            out.write(chunk)
