"""Learning-rate tests in threads behind the pages: one at a time per person, results kept in a cache."""

import logging
import threading
from concurrent.futures import Future

import torch

from mlpcore.analysis.learning_rate.lr_test import LrTest, build_test
from mlpcore.byte_cache import ByteCache
from mlpcore.data import catalog
from mlpcore.jobs.lr_test import check_memory, run_lr_test
from mlpcore.jobs.manager import RunManager
from mlpcore.recipes.recipe import Recipe
from mlpcore.training.device import pick_device_of
from mlpcore.training.reproducibility import count_threads

LOSS_BYTES = 32  # of a Python float in a tuple

log = logging.getLogger(__name__)


class PendingTest:
    """A learning-rate test of a recipe: the share of it that is done, and the future of its result."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.progress = 0.0
        self.result: Future[LrTest] = Future()


class LrTests:
    """The learning-rate tests of this process. Safe from several threads.

    Args:
        runs: Where images come from.
        cache: Where results are kept.
    """

    def __init__(self, runs: RunManager, cache: ByteCache) -> None:
        self._runs, self._cache = runs, cache
        self._active: dict[str, PendingTest] = {}  # by owner
        self._lock = threading.Lock()

    def request(self, recipe: Recipe, *, owner: str) -> PendingTest | None:
        """Start the test of a recipe; return None while another test of the same person is still running.

        If a test cannot be made, its future has the error, a SentenceError where something can be done about it.
        """
        recipe = build_test(recipe)
        with self._lock:
            if (active := self._active.get(owner)) is not None:
                return active if active.recipe == recipe else None
            pending = self._active[owner] = PendingTest(recipe)
        threading.Thread(target=self._work, args=(pending, owner), name="learning-rate test", daemon=True).start()
        return pending

    def _work(self, pending: PendingTest, owner: str) -> None:
        try:
            pending.result.set_result(self._find(pending))
        except BaseException as error:  # every error goes to the page that waits
            log.info("A learning-rate test failed.", exc_info=True)
            pending.result.set_exception(error)
        finally:
            with self._lock:
                del self._active[owner]

    def _find(self, pending: PendingTest) -> LrTest:
        recipe = pending.recipe
        device = pick_device_of(recipe)
        home = self._runs.library.home()
        key = ("lr test", recipe, str(device), catalog.fingerprint(home, recipe.data))
        return self._cache.get(key, lambda: self._compute(pending, device), size=_count_bytes)

    def _compute(self, pending: PendingTest, device: torch.device) -> LrTest:
        check_memory(pending.recipe, self._runs.library.home(), device)
        loading = self._runs.request_images(pending.recipe.data, device)  # held: so the images stay in memory
        images = loading.images.result()
        torch.set_num_threads(count_threads())  # as the thread that trains runs

        def report(share: float) -> None:
            pending.progress = share

        return run_lr_test(pending.recipe, images, device=device, report=report)


def _count_bytes(test: LrTest) -> int:
    return LOSS_BYTES * (len(test.rates) + sum(map(len, test.losses)))
