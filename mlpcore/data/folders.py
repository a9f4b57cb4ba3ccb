"""A folder of image files, `<name>/{train,test}/<class>/*.{png,jpg,jpeg}`, as arrays."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlpcore.data.cache import Arrays, cached_arrays
from mlpcore.data.catalog import MAX_CLASSES, SUFFIXES, cut_size, is_image
from mlpcore.messages import SentenceError

SIDE = 32
REPORT_EVERY = 500  # images between two reports of progress, about 60 ms
DECODING = 1  # part of the fingerprint: counts the ways in which files were turned into pixels
CUTTING = "test split 1"  # the seed by which images are set aside for testing, where a data set has no folder for that
MAX_FILES = 1_000_000  # 3 GB once decoded
MAX_PIXELS = 89_478_485  # of one image, a quarter of a GB: from here on Pillow too warns of a decompression bomb
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow is known to raise for files that are cut off, damaged or no images at all.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)

Files = list[tuple[str, int]]  # paths, each with its label


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The image files of one data set: paths by split, each with its label, and the mark by which a change shows."""

    classes: tuple[str, ...]
    train: Files
    test: Files
    fingerprint: str


def load_folder(
    folder: Path, *, cache: Path, progress: Callable[[float], None] | None = None
) -> tuple[Arrays, tuple[str, ...]]:
    """Load a folder of images, decoding it only if it changed since the last time; returns the arrays and the classes.

    Classes are the names of the folders in train, sorted. Images of another size are resized to 32×32, grey ones
    become colour, transparency becomes white. Raises SentenceError naming the file or class that is in the way.
    """
    listing = list_images(folder)

    def decode() -> Arrays:
        everything = listing.train + listing.test
        images = _decode_all([path for path, _ in everything], progress=progress)
        labels = np.array([label for _, label in everything], np.int64)
        cut = len(listing.train)
        return Arrays(images[:cut], labels[:cut], images[cut:], labels[cut:])

    return cached_arrays(cache, fingerprint=listing.fingerprint, build=decode), listing.classes


def list_images(folder: Path) -> Listing:
    """List the images of a data set; raises SentenceError naming what is wrong with its layout.

    Where there is no folder 'test', a part of every class is set aside for testing: `cut_size` images, those first in
    the order of a hash of class and file name. They are the same on every machine, and an image that is added moves
    few others.
    """
    try:
        return _Reader(folder).read()
    except OSError as error:
        file = _within(folder, error.filename) if error.filename else folder.name
        raise SentenceError("{file} cannot be read ({reason}).", file=file, reason=error.strerror) from error


