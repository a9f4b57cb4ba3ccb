"""A folder of image files, `<name>/{train,test}/<class>/*.{png,jpg,jpeg}`, as arrays."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlpcore.cache import Arrays, cached_arrays
from mlpcore.messages import SentenceError

SIDE = 32
SUFFIXES = (".png", ".jpg", ".jpeg")
REPORT_EVERY = 500  # images between two reports of progress, about 60 ms
DECODING = 1  # part of the fingerprint: counts the ways in which files were turned into pixels
# What Pillow is known to raise for files that are cut off, damaged or no images at all.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The image files of one data set: paths by split, each with its label, and the mark by which a change shows."""

    classes: tuple[str, ...]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    fingerprint: str


def load_folder(
    folder: Path, *, cache: Path, progress: Callable[[float], None] | None = None
) -> tuple[Arrays, tuple[str, ...]]:
    """Load a folder of images, decoding it only if it changed since the last time; returns the arrays and the classes.

    Classes are the names of the folders in train, sorted. Images of another size are resized to 32×32, grey ones
    become colour, transparency becomes white.
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
    """List the images of a data set; raises SentenceError naming what is missing from its layout."""
    for split in ("train", "test"):
        if not (folder / split).is_dir():
            template = "{folder} has no folder '{split}': images belong in {split}/<class>/."
            raise SentenceError(template, folder=folder.name, split=split)
    classes = _subfolders(folder / "train")
    if len(classes) < 2:
        template = "{folder}/train needs at least 2 folders of images, one for each class: it has {count}."
        raise SentenceError(template, folder=folder.name, count=len(classes))
    unknown = sorted(set(_subfolders(folder / "test")) - set(classes))
    if unknown:
        template = "{folder}/test has the class '{name}', which train has not."
        raise SentenceError(template, folder=folder.name, name=unknown[0])
    marks = hashlib.sha256(f"{DECODING} {SIDE}".encode())
    files: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for split, found_files in files.items():
        for label, name in enumerate(classes):
            entries = _image_files(folder / split / name)
            if not entries:
                template = "The class '{name}' has no images ({suffixes}) in {folder}/{split}."
                values = {"folder": folder.name, "split": split, "suffixes": ", ".join(SUFFIXES)}
                raise SentenceError(template, name=name, **values)
            for entry in entries:
                about = entry.stat()
                marks.update(
                    f"{split}/{name}/{entry.name}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="replace")
                )
                found_files.append((entry.path, label))
    return Listing(classes=tuple(classes), **files, fingerprint=marks.hexdigest()[:16])


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _image_files(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        images = [
            entry for entry in entries if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        ]
    return sorted(images, key=lambda entry: entry.name)


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
            return np.asarray(_as_thumbnail(image))
    except UNREADABLE as error:
        # where it lies in its data set, <split>/<class>/<file>: pages show this, and no path of the server
        file = "/".join(Path(path).parts[-3:])
        raise SentenceError("{file} is not a readable image: replace or remove it.", file=file) from error


def _as_thumbnail(image: Image.Image) -> Image.Image:
    if image.size != (SIDE, SIDE):
        image.draft("RGB", (4 * SIDE, 4 * SIDE))  # a camera's JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB").resize((SIDE, SIDE))
