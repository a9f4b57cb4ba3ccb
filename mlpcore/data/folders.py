"""Read a folder of image files, `<name>/{train,test}/<class>/*.{png,jpg,jpeg}`, as arrays."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mlpcore.data import messages
from mlpcore.data.cache import Arrays, cached_arrays
from mlpcore.data.catalog import MAX_CLASSES, SUFFIXES, held_out_size, is_image
from mlpcore.messages import SentenceError

SIDE = 32
REPORT_EVERY = 500  # images between two reports of progress, about 60 ms
DECODING_VERSION = 1  # part of the fingerprint: raise it when files are turned into pixels in another way
SPLIT_SALT = "test split 1"  # part of the hash that chooses the test images where there is no test folder
MAX_FILES = 1_000_000  # 3 GB once decoded
MAX_PIXELS = 89_478_485  # of one image, 256 MB: above this Pillow warns of a decompression bomb, too
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow is known to raise for files that are cut off, damaged or not images.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)

Files = list[tuple[str, int]]  # paths, each with its label


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The image files of one data set, each with its label, and a fingerprint that changes with them."""

    classes: tuple[str, ...]
    train: Files
    test: Files
    fingerprint: str


def load_folder(
    folder: Path, *, cache: Path, progress: Callable[[float], None] | None = None
) -> tuple[Arrays, tuple[str, ...]]:
    """Load a folder of images and the names of its classes; decode it only if it has changed since the last time.

    Classes are the names of the folders in train, sorted. Images of another size are resized to 32×32, grey ones
    become colour, transparency becomes white. Raises SentenceError that names the file or class with a problem.
    """
    listing = list_images(folder)

    def decode() -> Arrays:
        files = listing.train + listing.test
        images = _decode_all([path for path, _ in files], progress=progress)
        labels = np.array([label for _, label in files], np.int64)
        end = len(listing.train)
        return Arrays(images[:end], labels[:end], images[end:], labels[end:])

    return cached_arrays(cache, fingerprint=listing.fingerprint, build=decode), listing.classes


def list_images(folder: Path) -> Listing:
    """List the images of a data set; raise SentenceError that names what is wrong with its layout.

    Without a folder 'test', a part of every class is held out for testing: `held_out_size` images, the first in the
    order of a hash of class and file name. They are the same on every machine, and an added image moves few others.
    """
    try:
        return _Reader(folder).read()
    except OSError as error:
        file = _relative(folder, error.filename) if error.filename else folder.name
        raise SentenceError(messages.FILE_CANNOT_BE_READ, file=file, reason=error.strerror) from error