class _Reader:
    """Lists one data set: every file is looked at once, none is opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The data set may itself be a link, made by whoever runs this machine; links in it may not lead out of it.
        self._root = os.path.realpath(folder)
        self._has_test = (folder / "test").is_dir()
        self._marks = hashlib.sha256(f"{DECODING} {SIDE} {'' if self._has_test else CUTTING}".encode())
        self._count = 0

    def read(self) -> Listing:
        name = self._folder.name
        if not (self._folder / "train").is_dir():
            template = "{folder} has no folder '{split}': images belong in {split}/<class>/."
            raise SentenceError(template, folder=name, split="train")
        classes = self._subfolders("train")
        if not 2 <= len(classes) <= MAX_CLASSES:
            template = (
                "{folder}/train needs from 2 to {limit:,} folders of images, one for each class: it has {count:,}."
            )
            raise SentenceError(template, folder=name, limit=MAX_CLASSES, count=len(classes))
        unknown = sorted(set(self._subfolders("test")) - set(classes)) if self._has_test else []
        if unknown:
            template = "{folder}/test has the class '{name}', which train has not."
            raise SentenceError(template, folder=name, name=_printable(unknown[0]))
        train, test = [], []
        for label, each in enumerate(classes):
            paths = self._images("train", each)
            if self._has_test:
                chosen = self._images("test", each)
            else:
                chosen = self._set_aside(each, paths)
                paths = sorted(set(paths) - set(chosen))
            train += [(path, label) for path in paths]
            test += [(path, label) for path in chosen]
        shown = tuple(_printable(each) for each in classes)
        return Listing(classes=shown, train=train, test=test, fingerprint=self._marks.hexdigest()[:16])

    def _subfolders(self, split: str) -> list[str]:
        found = []
        self._refuse_way_out(self._folder / split)
        with os.scandir(self._folder / split) as entries:
            for entry in entries:
                if entry.is_dir() and not entry.name.startswith("."):
                    if entry.is_symlink():
                        self._refuse_way_out(entry.path)
                    found.append(entry.name)
        return sorted(found)

    def _images(self, split: str, name: str) -> list[str]:
        """The paths of one class's images, sorted by name."""
        folder = self._folder / split / name
        found = []
        if folder.is_dir():
            with os.scandir(folder) as entries:
                images = (each for each in entries if is_image(each.name) and (each.is_file() or each.is_symlink()))
                found = list(islice(images, MAX_FILES + 1))
        if not found:
            template = "The class '{name}' has no images ({suffixes}) in {folder}/{split}."
            values = {"folder": self._folder.name, "split": split, "suffixes": ", ".join(SUFFIXES)}
            raise SentenceError(template, name=_printable(name), **values)
        self._count += len(found)
        if self._count > MAX_FILES:
            raise SentenceError(
                "{folder} has more than {limit:,} images: remove some.", folder=self._folder.name, limit=MAX_FILES
            )
        found.sort(key=lambda entry: entry.name)
        for entry in found:
            if entry.is_symlink():
                self._refuse_way_out(entry.path)
            about = entry.stat()
            if not about.st_size:
                raise SentenceError("{file} is empty: replace or remove it.", file=_within(self._folder, entry.path))
            mark = f"{split}/{name}/{entry.name}\0{about.st_size}\0{about.st_mtime_ns}\n"
            self._marks.update(mark.encode(errors="replace"))
        return [entry.path for entry in found]

    def _set_aside(self, name: str, paths: list[str]) -> list[str]:
        """Choose the images of a class that test instead of train, sorted by name."""
        if len(paths) < 2:
            template = (
                "The class '{name}' has only one image in {folder}/train: add another, or a folder {folder}/test. "
                "Without that folder one image of each class is set aside for testing, at least."
            )
            raise SentenceError(template, name=_printable(name), folder=self._folder.name)

        def rank(path: str) -> bytes:
            return hashlib.sha256(os.fsencode(f"{CUTTING}/{name}/{Path(path).name}")).digest()

        return sorted(sorted(paths, key=rank)[: cut_size(len(paths))])

    def _refuse_way_out(self, path: str | Path) -> None:
        target = os.path.realpath(path)
        if target != self._root and not target.startswith(self._root + os.sep):
            template = "{file} is a link that leads out of the data set's folder: put there what it leads to."
            raise SentenceError(template, file=_within(self._folder, path))


def _within(folder: Path, path: str | Path) -> str:
    """Where a file lies in its data set: pages show this, and no path of the server."""
    return _printable(Path(os.path.relpath(path, folder)).as_posix())


def _tail(path: str | Path) -> str:
    """The same of an image, <split>/<class>/<file>."""
    return _printable("/".join(Path(path).parts[-3:]))


def _printable(name: str) -> str:
    """A name as text: on Linux a file's name may be bytes that are none."""
    return name.encode(errors="replace").decode()


def _decode_all(paths: list[str], *, progress: Callable[[float], None] | None) -> np.ndarray:
    # One after another: decoding 32×32 is so short that threads lose more in handing over the GIL than they gain
    # (117 µs an image alone, 190 µs with two threads on two cores).
    images = np.empty((len(paths), 3, SIDE, SIDE), np.uint8)
    for row, path in enumerate(paths):
        images[row] = decode_image(path).transpose(2, 0, 1)
        if progress is not None and row % REPORT_EVERY == 0:
            progress(row / len(paths))
    if progress is not None:
        progress(1.0)
    return images


def decode_image(path: str | Path) -> np.ndarray:
    """Decode one image file to uint8 (32, 32, 3); raises SentenceError naming a file that is no readable image."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return np.asarray(_as_thumbnail(image))
    except BOMBS as error:
        template = "{file} has more than {limit:,} pixels: make it smaller or remove it."
        raise SentenceError(template, file=_tail(path), limit=MAX_PIXELS) from error
    except UNREADABLE as error:
        raise SentenceError("{file} is not a readable image: replace or remove it.", file=_tail(path)) from error


def _as_thumbnail(image: Image.Image) -> Image.Image:
    if image.size == (SIDE, SIDE) and image.mode == "RGB" and "transparency" not in image.info:
        return image  # which saves 15 of 106 µs
    if image.size != (SIDE, SIDE):
        image.draft("RGB", (4 * SIDE, 4 * SIDE))  # a camera's JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB").resize((SIDE, SIDE))
