"""The images in memory: each data set once, loaded in a thread of its own, shared by all who ask."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from mlpcore.data import catalog
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import load_data

KEPT = 3  # data sets that stay in memory though nobody holds them
RETRY_SECONDS = 5.0  # for so long a failure is the answer to those who ask again, unless the data set changes

log = logging.getLogger(__name__)


class Loading:
    """A data set on its way into memory: the share of the work done, and the future of the images."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint  # of what is on the disk, from before it was read
        self.failed_at: float | None = None
        self.progress = 0.0
        self.images: Future[DeviceImages] = Future()


class ImageLibrary:
    """Loads data sets from `home` when they are requested; it downloads none. Safe from several threads.

    Images stand in memory once, as long as somebody holds their Loading; those requested last stay in any case.
    """

    def __init__(self, home: Callable[[], Path]) -> None:
        self._home = home
        self._loadings: WeakValueDictionary[tuple[str, str], Loading] = WeakValueDictionary()
        self._kept: dict[tuple[str, str], Loading] = {}  # least recently requested first
        self._lock = threading.Lock()

    def request(self, dataset: str, device: torch.device, *, retry: bool = True) -> Loading:
        """Start loading, unless that is going on, or done and the data set on the disk is still the same.

        retry: whether what failed is loaded anew though the data set has not changed, once RETRY_SECONDS are over.
        """
        key = (dataset, str(device))
        fingerprint = catalog.fingerprint(self._home(), dataset)
        with self._lock:
            loading = self._loadings.get(key)
            if loading is None or _is_stale(loading, fingerprint, retry=retry):
                loading = self._loadings[key] = Loading(fingerprint)
                threading.Thread(target=self._load, args=(*key, loading), name=f"load {dataset}", daemon=True).start()
            self._kept.pop(key, None)
            self._kept[key] = loading
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]  # its thread holds it while it is loading
            return loading

    def _load(self, dataset: str, device: str, loading: Loading) -> None:
        def report(progress: float) -> None:
            loading.progress = progress

        try:
            train, test = load_data(dataset, self._home(), download=False, progress=report)
            loading.images.set_result(place_images(train, test, torch.device(device)))
        except BaseException as error:  # whatever it is belongs to those who wait for the images
            log.info("%s could not be loaded.", dataset, exc_info=True)
            loading.failed_at = time.monotonic()
            loading.images.set_exception(error)


def _is_stale(loading: Loading, fingerprint: str, *, retry: bool) -> bool:
    """Whether a data set has to be loaded anew; while it is loading, one that still changes is left alone."""
    if not loading.images.done():
        return False
    late = retry and loading.failed_at is not None and time.monotonic() - loading.failed_at > RETRY_SECONDS
    return late or loading.fingerprint != fingerprint
