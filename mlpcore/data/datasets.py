"""Load data sets as tensors, normalise their numbers, and select the images and labels that a run trains on."""

import itertools
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import torch
from torch import Tensor

from mlpcore.data import folders, messages, points, shapes
from mlpcore.data.cache import Arrays, cached_arrays
from mlpcore.data.catalog import (
    CIFAR10,
    PUBLISHED,
    SHAPES,
    all_datasets,
    find_folder,
    find_installed,
    missing_files,
)
from mlpcore.data.download.download import download as download_dataset
from mlpcore.data.download.install import Installer, is_unpacked
from mlpcore.data.download.sources import ARCHIVES, ArchiveSet, dataset_title
from mlpcore.data.torchvision_compat import import_torchvision_datasets
from mlpcore.messages import SentenceError
from mlpcore.recipes.inputs import InputSpec
from mlpcore.recipes.points import DataSource
from mlpcore.seeds import build_generator


class Images(Protocol):
    """Images or points with labels: what `load_data` returns, or torchvision's CIFAR10 with tensors inside."""

    @property
    def data(self) -> Tensor:
        """The pixels, uint8 (N, C, H, W), or the coordinates, float32 (N, 2)."""

    @property
    def targets(self) -> Tensor:
        """The labels, int64 (N,)."""


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The images or points of one split, their labels, and the class names by label.

    data: uint8 (N, C, H, W) or float32 (N, 2). targets: int64 (N,).
    """

    data: Tensor
    targets: Tensor
    classes: tuple[str, ...]

    @property
    def inputs(self) -> InputSpec:
        """What goes into a network."""
        return InputSpec("uint8" if self.data.dtype == torch.uint8 else "float32", tuple(self.data.shape[1:]))

    def __len__(self) -> int:
        return len(self.targets)


def load_data(
    dataset: str | DataSource,
    dataset_path: str | Path,
    *,
    download: bool = True,
    progress: Callable[[float], None] | None = None,
    archive_sets: Mapping[str, ArchiveSet] = ARCHIVES,
) -> tuple[ImageSplit, ImageSplit]:
    """Load a data set by name.

    Args:
        dataset: `CIFAR10`, `FashionMNIST`, `MNIST`, `Shapes` (drawn by the program), or the name of an image folder,
            `<dataset_path>/<name>/{train,test}/<class>/`; also `Moons`, `Circles`, `Spiral`, `Checkerboard`, `Blobs`,
            points in the plane, or a `DataSource` with the points of a recipe.
        dataset_path: The data folder. Decoded and drawn images are cached in its folder `.cache`.
        download: Whether to download a published data set that is not there.
        progress: Called with the share of the decoding or drawing that is done, 0 to 1.
        archive_sets: Where the published data sets are downloaded from.

    Returns:
        The training and the test images, or points.

    Raises:
        SentenceError: The data set is unknown, missing or damaged; the message says what to do.
    """
    home = Path(dataset_path).expanduser()
    source = dataset if isinstance(dataset, DataSource) else DataSource(dataset)
    if source.points is not None:
        drawn = (points.draw_split(source.points, split) for split in points.SPLITS)
        return _as_splits(Arrays(*itertools.chain(*drawn)), points.CLASSES[: source.points.classes])
    dataset = source.name
    if dataset in PUBLISHED:
        return _load_published(archive_sets[dataset], home, download=download)
    if dataset == SHAPES:
        return _load_shapes(home, progress=progress)
    # A name with a separator, ".." or a drive would lead out of the folder.
    folder = find_folder(home, dataset)
    if not dataset or Path(dataset).name != dataset or dataset.startswith(".") or not folder.is_dir():
        options = ", ".join(all_datasets(home))
        raise SentenceError(messages.NOT_AN_OPTION, field="dataset", value=dataset[:40], options=options)
    arrays, classes = folders.load_folder(folder, cache=home / ".cache" / dataset, progress=progress)
    return _as_splits(arrays, classes)


def channel_statistics(split: Images) -> tuple[Tensor, Tensor]:
    """Measure the mean and standard deviation of each channel, float32 (C,) each, of pixels scaled to 0 … 1.

    The two coordinates of points are two channels, which are not scaled. A channel in which all numbers are equal has
    standard deviation 0.

    Every machine measures the same. Each product of pixels with ones adds integers whose sum is below 2^24, which
    float32 holds in any order, and the totals are below 2^53; a sum of coordinates is rounded once.
    """
    if split.data.dtype != torch.uint8:
        measured = [_mean_and_deviation(numbers) for numbers in split.data.t().tolist()]
        return torch.tensor([mean for mean, _ in measured]), torch.tensor([deviation for _, deviation in measured])
    channels = split.data.shape[1]
    sums = torch.zeros(2, split.data[0].numel(), dtype=torch.float64)
    for images in torch.split(split.data.flatten(1), 250):  # 250 · 255² < 2^24; 3 MB as float32, which fit the cache
        pixels, ones = images.to(torch.float32), torch.ones(len(images))
        sums += torch.stack([ones @ pixels, ones @ pixels.square_()])  # 0.03 s for 50,000 images
    totals, squares = sums.view(2, channels, -1).sum(dim=2)
    number = split.data.numel() // channels
    mean = [total / number / 255 for total in totals.tolist()]
    std = [
        math.sqrt(number * int(square) - int(total) ** 2) / number / 255
        for total, square in zip(totals.tolist(), squares.tolist(), strict=True)
    ]
    return torch.tensor(mean), torch.tensor(std)


def _mean_and_deviation(numbers: list[float]) -> tuple[float, float]:
    mean = math.fsum(numbers) / len(numbers)
    return mean, math.sqrt(math.fsum((number - mean) * (number - mean) for number in numbers) / len(numbers))


def scale_statistics(mean: Tensor, std: Tensor, *, scale: float = 255.0) -> tuple[Tensor, Tensor]:
    """Scale the statistics of channels from 0 … 1 to the numbers of the data; a constant channel gets deviation 1."""
    return scale * mean, scale * torch.where(std > 0, std, 1 / scale)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Normalise pixels, uint8 (N, C, H, W), or points, float32 (N, 2), to mean 0 and standard deviation 1 per channel.

    mean, std: (C,), as `channel_statistics` of the training images returns them. A constant channel is only shifted.
    """
    scale = 255.0 if images.dtype == torch.uint8 else 1.0
    shape = (-1, *[1] * (images.dim() - 2))
    mean, std = (statistic.view(shape) for statistic in scale_statistics(mean, std, scale=scale))
    return images.to(torch.float32, copy=True).sub_(mean).div_(std)


