"""Settings and fixtures that every test shares.

`pytest` alone runs the tests that need neither a browser nor a running app, `pytest tests` all. Both run in as many
processes as there are processors, at most four, all tests of a file in the same one. Other files and folders that are
named run in a single process, unless -n says otherwise. --long runs the long forms of tests/stress.

Hypothesis generates new inputs in each run, and prints how to repeat a failure. HYPOTHESIS_PROFILE=thorough tries every
property with 20,000 inputs instead of 200.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from mlpcore.data.datasets import ImageSplit
    from mlpcore.data.download.sources import ArchiveSet

# torch, whoever imports it first, leaves the other processors to the other processes
os.environ.setdefault("OMP_NUM_THREADS", "1")

# modules with fixtures
pytest_plugins = [f"tests.support.{name}" for name in ("file_server", "managers", "app_tests", "postgresql", "stores")]

QUICK = hypothesis.settings(
    max_examples=200,
    deadline=None,  # the time for one input depends on what else the machine does
    derandomize=False,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("quick", QUICK)
hypothesis.settings.register_profile("thorough", QUICK, max_examples=20_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms of tests/stress: more, and for longer")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run in one process the files and folders that are named; the whole suite in as many as there are processors."""
    names_parts = config.args_source is not pytest.Config.ArgsSource.TESTPATHS and config.args != ["tests"]
    return 0 if names_parts else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, lest one process end long after the others; lift long forms' limit."""
    items.sort(key=lambda item: item.path.name != "test_house.py")
    is_thorough = hypothesis.settings.get_current_profile_name() == "thorough"
    for item in items:
        is_generated = hypothesis.is_hypothesis_test(getattr(item, "obj", None))
        if (is_thorough and is_generated) or (item.config.getoption("--long") and "stress" in item.path.parts):
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True)
def archive_sets(monkeypatch: pytest.MonkeyPatch) -> "Mapping[str, ArchiveSet]":
    """Return the archive sets as on a machine where no system package has installed one, which tests then see."""
    from mlpcore.data import catalog
    from mlpcore.data.download.sources import ARCHIVES

    archive_sets = {name: replace(archive_set, installed=()) for name, archive_set in ARCHIVES.items()}
    monkeypatch.setattr(catalog, "ARCHIVES", archive_sets)
    return archive_sets


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Return the folder that holds cifar10-jpeg/, 60,000 photographs; it serves as dataset_path."""
    folder = os.environ.get("MLPCORE_TEST_IMAGES")
    if folder and (Path(folder) / "cifar10-jpeg").is_dir():
        return Path(folder)
    reason = f"MLPCORE_TEST_IMAGES is {folder!r}: name the folder that holds cifar10-jpeg/{{train,test}}/<class>/*.jpg"
    if folder:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def drawn_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of data sets whose cache holds Shapes, drawn once for all processes of the tests.

    progress.json in it has the shares that were reported as done while they were drawn, which takes seconds.
    """
    from filelock import FileLock

    from mlpcore.data.datasets import load_data

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own below
    home, told = folder / "shapes", list[float]()
    with FileLock(folder / "shapes.lock"):
        load_data("Shapes", home, progress=told.append)
        if told:
            (home / "progress.json").write_text(json.dumps(told))
    return home


@pytest.fixture(scope="session")
def tiny_images() -> "tuple[ImageSplit, ImageSplit]":
    """Return 120 training and 40 test images of 3 × 4 × 4 pixels in 10 classes, each class a pattern with noise."""
    import torch

    from mlpcore.data.datasets import ImageSplit

    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(60, 190, (10, 3, 4, 4), generator=generator)

    def draw(count: int) -> ImageSplit:
        targets = torch.randint(10, (count,), generator=generator)
        noise = torch.randint(-60, 60, (count, 3, 4, 4), generator=generator)
        return ImageSplit((patterns[targets] + noise).to(torch.uint8), targets, tuple("abcdefghij"))

    return draw(120), draw(40)
