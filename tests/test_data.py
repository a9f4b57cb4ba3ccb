import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mlpcore import shapes
from mlpcore.data import (
    ImageSplit,
    channel_statistics,
    data_home,
    draw_training_set,
    known_datasets,
    load_data,
)
from mlpcore.folders import decode_image

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def write_folder(home: Path, name: str = "colours", *, train: int = 3, test: int = 1) -> Path:
    for split, count in (("train", train), ("test", test)):
        for label, colour in COLOURS.items():
            folder = home / name / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32), colour).save(folder / f"{number}.png")
    return home / name


def small_split(count: int = 2000) -> ImageSplit:
    images, labels = shapes.draw_shapes("train", count)
    return ImageSplit(torch.from_numpy(images), torch.from_numpy(labels), shapes.CLASSES)


class TestNames:
    def test_shapes_is_always_there(self, tmp_path):
        assert known_datasets(tmp_path) == ["Shapes"]
        assert known_datasets(tmp_path / "no such folder") == ["Shapes"]

    def test_folders_with_train_and_test_are_found_and_no_others(self, tmp_path):
        write_folder(tmp_path, "zoo")
        write_folder(tmp_path, "art")
        write_folder(tmp_path, ".hidden")
        write_folder(tmp_path, "Shapes")
        (tmp_path / "notes" / "train").mkdir(parents=True)
        (tmp_path / "file.txt").write_text("")
        assert known_datasets(tmp_path) == ["art", "zoo", "Shapes"]

    def test_cifar10_is_known_once_its_files_are_there(self, tmp_path):
        write_folder(tmp_path)
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        for name in ("batches.meta", "test_batch", *(f"data_batch_{part}" for part in range(1, 6))):
            assert known_datasets(tmp_path) == ["colours", "Shapes"]
            (folder / name).write_bytes(b"")
        assert known_datasets(tmp_path) == ["CIFAR10", "colours", "Shapes"]

    def test_listing_does_not_load_torch(self):
        code = "import sys, mlpcore.catalog as c; c.known_datasets(c.data_home()); sys.exit('torch' in sys.modules)"
        assert (
            subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0
        )

    def test_the_environment_names_the_home_of_the_data(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MLPCORE_DATA", str(tmp_path))
        assert data_home() == tmp_path
        monkeypatch.delenv("MLPCORE_DATA")
        assert data_home().parts[-2:] == ("mlp-playground", "data")

    def test_an_unknown_name_is_refused_with_the_known_ones(self, tmp_path):
        write_folder(tmp_path)
        with pytest.raises(ValueError, match=r"^dataset is 'MNIST7': expected one of CIFAR10, colours, Shapes\.$"):
            load_data("MNIST7", tmp_path)

    @pytest.mark.parametrize("name", ["", ".", "..", "../colours", "colours/train", ".cache", "{home}/colours"])
    def test_a_name_cannot_lead_out_of_the_folder(self, tmp_path, name):
        write_folder(tmp_path)
        (tmp_path / "inside").mkdir()
        with pytest.raises(ValueError, match="dataset is "):
            load_data(name.format(home=tmp_path), tmp_path / "inside")


class TestCifar10:
    def test_a_folder_with_wrong_bytes_fails_the_integrity_check(self, tmp_path):
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        for name in ("batches.meta", "test_batch", *(f"data_batch_{part}" for part in range(1, 6))):
            (folder / name).write_bytes(b"not what was published")
        with pytest.raises(ValueError, match=r"^cifar-10-batches-py fails CIFAR10's md5 check"):
            load_data("CIFAR10", tmp_path)

    def test_an_incomplete_folder_is_refused_naming_what_it_lacks(self, tmp_path):
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        (folder / "batches.meta").write_bytes(b"")
        with pytest.raises(ValueError, match="lacks test_batch"):
            load_data("CIFAR10", tmp_path)


class TestImageFolders:
    def test_images_labels_and_classes_are_those_of_the_folder(self, tmp_path):
        write_folder(tmp_path)
        train, test = load_data("colours", tmp_path)
        assert train.classes == test.classes == ("blue", "red")
        assert (len(train), len(test)) == (6, 2)
        assert (train.data.dtype, train.targets.dtype) == (torch.uint8, torch.int64)
        assert train.targets.tolist() == [0, 0, 0, 1, 1, 1]
        assert train.data.shape == (6, 3, 32, 32)
        assert train.data[0, :, 5, 5].tolist() == [0, 0, 255]
        assert test.data[1, :, 5, 5].tolist() == [255, 0, 0]

    def test_an_unchanged_folder_is_not_decoded_again(self, tmp_path):
        folder = write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        image = folder / "train" / "red" / "0.png"
        about = image.stat()
        image.write_bytes(b"x" * about.st_size)  # would fail to decode
        os.utime(image, ns=(about.st_atime_ns, about.st_mtime_ns))
        again, _ = load_data("colours", tmp_path)
        assert torch.equal(first.data, again.data)

    def test_a_changed_folder_is_decoded_again_and_the_old_images_go(self, tmp_path):
        folder = write_folder(tmp_path)
        load_data("colours", tmp_path)
        Image.new("RGB", (32, 32), "white").save(folder / "train" / "red" / "0.png")
        train, _ = load_data("colours", tmp_path)
        assert train.data[3].unique().tolist() == [255]
        (folder / "train" / "red" / "0.png").unlink()
        assert len(load_data("colours", tmp_path)[0]) == 5
        assert len(list((tmp_path / ".cache" / "colours").iterdir())) == 4

    def test_a_damaged_cache_is_built_anew(self, tmp_path):
        write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        for file in (tmp_path / ".cache" / "colours").iterdir():
            file.write_bytes(file.read_bytes()[:-1])
        assert torch.equal(load_data("colours", tmp_path)[0].data, first.data)

    def test_half_a_cache_is_built_anew(self, tmp_path):
        write_folder(tmp_path)
        first, _ = load_data("colours", tmp_path)
        next((tmp_path / ".cache" / "colours").glob("train_labels*")).unlink()
        assert torch.equal(load_data("colours", tmp_path)[0].targets, first.targets)

    def test_a_cache_that_cannot_be_written_costs_nothing_but_time(self, tmp_path):
        write_folder(tmp_path)
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
        write_folder(tmp_path)
        told = []
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]
        load_data("colours", tmp_path, progress=told.append)
        assert told == [0.0, 1.0]

    @pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, None])
    def test_a_broken_image_is_named(self, tmp_path, content):
        image = write_folder(tmp_path) / "train" / "red" / "1.png"
        image.write_bytes(image.read_bytes()[:-30] if content is None else content)
        with pytest.raises(ValueError, match=r"^train/red/1\.png is not a readable image: replace or remove it"):
            load_data("colours", tmp_path)
        assert not (tmp_path / ".cache").exists()

    def test_a_class_missing_from_test_is_named(self, tmp_path):
        folder = write_folder(tmp_path)
        (folder / "test" / "red" / "0.png").unlink()
        (folder / "test" / "red").rmdir()
        with pytest.raises(ValueError, match=r"class 'red' has no images .* in colours/test"):
            load_data("colours", tmp_path)

    def test_a_class_that_train_does_not_have_is_named(self, tmp_path):
        (write_folder(tmp_path) / "test" / "green").mkdir()
        with pytest.raises(ValueError, match=r"^colours/test has the class 'green', which train has not"):
            load_data("colours", tmp_path)

    def test_an_empty_class_is_named(self, tmp_path):
        (write_folder(tmp_path) / "train" / "green").mkdir()
        with pytest.raises(ValueError, match=r"class 'green' has no images .* in colours/train"):
            load_data("colours", tmp_path)

    def test_one_class_is_not_enough(self, tmp_path):
        folder = tmp_path / "one"
        for split in ("train", "test"):
            (folder / split / "only").mkdir(parents=True)
        with pytest.raises(ValueError, match=r"one/train needs at least 2 folders of images, .*: it has 1"):
            load_data("one", tmp_path)

    def test_an_empty_folder_says_where_images_belong(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match=r"^empty has no folder 'train': images belong in train/<class>/"):
            load_data("empty", tmp_path)

    def test_the_real_images_have_the_known_statistics(self, real_images):
        train, test = load_data("cifar10-jpeg", real_images)
        assert train.data.shape == (50_000, 3, 32, 32)
        assert test.data.shape == (10_000, 3, 32, 32)
        assert train.targets.bincount().tolist() == [5000] * 10
        mean, std = channel_statistics(train)
        assert mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.001)
        assert std.tolist() == pytest.approx([0.245, 0.243, 0.261], abs=0.001)