@dataclass(frozen=True, eq=False)
class DrawnImages:
    """The images of a training set that a run uses: ascending indices, and their labels including label noise."""

    indices: Tensor  # int64 (n,)
    labels: Tensor  # int64 (n,)
    validation_indices: Tensor
    validation_labels: Tensor


def draw_training_set(
    train: ImageSplit, *, train_size: int | None, label_noise: float, seed: int, validation_size: int = 0
) -> DrawnImages:
    """Draw the images and labels that a run trains on and validates with; no image is copied.

    A share `label_noise` of the images gets a label drawn uniformly from all classes, its own included: at 1.0 the
    labels are pure chance (as in Zhang et al., 2017, arXiv:1611.03530), and p·N drawn labels contain about
    p·N·(1 − 1/classes) wrong ones. Draws with one seed are nested: a larger set contains the smaller, more noise keeps
    the labels that less noise changed, and an image has the same label in a set of any size. All come from one random
    order of the training set: its first images train, its last ones validate.
    """
    most = len(train) - validation_size
    size = most if train_size is None else train_size
    if not 1 <= size <= most:
        template = messages.BAD_TRAIN_SIZE_WITH_VALIDATION if validation_size else messages.BAD_TRAIN_SIZE
        values = {"value": size, "high": most, "total": len(train), "validation": validation_size}
        raise SentenceError(template, field="train_size", **values)
    if not 0 <= label_noise <= 1:
        raise SentenceError(messages.BAD_LABEL_NOISE, field="label_noise", value=label_noise)
    targets = train.targets
    if label_noise > 0:
        generator = build_generator(seed, "label_noise")
        hit = torch.rand(len(train), generator=generator, dtype=torch.float64) < label_noise
        drawn = torch.randint(len(train.classes), (len(train),), generator=generator)
        targets = torch.where(hit, drawn, targets)
    order = torch.randperm(len(train), generator=build_generator(seed, "subset"))
    indices, held_out = order[:size].sort().values, order[most:].sort().values
    return DrawnImages(indices, targets[indices], held_out, targets[held_out])


