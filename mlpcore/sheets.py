"""A data set at a glance: a sheet of its images, a few of each class under the class's name."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (125, 134, 148, 255)  # readable on white and on black
GAP = 2  # pixels of an image


def draw_sheet(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], *, columns: int = 2, each: int = 2, scale: int = 4
) -> bytes:
    """Draw the first `each` images of every class as one PNG.

    images: uint8 (N, C, H, W); labels: (N,). columns: classes side by side; scale: pixels of the sheet a pixel.
    """
    height, width = images.shape[2:]
    label_height, margin = 9 * scale, 6 * scale
    cell_width, cell_height = each * (width + GAP) * scale + margin, (height + GAP) * scale + label_height
    rows = -(-len(classes) // columns)
    sheet = Image.new("RGBA", (columns * cell_width - margin, rows * cell_height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=7 * scale)
    for label, name in enumerate(classes):
        left, top = label % columns * cell_width, label // columns * cell_height
        pen.text((left, top), name, fill=INK, font=font)
        for place, index in enumerate(np.flatnonzero(labels == label)[:each]):
            sheet.paste(_enlarge(images[index], scale), (left + place * (width + GAP) * scale, top + label_height))
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _enlarge(image: np.ndarray, scale: int) -> Image.Image:
    pixels = image.transpose(1, 2, 0)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    return Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))
