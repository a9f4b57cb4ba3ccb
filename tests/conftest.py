"""What several test files share."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlpcore.data import catalog
from mlpcore.data.download.sources import ARCHIVES, ArchiveSet

if TYPE_CHECKING:
    from mlpcore.data.datasets import ImageSplit

# their fixtures
pytest_plugins = [f"tests.support.{name}" for name in ("file_server", "managers", "app_tests", "stores")]


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch) -> Mapping[str, ArchiveSet]:
    """Let no list of data sets depend on what a system's package has installed here; returns the sets without that."""
    archive_sets = {name: replace(archive_set, installed=()) for name, archive_set in ARCHIVES.items()}
    monkeypatch.setattr(catalog, "ARCHIVES", archive_sets)
    return archive_sets


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder that holds cifar10-jpeg/, 60,000 photographs, to be used as dataset_path."""
    named = os.environ.get("MLPCORE_TEST_IMAGES")
    if named and (Path(named) / "cifar10-jpeg").is_dir():
        return Path(named)
    reason = f"MLPCORE_TEST_IMAGES is {named!r}: name the folder that holds cifar10-jpeg/{{train,test}}/<class>/*.jpg"
    if os.environ.get("MLPCORE_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def tiny_images() -> "tuple[ImageSplit, ImageSplit]":
    """120 training and 40 test images of 3 × 4 × 4 pixels in 10 classes, each class a pattern under noise."""
    import torch

    from mlpcore.data.datasets import ImageSplit

    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(60, 190, (10, 3, 4, 4), generator=generator)

    def draw(count: int) -> ImageSplit:
        targets = torch.randint(10, (count,), generator=generator)
        noise = torch.randint(-60, 60, (count, 3, 4, 4), generator=generator)
        return ImageSplit((patterns[targets] + noise).to(torch.uint8), targets, tuple("abcdefghij"))

    return draw(120), draw(40)
