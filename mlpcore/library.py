"""The images in memory: each data set once, loaded in a thread of its own, shared by all who ask."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import torch

from mlpcore.batches import DeviceImages, place_images
from mlpcore.data import load_data


class Loading:
    """A data set on its way into memory: the share of the work done, and the future of the images."""

    def __init__(self) -> None:
        self.progress = 0.0
        self.images: Future[DeviceImages] = Future()


class ImageLibrary:
    """Loads data sets from `home` at the first request and keeps them. Safe from several threads."""

    def __init__(self, home: Callable[[], Path]) -> None:
        self._home = home
        self._loadings: dict[tuple[str, str], Loading] = {}
        self._lock = threading.Lock()

    def request(self, dataset: str, device: torch.device) -> Loading:
        """Start loading, unless that is done or going on already. A request after a failure tries again."""
        key = (dataset, str(device))
        with self._lock:
            loading = self._loadings.get(key)
            if loading is None or (loading.images.done() and loading.images.exception() is not None):
                loading = self._loadings[key] = Loading()
                threading.Thread(target=self._load, args=(*key, loading), name=f"load {dataset}", daemon=True).start()
            return loading

    def _load(self, dataset: str, device: str, loading: Loading) -> None:
        def report(progress: float) -> None:
            loading.progress = progress

        try:
            train, test = load_data(dataset, self._home(), progress=report)
            loading.images.set_result(place_images(train, test, torch.device(device)))
        except Exception as error:  # noqa: BLE001  whatever it is belongs to those who wait for the images
            loading.images.set_exception(error)
