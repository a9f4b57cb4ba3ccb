"""List the data sets and count their images: a look at the disk, cheap enough for every rerun of a page, no torch."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import platformdirs

from mlpcore.data.download.sources import ARCHIVES, ArchiveSet
from mlpcore.recipes.inputs import GREY_IMAGE, IMAGE, InputSpec
from mlpcore.recipes.points import POINT_SETS, DataSource, name_folder

CIFAR10, FASHION_MNIST, MNIST = PUBLISHED = ("CIFAR10", "FashionMNIST", "MNIST")
SHAPES = "Shapes"
BUILT_IN = (*PUBLISHED, SHAPES)
BUILT_IN_CLASSES = 10  # of each
TRAINING_IMAGES = {CIFAR10: 50_000, FASHION_MNIST: 60_000, MNIST: 60_000, SHAPES: 50_000}
TEST_IMAGES = 10_000  # of each of these
TEST_POINTS = 1_000  # of each data set of points
POINTS_VERSION = 1  # raise it when data/points.py draws other points
VALIDATION_IMAGES = 5_000  # that are held out at most
GREY_DATASETS = (MNIST, FASHION_MNIST)
SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_CLASSES = 1_000  # of an image folder; loading refuses one with more, and no more are looked at here

# Unlike Path.is_file before Python 3.14 these return False for a closed folder or a name that is too long.
_is_file, _is_folder = os.path.isfile, os.path.isdir


def data_home() -> Path:
    """Return the data folder: MLPCORE_DATA if it is set, else one in the user's data folder. It may not exist yet."""
    named = os.environ.get("MLPCORE_DATA")
    if named:
        return Path(named).expanduser()
    return platformdirs.user_data_path("mlp-playground", appauthor=False) / "data"


def known_datasets(home: Path) -> list[str]:
    """List the data sets that need no download: published ones that are here, image folders, Shapes, and points."""
    here = [name for name in PUBLISHED if not missing_files(home, ARCHIVES[name]) or find_installed(ARCHIVES[name])]
    return [*here, *folder_datasets(home), SHAPES, *POINT_SETS]


def all_datasets(home: Path) -> list[str]:
    """List all data sets, including those that must be downloaded first."""
    return [*PUBLISHED, *folder_datasets(home), SHAPES, *POINT_SETS]


def missing_files(home: Path, archive_set: ArchiveSet) -> list[str]:
    """List the files of a published data set that are not where torchvision expects them."""
    folder = home / archive_set.unpacked
    names = sorted(name for archive in archive_set.archives for name in archive.files)
    return [name for name in names if not _is_file(folder / name)]


def find_installed(archive_set: ArchiveSet) -> Path | None:
    """Find the folder in which a system package has put all archives of a published data set."""
    folders = (Path(folder) for folder in archive_set.installed)
    return next((it for it in folders if all(_is_file(it / archive.name) for archive in archive_set.archives)), None)


