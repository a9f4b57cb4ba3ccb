"""Small archives in the published layouts of CIFAR-10 and Fashion-MNIST."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from mlpcore.data.download.download import Download, DownloadProgress, DownloadStatus
from mlpcore.data.download.fetch import RetryPolicy
from mlpcore.data.download.sources import ARCHIVES, Archive, ArchiveSet

QUICK = RetryPolicy(retry_seconds=0, slow_rate=0)  # no mirror is too slow, and no time passes between tries
NAME = "cifar-10-python.tar.gz"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@cache
def cifar_batches() -> dict[str, bytes]:
    """Build the seven files of CIFAR-10 with ten images each."""
    rng = np.random.default_rng(0)
    files = {}
    for name in sorted(ARCHIVES["CIFAR10"].archives[0].files):
        pixels = rng.integers(0, 256, (10, 3072), dtype=np.uint8)
        batch = {"batch_label": name, "data": pixels, "labels": list(range(10)), "filenames": ["-"] * 10}
        meta = {"label_names": CLASSES, "num_cases_per_batch": 10, "num_vis": 3072}
        files[name] = pickle.dumps(meta if name == "batches.meta" else batch)
    return files


@cache
def cifar_archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in cifar_batches().items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)  # the same bytes in every process


@cache
def cifar_sums() -> dict[str, object]:
    """Return the md5 attributes of torchvision's CIFAR10 for the small files."""
    sums = {name: md5(content) for name, content in cifar_batches().items()}
    return {
        "tgz_md5": md5(cifar_archive()),
        "train_list": [[name, sums[name]] for name in sorted(sums) if name.startswith("data_batch_")],
        "test_list": [["test_batch", sums["test_batch"]]],
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]},
    }


def cifar_set(*urls: str, unpacked_size: int = 300_000) -> ArchiveSet:
    archive = Archive(
        name=NAME,
        md5=md5(cifar_archive()),
        size=len(cifar_archive()),
        unpacked_size=unpacked_size,
        urls=urls,
        files={name: md5(content) for name, content in cifar_batches().items()},
    )
    return ArchiveSet(dataset="CIFAR10", folder=".", unpacked="cifar-10-batches-py", archives=(archive,))


@cache
def fashion_files() -> dict[str, bytes]:
    """Build the four files of Fashion-MNIST with twelve training and four test images."""
    rng = np.random.default_rng(1)
    files = {}
    for split, count in (("train", 12), ("t10k", 4)):
        pixels = rng.integers(0, 256, count * 784, dtype=np.uint8).tobytes()
        files[f"{split}-images-idx3-ubyte"] = struct.pack(">IIII", 2051, count, 28, 28) + pixels
        files[f"{split}-labels-idx1-ubyte"] = struct.pack(">II", 2049, count) + bytes(range(count % 10))[:count].ljust(
            count, b"\1"
        )
    return files


def fashion_set(*mirrors: str) -> ArchiveSet:
    archives = []
    for name, content in fashion_files().items():
        packed = gzip.compress(content, mtime=1)
        archives.append(
            Archive(
                name=f"{name}.gz",
                md5=md5(packed),
                size=len(packed),
                unpacked_size=len(content),
                urls=tuple(f"{mirror}{name}.gz" for mirror in mirrors),
                files={name: md5(content)},
            )
        )
    return ArchiveSet(
        dataset="FashionMNIST", folder="FashionMNIST/raw", unpacked="FashionMNIST/raw", archives=tuple(archives)
    )


def run(
    archive_set: ArchiveSet, home: Path, *, policy: RetryPolicy = QUICK, places: tuple[Path, ...] = ()
) -> DownloadProgress:
    installed = (*map(str, places), *archive_set.installed)
    work = Download(replace(archive_set, installed=installed), home, policy=policy)
    work.start()
    return work.wait()


def assert_is_here(home: Path, progress: DownloadProgress) -> None:
    assert (progress.status, str(progress.sentence)) == (DownloadStatus.DONE, "CIFAR-10 is ready.")
    assert progress.bytes_done == progress.bytes_total
    folder = home / "cifar-10-batches-py"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == cifar_batches()
    assert not list(home.glob("*.part"))
    assert not list(home.glob(".*.unpacking"))


def write_fashion(folder: Path) -> None:
    """Write the small Fashion-MNIST as torchvision unpacks it."""
    folder.mkdir(parents=True)
    for name, content in fashion_files().items():
        (folder / name).write_bytes(content)


def write_batches(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in cifar_batches().items():
        (folder / name).write_bytes(content)
