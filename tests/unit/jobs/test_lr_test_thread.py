"""Learning-rate tests in threads: one at a time per person, with results that are kept."""

import threading
from typing import TYPE_CHECKING

import pytest

from mlpcore.byte_cache import ByteCache
from mlpcore.jobs.lr_test_thread import LrTests, PendingTest
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Recipe
from tests.support.managers import ME, SHORT, STRANGER, wait_until
from tests.support.present import present
from tests.support.stores import list_runs

if TYPE_CHECKING:
    from mlpcore.jobs.manager import RunManager

SECONDS = 60


@pytest.fixture
def tests(manager: "RunManager") -> LrTests:
    return LrTests(manager, ByteCache(1_000_000))


def request(tests: LrTests, recipe: Recipe = SHORT, owner: str = ME) -> PendingTest:
    return present(tests.request(recipe, owner=owner))


def test_test_of_a_recipe_has_five_seeds_and_stores_no_run(tests, manager):
    test = request(tests).result.result(SECONDS)
    assert len(test.losses) == 5
    assert len(test.rates) == 100
    assert list_runs(manager.store) == []
    assert manager.list_active() == []


def test_recipes_that_differ_in_the_rate_alone_share_a_result(tests):
    first = request(tests).result.result(SECONDS)
    again = wait_for_request(tests, SHORT.replace(optimizer=SGD(lr=0.5)))
    assert again.result.result(SECONDS) is first
    other = wait_for_request(tests, SHORT.replace(seed=9))
    assert other.result.result(SECONDS) != first


def wait_for_request(tests: LrTests, recipe: Recipe) -> PendingTest:
    """The test of a recipe, requested as a page does: again and again while another one is running."""
    found: list[PendingTest | None] = [None]

    def is_accepted() -> bool:
        found[0] = tests.request(recipe, owner=ME)
        return found[0] is not None

    wait_until(is_accepted)
    return present(found[0])


def test_one_person_has_one_test_at_a_time(tests, library, monkeypatch):
    release = threading.Event()
    load = library.home
    monkeypatch.setattr(library, "home", lambda: release.wait(SECONDS) and load())  # a slow disk
    first = request(tests)
    assert tests.request(SHORT.replace(seed=1), owner=ME) is None
    assert tests.request(SHORT, owner=ME) is first
    assert tests.request(SHORT, owner=STRANGER) is not None
    release.set()
    assert first.result.result(SECONDS).rates[0] == 1e-6
    wait_for_request(tests, SHORT.replace(seed=1))


def test_refusal_reaches_the_page_as_a_sentence(tests):
    pending = request(tests, SHORT.replace(batch_size=1000))
    with pytest.raises(SentenceError, match="batch_size is 1000"):
        pending.result.result(SECONDS)
    assert wait_for_request(tests, SHORT).result.result(SECONDS)


def test_data_set_that_is_not_here_is_refused(tests):
    with pytest.raises(SentenceError, match="gone"):
        request(tests, SHORT.replace(dataset="gone")).result.result(SECONDS)
