"""Load data sets into memory in background threads, each once, shared by all who request it."""

import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from mlpcore.data import catalog
from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import load_data
from mlpcore.messages import SentenceError
from mlpcore.recipes.points import DataSource

LOADING_FACTOR = 2  # bytes needed per byte of images while they are read: 1.7 for CIFAR10, 1.1 for image folders
KEPT = 3  # data sets of images that stay in memory although nobody uses them, and as many of points
RETRY_SECONDS = 5.0  # a failure is not retried earlier, unless the data set changes

log = logging.getLogger(__name__)


class DatasetFuture:
    """A data set that is being loaded: its progress, 0 to 1, and the future of its images."""

    def __init__(self, source: DataSource, device: str, *, fingerprint: str, loading_bytes: int) -> None:
        self.source, self.device = source, device
        self.fingerprint = fingerprint  # of the files, before they were read
        self.loading_bytes = loading_bytes  # that are needed while it is loaded
        self.failed_at: float | None = None
        self.progress = 0.0
        self.images: Future[DeviceImages] = Future()

    @property
    def bytes(self) -> int:
        """The memory that its images take now."""
        if not self.images.done():
            return self.loading_bytes
        if self.images.exception():
            return 0
        images = self.images.result()
        return images.train.data.nbytes + images.test.data.nbytes


class DatasetLoader:
    """Load data sets from the folder `home()` on request; download none. Safe from several threads.

    A data set is in memory once, as long as somebody holds its DatasetFuture; the last three requested stay anyway.
    """

    def __init__(self, home: Callable[[], Path]) -> None:
        self.home = home
        self._futures: WeakValueDictionary[tuple[DataSource, str], DatasetFuture] = WeakValueDictionary()
        self._kept: dict[tuple[DataSource, str], DatasetFuture] = {}  # least recently requested first
        self._in_memory: weakref.WeakSet[DatasetFuture] = weakref.WeakSet()  # also of files that changed since
        self._lock = threading.RLock()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._closing = False

    @property
    def is_loading(self) -> bool:
        """Whether a thread still loads a data set."""
        return any(thread.is_alive() for thread in list(self._threads))

    def close(self, seconds: float) -> None:
        """Cancel what is being loaded and wait at most so long for its threads to end; the process is about to."""
        self._closing = True
        for thread in list(self._threads):
            thread.join(seconds)

    def measure_memory(self, device: str) -> tuple[Counter[DataSource], Counter[DataSource]]:
        """Return the bytes of each data set that is in memory for a device, and of each that is being loaded."""
        with self._lock:
            futures = [future for future in self._in_memory if future.device == device]
        loaded: Counter[DataSource] = Counter()
        loading: Counter[DataSource] = Counter()
        for future in futures:
            (loaded if future.images.done() else loading)[future.source] += future.bytes
        return +loaded, +loading

    def release_unused(self, *, keep: DataSource) -> None:
        """Free the memory of all data sets that nobody uses, but one."""
        with self._lock:
            self._kept = {key: future for key, future in self._kept.items() if key[0] == keep}

    def request(
        self,
        source: DataSource,
        device: torch.device,
        *,
        retry: bool = True,
        admit: Callable[[int], None] = lambda _bytes: None,
    ) -> DatasetFuture:
        """Return the future of a data set on a device; start loading it if it is not loaded or its files changed.

        Args:
            source: its name, and how its points are drawn.
            device: where its images are placed.
            retry: whether to load again after a failure, once RETRY_SECONDS are over, though no file changed.
            admit: called with the bytes that loading needs, before it starts; where it raises SentenceError, nothing
                is loaded, and that is the failure of the future returned.
        """
        key = (source, str(device))
        fingerprint = catalog.fingerprint(self.home(), source)
        with self._lock:
            future = self._futures.get(key)
            if future is None or _is_stale(future, fingerprint, retry=retry):
                size = LOADING_FACTOR * catalog.count_images(self.home(), source).bytes
                future = DatasetFuture(*key, fingerprint=fingerprint, loading_bytes=size)
                try:
                    admit(size)
                except SentenceError as error:
                    future.images.set_exception(error)
                    return future
                self._futures[key] = future
                self._in_memory.add(future)
                name = f"load {source.name}"
                thread = threading.Thread(target=self._load, args=(*key, future), name=name, daemon=True)
                self._threads.add(thread)
                thread.start()
            self._kept.pop(key, None)
            self._kept[key] = future
            # a knob that is turned draws new points at each stop: these take no place of images, which load slowly
            alike = [kept for kept in self._kept if (kept[0].points is None) == (source.points is None)]
            for oldest in alike[:-KEPT]:
                del self._kept[oldest]  # one that is still loading is held by its thread
            return future

    def _load(self, source: DataSource, device: str, future: DatasetFuture) -> None:
        def report(progress: float) -> None:
            if self._closing:
                raise InterruptedError("the program ends")
            future.progress = progress

        try:
            train, test = load_data(source, self.home(), download=False, progress=report)
            future.images.set_result(place_images(train, test, torch.device(device)))
        except BaseException as error:  # every error goes to those who wait for the images
            log.info("%s could not be loaded.", source.name, exc_info=True)
            future.failed_at = time.monotonic()
            future.images.set_exception(error)


def _is_stale(future: DatasetFuture, fingerprint: str, *, retry: bool) -> bool:
    """Whether a data set must be loaded again; while it is being loaded, changes of its files are ignored."""
    if not future.images.done():
        return False
    may_retry = retry and future.failed_at is not None and time.monotonic() - future.failed_at > RETRY_SECONDS
    return may_retry or future.fingerprint != fingerprint
