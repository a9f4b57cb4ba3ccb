"""Grids of images: captions that stay whole, and frames."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mlpcore.data.image_grid import MARK, draw_grid

GREY = np.full((2, 3, 32, 32), 100, np.uint8)


def read(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)))


def find_ink(png: bytes, *, left: int, right: int) -> tuple[int, int]:
    """Return the first and the last column with ink between two columns, above the images."""
    above = read(png)[: -(32 + 2) * 3, left:right, 3]
    columns = np.flatnonzero(above.any(axis=0))
    return left + columns[0], left + columns[-1]


@pytest.mark.parametrize("name", ["automobile", "T-shirt/top", "W" * 40, "a long name of several words"])
def test_captions_keep_every_letter_within_their_own_column(name: str) -> None:
    png = draw_grid(GREY, columns=2, scale=3, captions=[name, ""])
    both = draw_grid(GREY, columns=2, scale=3, captions=[name, "x"])
    assert find_ink(both, left=0, right=32 * 3)[1] < 32 * 3
    assert read(both).shape[0] >= read(png).shape[0]  # more lines rather than fewer letters
    longer = draw_grid(GREY, columns=2, scale=3, captions=[name + "W", "x"])
    assert not np.array_equal(read(longer), read(both))


def test_only_marked_images_have_a_frame() -> None:
    pixels = read(draw_grid(GREY, columns=2, scale=3, marked={1}))
    assert tuple(pixels[0, 0, :3]) == (100, 100, 100)
    assert tuple(pixels[0, 34 * 3, :3]) == MARK[:3]
    assert tuple(pixels[50, 34 * 3 + 50, :3]) == (100, 100, 100)
