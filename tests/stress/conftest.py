"""The length of the tests of this folder."""

import pytest


@pytest.fixture
def is_long(pytestconfig: pytest.Config) -> bool:
    """Return whether the long forms were asked for with --long."""
    return pytestconfig.getoption("--long")