def folder_datasets(home: Path) -> list[str]:
    """List the image folders, which have the layout `<name>/train/`, sorted by name.

    A folder called like a data set of points is listed as "Spiral folder": it had its name first, perhaps.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(home) if entry.is_dir())
    except OSError:  # missing or not readable
        return []
    listed = (
        name_folder(name) if name in POINT_SETS else name
        for name in names
        if name not in BUILT_IN
        and not name.startswith(".")
        and name.isprintable()  # some file names are not text and cannot be shown
        and _is_folder(home / name / "train")
    )
    return list(dict.fromkeys(listed))


def find_folder(home: Path, dataset: str) -> Path:
    """Return the folder of an image data set, whether it is there or not."""
    named = {name_folder(name): name for name in POINT_SETS}
    return home / (named.get(dataset, dataset) if not _is_folder(home / dataset) else dataset)


def is_image(name: str) -> bool:
    """Tell by its name whether a file is an image: Thumbs.db and .DS_Store are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def held_out_size(images: int) -> int:
    """Return how many images of a class are held out for testing if there is no test folder: a sixth, at least one."""
    return max(images // 6, 1)


def choose_validation_size(images: int) -> int:
    """Return how many of so many training images to hold out for validation where runs are ranked: at most a tenth."""
    return min(VALIDATION_IMAGES, images // 10)


def count_training_images(home: Path, source: DataSource) -> int:
    """Count the training images of a data set without loading it, at least 1: 30 ms for a folder of 50,000."""
    if source.points is not None:
        return source.points.count
    return TRAINING_IMAGES.get(source.name) or max(_count_images(home, source.name)[0], 1)


def count_test_images(home: Path, source: DataSource) -> int:
    """Count the test images of a data set without loading it, at least 1."""
    if source.points is not None:
        return TEST_POINTS
    return TEST_IMAGES if source.name in BUILT_IN else max(_count_images(home, source.name)[1], 1)


def count_classes(home: Path, source: DataSource) -> int:
    """Count the classes of a data set without loading it; 10, as in all built-in ones, if it has no class folders."""
    if source.points is not None:
        return source.points.classes
    if source.name in BUILT_IN or not _is_folder_name(source.name):
        return BUILT_IN_CLASSES
    with suppress(OSError):
        folder = find_folder(home, source.name) / "train"
        return sum(entry.is_dir() for entry in os.scandir(folder)) or BUILT_IN_CLASSES
    return BUILT_IN_CLASSES


def find_inputs(source: DataSource) -> InputSpec:
    """Return what goes into a network that trains on a data set."""
    return GREY_IMAGE if source.name in GREY_DATASETS else source.largest_input


@dataclass(frozen=True)
class ImageCounts:
    """The size of a data set: its images or points, its classes, and what each image or point is."""

    train: int
    test: int
    classes: int
    inputs: InputSpec = IMAGE

    @property
    def bytes(self) -> int:
        """The memory of all images and labels."""
        return (self.train + self.test) * (self.inputs.bytes + 8)

    def count_parameters(self, hidden_sizes: Sequence[int]) -> int:
        """Count the weights and biases of a network that classifies them."""
        sizes = (self.inputs.size, *hidden_sizes, self.classes)
        return sum(inputs * outputs + outputs for inputs, outputs in pairwise(sizes))


def count_images(home: Path, source: DataSource) -> ImageCounts:
    """Find the size of a data set without loading it."""
    return ImageCounts(
        count_training_images(home, source),
        count_test_images(home, source),
        count_classes(home, source),
        find_inputs(source),
    )


def fingerprint(home: Path, source: DataSource) -> str:
    """Hash what shows without opening a file that a data set has changed: 0.2 ms for one of 10 classes.

    Of an image folder this covers the class folders, and when files in them were added, removed or renamed. An image
    that is overwritten in place is noticed only when the data set is loaded again.
    """
    if source.points is not None:
        return f"points {POINTS_VERSION}"
    if source.name == SHAPES or not _is_folder_name(source.name):
        return ""
    marks = hashlib.sha256()
    for path, stat in _watched(home, source.name):
        marks.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="replace"))
    return marks.hexdigest()[:16]


def last_modified(home: Path, source: DataSource) -> float:
    """Return when the files that `fingerprint` covers last changed, in seconds since the epoch; 0 without files."""
    if source.points is not None or source.name == SHAPES or not _is_folder_name(source.name):
        return 0.0
    return max([0.0, *(stat.st_mtime for _path, stat in _watched(home, source.name))])


def _is_folder_name(name: str) -> bool:
    """Check that a name can be that of a folder in the data home: a browser may send any, such as ../.. ."""
    return name.isprintable() and name not in ("", ".", "..") and Path(name).name == name


def _count_images(home: Path, dataset: str) -> tuple[int, int]:
    """Count the training and test images of an image folder."""
    if not _is_folder_name(dataset):
        return 0, 0
    folder = find_folder(home, dataset)
    train = _count_by_class(folder / "train")
    if _is_folder(folder / "test"):
        return sum(train), sum(_count_by_class(folder / "test"))
    held_out = sum(map(held_out_size, train))
    return sum(train) - held_out, held_out


def _count_by_class(folder: Path) -> list[int]:
    try:
        return [sum(is_image(entry.name) for entry in os.scandir(path)) for path in _class_folders(folder)]
    except OSError:  # missing or not readable
        return []


def _class_folders(folder: Path) -> list[str]:
    """List the folders of the classes, of the first ones if there are too many. Raises OSError."""
    with os.scandir(folder) as entries:
        return list(islice((entry.path for entry in entries if entry.is_dir()), MAX_CLASSES + 1))


def _watched(home: Path, dataset: str) -> Iterator[tuple[str, os.stat_result]]:
    for path in _watched_paths(home, dataset):
        with suppress(OSError):
            yield path, Path(path).stat()


def _watched_paths(home: Path, dataset: str) -> Iterator[str]:
    """List the files of a published data set, or the folders of an image folder."""
    if dataset in PUBLISHED:
        archive_set = ARCHIVES[dataset]
        for archive in archive_set.archives:
            yield from (str(home / archive_set.unpacked / name) for name in archive.files)
            yield from (str(Path(folder, archive.name)) for folder in archive_set.installed)
        return
    for split in ("train", "test"):
        folder = find_folder(home, dataset) / split
        yield str(folder)
        with suppress(OSError):
            yield from sorted(_class_folders(folder))
