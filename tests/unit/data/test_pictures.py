"""A visitor's picture becomes what the same file in an image folder would; what is none is refused in a sentence."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcore.data import pictures
from mlpcore.data.folders import decode_image
from mlpcore.data.pictures import MAX_FILE_BYTES, read_picture
from mlpcore.messages import SentenceError


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


def draw(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A gradient in red with a square in the middle."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    pixels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 255
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(32, 32), (640, 480), (7, 90)])
def test_it_is_read_as_a_file_of_an_image_folder_is(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    data = encode(draw(size), kind)
    file = tmp_path / f"picture.{kind.lower()}"
    file.write_bytes(data)
    assert np.array_equal(read_picture(data).fit(3), decode_image(file).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16"])
def test_every_mode_fits_both_kinds_of_network(mode: str) -> None:
    image = draw((50, 40), "L").convert("I;16") if mode == "I;16" else draw((50, 40), mode)
    picture = read_picture(encode(image))
    assert (picture.fit(3).shape, picture.fit(3).dtype) == ((3, 32, 32), np.uint8)
    assert (picture.fit(1).shape, picture.fit(1).dtype) == ((1, 28, 28), np.uint8)


def test_a_grey_pad_of_28_pixels_keeps_every_pixel() -> None:
    pixels = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    picture = read_picture(encode(Image.fromarray(pixels).convert("RGB")))
    assert np.array_equal(picture.fit(1)[0], pixels)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"GIF89a", encode(draw((90, 90)))[:200], encode(draw((90, 90)), "JPEG")[:300]]
)
def test_what_is_no_picture_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(SentenceError, match="not a readable picture"):
        read_picture(data)


def test_another_kind_of_picture_is_refused() -> None:
    with pytest.raises(SentenceError, match="choose another PNG or JPEG"):
        read_picture(encode(draw((32, 32)), "GIF"))


def test_a_large_file_and_a_bomb_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SentenceError, match=r"This file has 5\.0 MB, and at most 5 MB are read"):
        read_picture(b"0" * (MAX_FILE_BYTES + 1))
    monkeypatch.setattr(pictures, "MAX_PICTURE_PIXELS", 1_000)
    with pytest.raises(SentenceError, match="more than 1,000 pixels"):
        read_picture(encode(draw((40, 40))))
