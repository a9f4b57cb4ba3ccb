"""A visitor's own picture: read from a file, and turned into what a network of a data set takes."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlpcore.data import messages
from mlpcore.data.folders import BOMBS, UNREADABLE, as_thumbnail
from mlpcore.messages import SentenceError

MAX_FILE_BYTES = 5_000_000
MAX_PICTURE_PIXELS = 30_000_000  # 90 MB in memory; a telephone's camera takes 12 to 24 million
GREY_SIDE = 28  # pixels of the grey images of MNIST and Fashion-MNIST


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as networks take it: colour uint8 (3, 32, 32), grey uint8 (1, 28, 28)."""

    colour: NDArray[np.uint8]
    grey: NDArray[np.uint8]

    def fit(self, channels: int) -> NDArray[np.uint8]:
        """Return it with so many channels, 1 or 3."""
        return self.grey if channels == 1 else self.colour


def read_picture(data: bytes) -> Picture:
    """Read a PNG or JPEG of any size. In colour it becomes what the same file in an image folder would.

    Raises:
        SentenceError: It is too large, or not a picture.
    """
    if len(data) > MAX_FILE_BYTES:
        raise SentenceError(messages.LARGE_PICTURE_FILE, size=len(data) / 1e6, most=MAX_FILE_BYTES / 1e6)
    try:
        with _open(data) as image:
            colour = np.asarray(as_thumbnail(image))
        with _open(data) as image:
            grey = np.asarray(as_thumbnail(image, GREY_SIDE).convert("L"))
    except SentenceError:
        raise
    except (*BOMBS, *UNREADABLE) as error:
        raise SentenceError(messages.NOT_A_PICTURE) from error
    return Picture(colour.transpose(2, 0, 1), grey[None])


def _open(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=("PNG", "JPEG"))
    if image.width * image.height > MAX_PICTURE_PIXELS:
        raise SentenceError(messages.LARGE_PICTURE, limit=MAX_PICTURE_PIXELS)
    return image
