"""Which data sets there are: a look at the disk, cheap enough for every rerun of a page, without torch."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import platformdirs

from mlpcore.data.download.sources import ARCHIVES, ArchiveSet

CIFAR10, FASHION_MNIST, MNIST = PUBLISHED = ("CIFAR10", "FashionMNIST", "MNIST")
SHAPES = "Shapes"
BUILT_IN = (*PUBLISHED, SHAPES)
BUILT_IN_CLASSES = 10  # of each
TRAINING_IMAGES = {CIFAR10: 50_000, FASHION_MNIST: 60_000, MNIST: 60_000, SHAPES: 50_000}
TEST_IMAGES = 10_000  # of each of these
SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_CLASSES = 1_000  # of a folder of images; one with more is refused when it is loaded, and no more are looked at


def data_home() -> Path:
    """Return the folder of the data sets: MLPCORE_DATA, else one in the user's data folder. It need not exist yet."""
    named = os.environ.get("MLPCORE_DATA")
    if named:
        return Path(named).expanduser()
    return platformdirs.user_data_path("mlp-playground", appauthor=False) / "data"


def known_datasets(home: Path) -> list[str]:
    """List the data sets that are here: the published ones that need no download, the image folders, and Shapes."""
    here = [name for name in PUBLISHED if not missing_files(home, ARCHIVES[name]) or find_installed(ARCHIVES[name])]
    return [*here, *folder_datasets(home), SHAPES]


def all_datasets(home: Path) -> list[str]:
    """List the data sets that have a name, those included that would have to be downloaded."""
    return [*PUBLISHED, *folder_datasets(home), SHAPES]


def missing_files(home: Path, archive_set: ArchiveSet) -> list[str]:
    """Name the files of a published data set that are not where torchvision expects them."""
    folder = home / archive_set.unpacked
    names = sorted(name for archive in archive_set.archives for name in archive.files)
    return [name for name in names if not _is_file(folder / name)]


def find_installed(archive_set: ArchiveSet) -> Path | None:
    """Find the folder in which a system's package has put all archives of a published data set."""
    for folder in archive_set.installed:
        if all(_is_file(Path(folder, archive.name)) for archive in archive_set.archives):
            return Path(folder)
    return None


def folder_datasets(home: Path) -> list[str]:
    """Name the folders of images laid out as `<name>/train/`, sorted."""
    try:
        entries = sorted(entry.name for entry in os.scandir(home) if entry.is_dir())
    except OSError:  # no such folder, or one that may not be read
        return []
    return [
        name
        for name in entries
        if name not in BUILT_IN
        and not name.startswith(".")
        and name.isprintable()  # what is not even text cannot be shown
        and _is_folder(home / name / "train")
    ]


def _is_file(path: Path) -> bool:
    """Tell whether a file is there. Before Python 3.14 pathlib raises for a closed folder or a long name."""
    with suppress(OSError):
        return path.is_file()
    return False


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _may_be_folder(name: str) -> bool:
    """Whether a name could be that of a folder in the home of the data: a browser may ask for any, as ../.. is one."""
    return name.isprintable() and name not in ("", ".", "..") and Path(name).name == name


def _class_folders(folder: Path) -> list[str]:
    """Where the images of each class lie, of the first ones where there are too many. Raises OSError."""
    with os.scandir(folder) as entries:
        return list(islice((entry.path for entry in entries if entry.is_dir()), MAX_CLASSES + 1))


def is_image(name: str) -> bool:
    """Tell by its name whether a file is taken for an image: Thumbs.db and .DS_Store are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def cut_size(images: int) -> int:
    """How many images of a class are set aside for testing where a data set has none: a sixth, at least one."""
    return max(images // 6, 1)


def count_training_images(home: Path, dataset: str) -> int:
    """Count the training images of a data set without loading it: 30 ms for a folder of 50,000; at least 1."""
    if dataset in BUILT_IN:
        return TRAINING_IMAGES[dataset]
    counts = _count_images(home, dataset, "train")
    if counts and not _is_folder(home / dataset / "test"):
        counts = [count - cut_size(count) for count in counts]
    return max(sum(counts), 1)


def count_test_images(home: Path, dataset: str) -> int:
    """Count the test images of a data set without loading it, as `count_training_images` does; at least 1."""
    if dataset in BUILT_IN:
        return TEST_IMAGES
    if _may_be_folder(dataset) and not _is_folder(home / dataset / "test"):
        return max(sum(map(cut_size, _count_images(home, dataset, "train"))), 1)
    return max(sum(_count_images(home, dataset, "test")), 1)


def _count_images(home: Path, dataset: str, split: str) -> list[int]:
    """Count the images of each class in a folder of images; nothing where it is none, or cannot be read."""
    if not _may_be_folder(dataset):
        return []
    try:
        classes = _class_folders(home / dataset / split)
        return [sum(is_image(entry.name) for entry in os.scandir(folder)) for folder in classes]
    except OSError:
        return []


def count_classes(home: Path, dataset: str) -> int:
    """Count the classes of a data set without loading it; 10, what all built-in ones have, where there are none."""
    if dataset in BUILT_IN or not _may_be_folder(dataset):
        return BUILT_IN_CLASSES
    try:
        classes = sum(entry.is_dir() for entry in os.scandir(home / dataset / "train"))
    except OSError:
        return BUILT_IN_CLASSES
    return classes or BUILT_IN_CLASSES


def fingerprint(home: Path, dataset: str) -> str:
    """Hash what shows without opening a file that a data set has changed: 0.2 ms for one of 10 classes.

    Of an image folder these are the class folders, and when something was added to them, removed or renamed. An image
    overwritten in place does not show here; it does when the data set is loaded anew.
    """
    if dataset == SHAPES or not _may_be_folder(dataset):
        return ""
    marks = hashlib.sha256()
    for path, about in _look(home, dataset):
        marks.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="replace"))
    return marks.hexdigest()[:16]


def find_change(home: Path, dataset: str) -> float:
    """When what `fingerprint` looks at was last changed, in seconds since the epoch; 0 where there is nothing."""
    if dataset == SHAPES or not _may_be_folder(dataset):
        return 0.0
    return max([0.0, *(about.st_mtime for _path, about in _look(home, dataset))])


def _look(home: Path, dataset: str) -> Iterator[tuple[str, os.stat_result]]:
    """Look at what `_marked` names, as far as it is there and may be looked at."""
    for path in _marked(home, dataset):
        with suppress(OSError):
            yield path, Path(path).stat()


def _marked(home: Path, dataset: str) -> Iterator[str]:
    """The files of a published data set, or the folders of one of image files."""
    if dataset in PUBLISHED:
        archive_set = ARCHIVES[dataset]
        for archive in archive_set.archives:
            yield from (str(home / archive_set.unpacked / name) for name in archive.files)
            yield from (str(Path(folder, archive.name)) for folder in archive_set.installed)
        return
    for split in ("train", "test"):
        folder = home / dataset / split
        yield str(folder)
        try:
            yield from sorted(_class_folders(folder))
        except OSError:
            continue