class TestShapes:
    def test_shapes_loads_whole_and_comes_from_the_cache_the_second_time(self, tmp_path):
        told = []
        train, test = load_data("Shapes", tmp_path, progress=told.append)
        assert (len(train), len(test)) == (50_000, 10_000)
        assert told == sorted(told)
        assert told[-1] == 1.0
        told.clear()
        again, _ = load_data("Shapes", tmp_path, progress=told.append)
        assert told == []
        assert torch.equal(train.data, again.data)


class TestStatistics:
    def test_statistics_are_those_of_a_float_copy(self):
        split = small_split(330)
        pixels = split.data.double() / 255
        mean, std = channel_statistics(split)
        assert mean.dtype == std.dtype == torch.float32
        torch.testing.assert_close(mean, pixels.mean(dim=(0, 2, 3)).float())
        torch.testing.assert_close(std, pixels.std(dim=(0, 2, 3), correction=0).float())

    def test_a_channel_of_one_value_has_deviation_zero(self):
        grey = ImageSplit(
            torch.full((4, 1, 8, 8), 51, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("a", "b")
        )
        mean, std = channel_statistics(grey)
        assert mean.tolist() == pytest.approx([0.2])
        assert std.tolist() == [0.0]


class TestTrainingSet:
    def test_the_whole_set_without_noise_is_the_set_itself(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=0)
        assert torch.equal(drawn.labels, train.targets)
        assert drawn.indices.tolist() == list(range(2000))
        assert len(drawn.validation_indices) == 0

    def test_a_subset_has_the_labels_of_the_images_its_indices_name(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=100, label_noise=0.0, seed=3)
        assert len(drawn.labels) == len(drawn.indices.unique()) == 100
        assert torch.equal(drawn.labels, train.targets[drawn.indices])

    def test_images_held_out_for_validation_are_never_trained_on(self):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=0.0, seed=3, validation_size=500)
        assert len(drawn.indices) == 1500
        assert len(drawn.validation_indices) == 500
        assert not set(drawn.indices.tolist()) & set(drawn.validation_indices.tolist())
        assert torch.equal(drawn.validation_labels, train.targets[drawn.validation_indices])

    def test_a_larger_subset_contains_the_smaller(self):
        train = small_split()
        small, large = (
            set(draw_training_set(train, train_size=size, label_noise=0.0, seed=3).indices.tolist())
            for size in (100, 300)
        )
        assert small < large

    def test_another_seed_draws_other_images_and_the_same_seed_the_same(self):
        train = small_split()
        one, same, other = (draw_training_set(train, train_size=100, label_noise=0.3, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one.indices, same.indices)
        assert torch.equal(one.labels, same.labels)
        assert not torch.equal(one.indices, other.indices)

    @pytest.mark.parametrize(("label_noise", "wrong"), [(0.2, 337), (0.4, 713), (1.0, 1819)])
    def test_a_share_of_labels_is_drawn_anew_and_one_in_ten_of_those_comes_out_right(self, label_noise, wrong):
        train = small_split()
        drawn = draw_training_set(train, train_size=None, label_noise=label_noise, seed=0)
        changed = int((drawn.labels != train.targets).sum())
        assert changed == wrong
        expected = 2000 * label_noise * 0.9
        assert abs(changed - expected) < 4 * (expected * (1 - label_noise * 0.9)) ** 0.5

    def test_more_noise_keeps_the_labels_that_less_noise_changed(self):
        train = small_split()
        low, high = (
            draw_training_set(train, train_size=None, label_noise=noise, seed=0).labels for noise in (0.2, 0.4)
        )
        changed = low != train.targets
        assert torch.equal(high[changed], low[changed])

    def test_an_image_has_the_same_label_in_a_set_of_any_size(self):
        train = small_split()
        whole = draw_training_set(train, train_size=None, label_noise=0.4, seed=0)
        part = draw_training_set(train, train_size=500, label_noise=0.4, seed=0)
        assert torch.equal(part.labels, whole.labels[part.indices])

    def test_the_set_it_draws_from_is_left_as_it_was(self):
        train = small_split()
        data, targets = train.data.clone(), train.targets.clone()
        draw_training_set(train, train_size=500, label_noise=1.0, seed=0)
        assert torch.equal(train.data, data)
        assert torch.equal(train.targets, targets)

    def test_no_draw_touches_the_global_generator(self):
        before = torch.get_rng_state()
        draw_training_set(small_split(), train_size=500, label_noise=0.5, seed=0)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("train_size", "label_noise", "sentence"),
        [
            (2001, 0.0, "train_size is 2,001: it must be from 1 to 2,000"),
            (0, 0.0, "train_size is 0: it must be from 1 to 2,000"),
            (None, 1.5, "label_noise is 1.5: it must be from 0 to 1"),
            (None, float("nan"), "label_noise is nan: it must be from 0 to 1"),
        ],
    )
    def test_what_is_out_of_range_is_refused_with_the_range(self, train_size, label_noise, sentence):
        with pytest.raises(ValueError, match=sentence):
            draw_training_set(small_split(), train_size=train_size, label_noise=label_noise, seed=0)
