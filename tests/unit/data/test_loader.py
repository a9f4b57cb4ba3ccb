"""DatasetLoader: images are in memory once, and are loaded again when their folder changes."""

import gc
import os
import threading
import weakref

import torch
from PIL import Image

from mlpcore.data import loader as loader_module
from mlpcore.data.loader import DatasetLoader
from mlpcore.recipes.points import DataSource
from tests.support.image_folders import write_colours


class TestLoader:
    CPU = torch.device("cpu")

    def test_everybody_gets_the_same_images_while_the_folder_is_the_same(self, tmp_path):
        write_colours(tmp_path)
        loader = DatasetLoader(lambda: tmp_path)
        loading = loader.request(DataSource("colours"), self.CPU)
        assert len(loading.images.result().train) == 6
        assert loader.request(DataSource("colours"), self.CPU) is loading

    def test_a_changed_folder_is_loaded_anew(self, tmp_path):
        folder = write_colours(tmp_path)
        loader = DatasetLoader(lambda: tmp_path)
        loader.request(DataSource("colours"), self.CPU).images.result()
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "new.png")
        os.utime(folder / "train" / "red", (1, 1))  # another time, however coarse the clock of the file system is
        assert len(loader.request(DataSource("colours"), self.CPU).images.result().train) == 7

    def test_a_failure_is_the_answer_until_the_folder_changes(self, tmp_path):
        folder = write_colours(tmp_path)
        (folder / "train" / "red" / "new.png").write_bytes(b"no image")
        loader = DatasetLoader(lambda: tmp_path)
        failed = loader.request(DataSource("colours"), self.CPU)
        assert str(failed.images.exception()).startswith("train/red/new.png is not a readable image")
        assert loader.request(DataSource("colours"), self.CPU) is failed
        (folder / "train" / "red" / "new.png").unlink()
        os.utime(folder / "train" / "red", (1, 1))
        assert len(loader.request(DataSource("colours"), self.CPU).images.result().train) == 6

    def test_a_failure_is_not_the_answer_for_ever(self, tmp_path, monkeypatch):
        folder = write_colours(tmp_path)
        (folder / "train" / "red" / "0.png").write_bytes(b"no image")
        loader = DatasetLoader(lambda: tmp_path)
        assert loader.request(DataSource("colours"), self.CPU).images.exception() is not None
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "0.png")  # in place: the folder looks the same
        monkeypatch.setattr(loader_module, "RETRY_SECONDS", 0.0)
        assert len(loader.request(DataSource("colours"), self.CPU).images.result().train) == 6

    def test_it_downloads_nothing(self, tmp_path):
        failure = DatasetLoader(lambda: tmp_path).request(DataSource("CIFAR10"), self.CPU).images.exception()
        assert str(failure).startswith("CIFAR-10 is not on this computer")
        assert list(tmp_path.iterdir()) == []

    def test_three_data_sets_stay_and_those_that_somebody_holds(self, tmp_path):
        names = ["one", "two", "three", "four", "five"]
        for name in names:
            write_colours(tmp_path, name)
        loader = DatasetLoader(lambda: tmp_path)
        held = loader.request(DataSource("one"), self.CPU)
        others = []
        for name in names[1:]:
            loading = loader.request(DataSource(name), self.CPU)
            loading.images.result()
            others.append(weakref.ref(loading))
        del loading
        for thread in threading.enumerate():
            if thread.name.startswith("load "):
                thread.join()
        gc.collect()
        assert [reference() is not None for reference in others] == [False, True, True, True]
        assert loader.request(DataSource("one"), self.CPU) is held
