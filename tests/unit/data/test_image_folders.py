"""An image folder as a data set: its images, their cache, and the split where there is no test folder."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mlpcore.data.catalog import known_datasets
from mlpcore.data.datasets import channel_statistics, load_data
from mlpcore.data.folders import decode_image, list_images
from mlpcore.messages import SentenceError
from tests.support.image_folders import write_colours


class TestImageFolders:
    def test_images_labels_and_classes_are_those_of_the_folder(self, tmp_path):
        write_colours(tmp_path)
        train, test = load_data("colours", tmp_path)
        assert train.classes == test.classes == ("blue", "red")
        assert (len(train), len(test)) == (6, 2)
        assert (train.data.dtype, train.targets.dtype) == (torch.uint8, torch.int64)
        assert train.targets.tolist() == [0, 0, 0, 1, 1, 1]
        assert train.data.shape == (6, 3, 32, 32)
        assert train.data[0, :, 5, 5].tolist() == [0, 0, 255]
        assert test.data[1, :, 5, 5].tolist() == [255, 0, 0]

    def test_an_unchanged_folder_is_not_decoded_again(self, tmp_path):
        folder = write_colours(tmp_path)
        first, _ = load_data("colours", tmp_path)
        image = folder / "train" / "red" / "0.png"
        about = image.stat()
        image.write_bytes(b"x" * about.st_size)  # would fail to decode
        os.utime(image, ns=(about.st_atime_ns, about.st_mtime_ns))
        again, _ = load_data("colours", tmp_path)
        assert torch.equal(first.data, again.data)

    def test_a_changed_folder_is_decoded_again_and_the_old_images_go(self, tmp_path):
        folder = write_colours(tmp_path)
        load_data("colours", tmp_path)
        Image.new("RGB", (32, 32), "white").save(folder / "train" / "red" / "0.png")
        train, _ = load_data("colours", tmp_path)
        assert train.data[3].unique().tolist() == [255]
        (folder / "train" / "red" / "0.png").unlink()
        assert len(load_data("colours", tmp_path)[0]) == 5
        assert len(list((tmp_path / ".cache" / "colours").iterdir())) == 4

    def test_a_damaged_cache_is_built_anew(self, tmp_path):
        write_colours(tmp_path)
        first, _ = load_data("colours", tmp_path)
        for file in (tmp_path / ".cache" / "colours").iterdir():
            file.write_bytes(file.read_bytes()[:-1])
        assert torch.equal(load_data("colours", tmp_path)[0].data, first.data)

    def test_half_a_cache_is_built_anew(self, tmp_path):
        write_colours(tmp_path)
        first, _ = load_data("colours", tmp_path)
        next((tmp_path / ".cache" / "colours").glob("train_labels*")).unlink()
        assert torch.equal(load_data("colours", tmp_path)[0].targets, first.targets)

    def test_a_cache_that_cannot_be_written_costs_nothing_but_time(self, tmp_path):
        write_colours(tmp_path)
        (tmp_path / ".cache").write_text("a file where the folder should be")
        assert len(load_data("colours", tmp_path)[0]) == 6

    def test_other_sizes_and_modes_become_32_by_32_colour(self, tmp_path):
        grey = np.full((40, 20), 128, np.uint8)
        Image.fromarray(grey).save(tmp_path / "grey.png")
        Image.fromarray(grey).save(tmp_path / "large.jpg")
        Image.fromarray(np.full((32, 32), 128 << 8, np.uint16)).save(tmp_path / "deep.png")
        for name in ("grey.png", "large.jpg", "deep.png"):
            assert decode_image(tmp_path / name).shape == (32, 32, 3)
            assert np.unique(decode_image(tmp_path / name)).tolist() == [128]
        Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "clear.png")
        assert np.unique(decode_image(tmp_path / "clear.png")).tolist() == [255]

    def test_progress_is_told_only_while_decoding(self, tmp_path):
        write_colours(tmp_path)
        told: list[float] = []
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]

    def test_other_files_are_left_alone(self, tmp_path):
        folder = write_colours(tmp_path)
        for name in ("Thumbs.db", ".DS_Store", "._0.png", "notes.txt"):
            (folder / "train" / "red" / name).write_bytes(b"no image")
        (folder / "train" / "red" / "a folder.png").mkdir()
        (folder / "train" / ".cache").mkdir()
        (folder / "train" / "Thumbs.db").write_bytes(b"no class")
        train, _ = load_data("colours", tmp_path)
        assert (len(train), train.classes) == (6, ("blue", "red"))

    def test_links_within_the_folder_and_a_link_to_the_whole_of_it_are_followed(self, tmp_path):
        folder = write_colours(tmp_path / "elsewhere")
        (folder / "train" / "red" / "9.png").symlink_to(folder / "train" / "red" / "0.png")
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "linked").symlink_to(folder)
        assert known_datasets(tmp_path / "home")[:2] == ["linked", "Shapes"]
        assert len(load_data("linked", tmp_path / "home")[0]) == 7

    def test_the_real_images_have_the_known_statistics(self, real_images):
        train, test = load_data("cifar10-jpeg", real_images)
        assert train.data.shape == (50_000, 3, 32, 32)
        assert test.data.shape == (10_000, 3, 32, 32)
        assert train.targets.bincount().tolist() == [5000] * 10
        mean, std = channel_statistics(train)
        assert mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.001)
        assert std.tolist() == pytest.approx([0.245, 0.243, 0.261], abs=0.001)


class TestSplitCutFromTrain:
    @staticmethod
    def names(files: list[tuple[str, int]]) -> list[str]:
        return ["/".join(Path(path).parts[-2:]) for path, _ in files]

    def test_a_sixth_of_each_class_tests_and_nothing_is_in_both(self, tmp_path):
        listing = list_images(write_colours(tmp_path, train=13, test=0))
        assert [label for _, label in listing.test] == [0, 0, 1, 1]
        assert [label for _, label in listing.train] == [0] * 11 + [1] * 11
        assert len({*listing.train, *listing.test}) == 26
        train, test = load_data("colours", tmp_path)
        assert (len(train), len(test)) == (22, 4)
        assert test.data[0, :, 5, 5].tolist() == [0, 0, 255]
        assert test.data[3, :, 5, 5].tolist() == [255, 0, 0]

    def test_the_cut_is_the_same_on_every_machine(self, tmp_path):
        listing = list_images(write_colours(tmp_path, train=13, test=0))
        assert self.names(listing.test) == ["blue/11.png", "blue/8.png", "red/3.png", "red/4.png"]

    def test_an_image_that_is_added_moves_at_most_one_other(self, tmp_path):
        folder = write_colours(tmp_path, train=13, test=0)
        before = set(self.names(list_images(folder).test))
        Image.new("RGB", (32, 32)).save(folder / "train" / "red" / "a new one.png")
        assert len(before - set(self.names(list_images(folder).test))) <= 1

    def test_of_two_images_one_is_for_testing_and_one_alone_is_refused(self, tmp_path):
        folder = write_colours(tmp_path, train=2, test=0)
        assert [len(split) for split in load_data("colours", tmp_path)] == [2, 2]
        (folder / "train" / "red" / "0.png").unlink()
        with pytest.raises(SentenceError, match=r"^The class 'red' has only one image in colours/train\. Add another"):
            load_data("colours", tmp_path)

    def test_a_folder_for_testing_that_comes_later_is_used(self, tmp_path):
        folder = write_colours(tmp_path, train=6, test=0)
        assert [len(split) for split in load_data("colours", tmp_path)] == [10, 2]
        for label in ("blue", "red"):
            (folder / "test" / label).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(folder / "test" / label / "0.png")
        assert [len(split) for split in load_data("colours", tmp_path)] == [12, 2]
