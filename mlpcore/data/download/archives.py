"""Archives on the disk: is a file the published one, and what is in it, unpacked so that it appears whole."""

import gzip
import hashlib
import os
import tarfile
import zlib
from pathlib import Path
from threading import Event

from mlpcore.data.download.sources import Archive

CHUNK = 1 << 20  # between two looks at `cancelled`: 3 ms of md5, 10 ms of unpacking


class Cancelled(Exception):
    """Somebody asked that the work stop."""


def raise_if(cancelled: Event) -> None:
    """Raise Cancelled once the event is set."""
    if cancelled.is_set():
        raise Cancelled


def has_md5(file: Path, md5: str, *, cancelled: Event) -> bool:
    """Read a file and compare its md5; a file that is not there or may not be read has none."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                raise_if(cancelled)
                digest.update(chunk)
    except OSError:
        return False
    return digest.hexdigest() == md5


def is_unpacked(archive: Archive, folder: Path, *, cancelled: Event) -> bool:
    """Tell whether a folder holds every file of the archive, each with its md5."""
    if not all((folder / name).is_file() for name in archive.files):  # the answer in most cases, without reading
        return False
    return all(has_md5(folder / name, md5, cancelled=cancelled) for name, md5 in archive.files.items())


def unpack(file: Path, archive: Archive, folder: Path, *, cancelled: Event) -> bool:
    """Unpack the file into the folder if it is this archive; returns whether the archive's files are there now.

    A .tar.gz is opened only if its md5 is right. A .gz is one compressed file, which a distribution may have
    compressed anew (Debian's Fashion-MNIST is): what comes out of it must have the right md5. Raises OSError where the
    folder cannot be written.
    """
    if not os.access(file, os.R_OK):
        return False
    if archive.name.endswith(".tar.gz"):
        if not has_md5(file, archive.md5, cancelled=cancelled):
            return False
        folder.mkdir(parents=True)
        with tarfile.open(file) as tar:
            for member in tar:
                raise_if(cancelled)
                # torchvision's folder is the top folder of the archive
                tar.extract(member, folder.parent, filter="data")
    else:
        folder.mkdir(parents=True)
        (name,) = archive.files
        try:
            _decompress(file, folder / name, limit=archive.unpacked_size, cancelled=cancelled)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return False
    return is_unpacked(archive, folder, cancelled=cancelled)


def move_into(source: Path, target: Path) -> None:
    """Move an unpacked folder to its place; where a folder is there already, file by file, each of them at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        source.rename(target)
        return
    for file in source.iterdir():
        file.replace(target / file.name)


def _decompress(file: Path, target: Path, *, limit: int, cancelled: Event) -> None:
    with gzip.open(file) as stream, target.open("wb") as out:
        while out.tell() <= limit and (chunk := stream.read(CHUNK)):
            raise_if(cancelled)
            out.write(chunk)