def _load_shapes(home: Path, *, progress: Callable[[float], None] | None) -> tuple[ImageSplit, ImageSplit]:
    def draw() -> Arrays:
        share = shapes.COUNTS["train"] / sum(shapes.COUNTS.values())
        train = shapes.draw_shapes("train", progress=progress and (lambda done: progress(share * done)))
        test = shapes.draw_shapes("test", progress=progress and (lambda done: progress(share + (1 - share) * done)))
        return Arrays(*train, *test)

    version = f"v{shapes.DRAWING_VERSION}"
    arrays = cached_arrays(home / ".cache" / f"shapes-{version}", fingerprint=version, build=draw)
    return _as_splits(arrays, shapes.CLASSES)


def _load_published(archive_set: ArchiveSet, home: Path, *, download: bool) -> tuple[ImageSplit, ImageSplit]:
    dataset = archive_set.dataset
    title = dataset_title(dataset)
    if not missing_files(home, archive_set):
        return _read_published(archive_set, home)
    if find_installed(archive_set):
        # Unpack for torchvision each time, in half a second: the data folder may be read-only.
        try:
            with tempfile.TemporaryDirectory() as folder:
                installer = Installer(archive_set, Path(folder), cancelled=Event())
                if all(map(installer.install_local, archive_set.archives)):
                    return _read_published(archive_set, Path(folder))
        except OSError as error:
            raise SentenceError(messages.NO_ROOM_TO_UNPACK, dataset=title, reason=error.strerror) from error
    if not download:
        raise SentenceError(messages.NOT_INSTALLED, dataset=title, name=dataset.lower())
    download_dataset(dataset, home, archive_sets={dataset: archive_set})
    return _read_published(archive_set, home)


def _read_published(archive_set: ArchiveSet, home: Path) -> tuple[ImageSplit, ImageSplit]:
    """Read a data set with torchvision's class; raise SentenceError if it is not the published one."""
    dataset, folder = archive_set.dataset, home / archive_set.unpacked
    damaged = SentenceError(messages.DAMAGED, folder=archive_set.unpacked, dataset=dataset_title(dataset))
    # torchvision checks CIFAR10 itself, but not MNIST, where it prefers a folder 'processed' of older versions.
    if dataset != CIFAR10 and not all(is_unpacked(each, folder) for each in archive_set.archives):
        raise damaged
    kind = type(dataset, (getattr(import_torchvision_datasets(), dataset),), {"processed_folder": ""})
    try:
        return _as_split(kind(home, train=True)), _as_split(kind(home, train=False))
    except (OSError, RuntimeError) as error:
        raise damaged from error


def _as_split(part: Any) -> ImageSplit:
    """Convert a torchvision data set, whose data are numpy (N, H, W, 3) or a tensor (N, H, W) of grey images."""
    data = torch.as_tensor(part.data)
    data = data.permute(0, 3, 1, 2).contiguous() if data.dim() == 4 else data.unsqueeze(1)
    return ImageSplit(data, torch.as_tensor(part.targets), tuple(part.classes))


def _as_splits(arrays: Arrays, classes: tuple[str, ...]) -> tuple[ImageSplit, ImageSplit]:
    train_images, train_labels, test_images, test_labels = map(torch.from_numpy, arrays)
    return ImageSplit(train_images, train_labels, classes), ImageSplit(test_images, test_labels, classes)
