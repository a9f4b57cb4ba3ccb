"""A problem in an image folder is reported in a sentence that names the file or class."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlpcore.data import folders
from mlpcore.data.datasets import load_data
from mlpcore.messages import SentenceError
from tests.support.image_folders import write_colours


class TestRefusals:
    @pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, None])
    def test_a_broken_image_is_named(self, tmp_path, content):
        image = write_colours(tmp_path) / "train" / "red" / "1.png"
        image.write_bytes(image.read_bytes()[:-30] if content is None else content)
        with pytest.raises(ValueError, match=r"^train/red/1\.png is not a readable image: replace or remove it"):
            load_data("colours", tmp_path)
        assert not (tmp_path / ".cache").exists()

    def test_a_class_missing_from_test_is_named(self, tmp_path):
        folder = write_colours(tmp_path)
        (folder / "test" / "red" / "0.png").unlink()
        (folder / "test" / "red").rmdir()
        with pytest.raises(ValueError, match=r"class 'red' has no images .* in colours/test"):
            load_data("colours", tmp_path)

    def test_a_class_that_train_does_not_have_is_named(self, tmp_path):
        (write_colours(tmp_path) / "test" / "green").mkdir()
        with pytest.raises(ValueError, match=r"^colours/test has the class 'green', which train does not have"):
            load_data("colours", tmp_path)

    def test_an_empty_class_is_named(self, tmp_path):
        (write_colours(tmp_path) / "train" / "green").mkdir()
        with pytest.raises(ValueError, match=r"class 'green' has no images .* in colours/train"):
            load_data("colours", tmp_path)

    def test_one_class_is_not_enough(self, tmp_path):
        folder = tmp_path / "one"
        for split in ("train", "test"):
            (folder / split / "only").mkdir(parents=True)
        with pytest.raises(ValueError, match=r"^one/train needs 2 to 1,000 folders of images, .*: it has 1\.$"):
            load_data("one", tmp_path)

    def test_an_empty_folder_says_where_images_belong(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match=r"^empty has no folder 'train': images belong in train/<class>/"):
            load_data("empty", tmp_path)

    def test_more_classes_than_a_thousand_are_refused(self, tmp_path):
        for number in range(1001):
            (tmp_path / "many" / "train" / f"{number:04}").mkdir(parents=True)
        with pytest.raises(SentenceError, match=r"^many/train needs 2 to 1,000 folders .*: it has 1,001\.$"):
            load_data("many", tmp_path)

    def test_more_images_than_the_limit_are_refused(self, tmp_path, monkeypatch):
        write_colours(tmp_path)
        monkeypatch.setattr(folders, "MAX_FILES", 8)
        load_data("colours", tmp_path)
        monkeypatch.setattr(folders, "MAX_FILES", 7)
        with pytest.raises(SentenceError, match=r"^colours has more than 7 images: remove some\.$"):
            load_data("colours", tmp_path)

    def test_an_empty_file_is_named(self, tmp_path):
        (write_colours(tmp_path) / "train" / "red" / "1.png").write_bytes(b"")
        with pytest.raises(SentenceError, match=r"^train/red/1\.png is empty: replace or remove it\.$"):
            load_data("colours", tmp_path)

    @pytest.mark.parametrize("sides", [(9_500, 9_500), (13_500, 13_500)])
    def test_an_image_of_too_many_pixels_is_named_and_not_decoded(self, tmp_path, sides):
        image = write_colours(tmp_path) / "train" / "red" / "1.png"
        Image.new("1", sides).save(image)  # a few kB
        with pytest.raises(SentenceError, match=r"^train/red/1\.png has more than 89,478,485 pixels: make it smaller"):
            load_data("colours", tmp_path)

    @pytest.mark.parametrize("link", ["train/red/9.png", "train/green", "test"])
    def test_a_link_that_leads_out_of_the_folder_is_refused(self, tmp_path, link):
        outside = tmp_path / "outside"
        outside.mkdir()
        Image.new("RGB", (32, 32)).save(outside / "secret.png")
        folder = write_colours(tmp_path)
        if link == "test":
            (folder / "test").rename(folder / "other")
        (folder / link).symlink_to(outside / "secret.png" if link.endswith(".png") else outside)
        with pytest.raises(SentenceError, match=rf"^{link} is a link that leads out of the data set's folder"):
            load_data("colours", tmp_path)

    def test_a_link_to_nothing_is_named(self, tmp_path):
        folder = write_colours(tmp_path)
        (folder / "train" / "red" / "9.png").symlink_to(folder / "gone.png")
        with pytest.raises(
            SentenceError, match=r"^train/red/9\.png cannot be read \(No such file or directory\): make it "
        ):
            load_data("colours", tmp_path)

    @pytest.mark.skipif(sys.platform != "linux", reason="only there a name may be bytes that are no text")
    def test_a_name_that_is_no_text_can_still_be_said(self, tmp_path):
        folder = os.fsencode(write_colours(tmp_path) / "train" / "red")
        Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(b"no image")
        with pytest.raises(SentenceError, match=r"^train/red/\?\.png is not a readable image"):
            load_data("colours", tmp_path)