class _Reader:
    """List one data set: look at every file once, open none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The data set itself may be a link, set by the owner of the machine; links inside must not lead out of it.
        self._root = os.path.realpath(folder)
        self._has_test = (folder / "test").is_dir()
        self._hash = hashlib.sha256(f"{DECODING_VERSION} {SIDE} {'' if self._has_test else SPLIT_SALT}".encode())
        self._count = 0

    def read(self) -> Listing:
        name = self._folder.name
        if not (self._folder / "train").is_dir():
            raise SentenceError(messages.NO_SPLIT, folder=name, split="train")
        classes = self._subfolders("train")
        if not 2 <= len(classes) <= MAX_CLASSES:
            count = len(classes)
            raise SentenceError(messages.BAD_NUMBER_OF_CLASSES, folder=name, limit=MAX_CLASSES, count=count)
        unknown = sorted(set(self._subfolders("test")) - set(classes)) if self._has_test else []
        if unknown:
            raise SentenceError(messages.UNKNOWN_CLASS, folder=name, name=_printable(unknown[0]))
        train: Files = []
        test: Files = []
        for label, each in enumerate(classes):
            paths = self._images("train", each)
            held_out = self._images("test", each) if self._has_test else self._hold_out(each, paths)
            train += [(path, label) for path in sorted(set(paths) - set(held_out))]
            test += [(path, label) for path in held_out]
        shown = tuple(_printable(each) for each in classes)
        return Listing(classes=shown, train=train, test=test, fingerprint=self._hash.hexdigest()[:16])

    def _subfolders(self, split: str) -> list[str]:
        found = []
        self._refuse_outside(self._folder / split)
        with os.scandir(self._folder / split) as entries:
            for entry in entries:
                if entry.is_dir() and not entry.name.startswith("."):
                    if entry.is_symlink():
                        self._refuse_outside(entry.path)
                    found.append(entry.name)
        return sorted(found)

    def _images(self, split: str, name: str) -> list[str]:
        """List the images of one class, sorted by name."""
        folder = self._folder / split / name
        found = []
        if folder.is_dir():
            with os.scandir(folder) as entries:
                images = (each for each in entries if is_image(each.name) and (each.is_file() or each.is_symlink()))
                found = list(islice(images, MAX_FILES + 1))
        if not found:
            values = {"folder": self._folder.name, "split": split, "suffixes": ", ".join(SUFFIXES)}
            raise SentenceError(messages.CLASS_WITHOUT_IMAGES, name=_printable(name), **values)
        self._count += len(found)
        if self._count > MAX_FILES:
            raise SentenceError(messages.TOO_MANY_IMAGES, folder=self._folder.name, limit=MAX_FILES)
        found.sort(key=lambda entry: entry.name)
        for entry in found:
            if entry.is_symlink():
                self._refuse_outside(entry.path)
            stat = entry.stat()
            if not stat.st_size:
                raise SentenceError(messages.EMPTY_FILE, file=_relative(self._folder, entry.path))
            mark = f"{split}/{name}/{entry.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
            self._hash.update(mark.encode(errors="replace"))
        return [entry.path for entry in found]

    def _hold_out(self, name: str, paths: list[str]) -> list[str]:
        """Choose the images of a class that are held out for testing, sorted by name."""
        if len(paths) < 2:
            raise SentenceError(messages.CLASS_WITH_ONE_IMAGE, name=_printable(name), folder=self._folder.name)

        def rank(path: str) -> bytes:
            return hashlib.sha256(os.fsencode(f"{SPLIT_SALT}/{name}/{Path(path).name}")).digest()

        return sorted(sorted(paths, key=rank)[: held_out_size(len(paths))])

    def _refuse_outside(self, path: str | Path) -> None:
        target = os.path.realpath(path)
        if target != self._root and not target.startswith(self._root + os.sep):
            raise SentenceError(messages.LINK_LEADS_OUT, file=_relative(self._folder, path))


def _relative(folder: Path, path: str | Path) -> str:
    """Name a file by its path in the data set: pages show this, and no path of the server."""
    return _printable(Path(os.path.relpath(path, folder)).as_posix())


def _printable(name: str) -> str:
    """Replace the bytes of a file name that are not text, which Linux allows."""
    return name.encode(errors="replace").decode()


def _decode_all(paths: list[str], *, progress: Callable[[float], None] | None) -> NDArray[np.uint8]:
    # In one thread: an image takes 117 µs alone and 190 µs with two threads on two cores, which wait for the GIL.
    images = np.empty((len(paths), 3, SIDE, SIDE), np.uint8)
    for row, path in enumerate(paths):
        images[row] = decode_image(path).transpose(2, 0, 1)
        if progress is not None and row % REPORT_EVERY == 0:
            progress(row / len(paths))
    if progress is not None:
        progress(1.0)
    return images


def decode_image(path: str | Path) -> NDArray[np.uint8]:
    """Decode one image file to uint8 (32, 32, 3); raise SentenceError with the name of a file that is not readable."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return np.asarray(as_thumbnail(image))
    except (*BOMBS, *UNREADABLE) as error:
        file = _printable("/".join(Path(path).parts[-3:]))  # <split>/<class>/<file>
        template = messages.TOO_MANY_PIXELS if isinstance(error, BOMBS) else messages.NOT_AN_IMAGE
        raise SentenceError(template, file=file, limit=MAX_PIXELS) from error


def as_thumbnail(image: Image.Image, side: int = SIDE) -> Image.Image:
    """Turn an image of any size and mode into a colour one of `side` × `side` pixels; transparency becomes white."""
    if image.size == (side, side) and image.mode == "RGB" and "transparency" not in image.info:
        return image  # saves 15 of 106 µs
    if image.size != (side, side):
        image.draft("RGB", (4 * side, 4 * side))  # decodes a camera's JPEG at a fraction of its size
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB").resize((side, side))
