"""What several test files share."""

import os
from pathlib import Path

import pytest


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
