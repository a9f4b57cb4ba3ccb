"""What pages cache: in one place that is bounded in bytes, and not in what a fragment or a session keeps."""

import re

import pytest

from mlpcore.data.catalog import ImageCounts
from mlpcore.jobs import manager
from mlpcore.jobs.estimate import estimate_job
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from pages.components.shared import state
from tests.support.app_tests import Open
from tests.support.paths import ROOT


def test_the_pages_have_one_cache() -> None:
    """Besides it, each process has one object of downloads, of learning-rate tests and of replays, and catalogues."""
    found = {
        (file.name, name)
        for file in (ROOT / "pages").rglob("*.py")
        for name in re.findall(r"@(?:st\.|functools\.)?(?:lru_)?cache[\w.()=, ]*\ndef (\w+)", file.read_text())
    }
    assert found == {
        ("state.py", "get_cache"),
        ("state.py", "get_downloads"),
        ("dialog.py", "_get_tests"),
        ("waiting.py", "_get_replays"),
        ("i18n.py", "read_catalogue"),
    }


@pytest.mark.usefixtures("open_page")
def test_what_pages_cache_is_taken_out_of_the_memory_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(dataset="Tiny", device="cpu", batch_size=16)
    needed = estimate_job([recipe], ImageCounts(80, 10, 2)).total + 90 * 3080
    for room, fits in ((-1_000, False), (1_000, True)):
        manager.shutdown()
        monkeypatch.setenv("MLPCORE_MEMORY_GB", f"{(needed + state.CACHE_BYTES + room) / 1e9:.9f}")
        if fits:
            assert state.get_manager().submit([recipe], owner="me", names=["a run"])
        else:
            with pytest.raises(SentenceError, match=r"^One run needs"):
                state.get_manager().submit([recipe], owner="me", names=["a run"])


def test_a_page_keeps_what_it_drew_in_the_cache(open_page: Open) -> None:
    open_page()
    assert 0 < state.get_cache().bytes < state.get_cache().limit == state.CACHE_BYTES
