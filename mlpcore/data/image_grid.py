"""Draw images as a grid in one PNG, with captions."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK = (125, 134, 148, 255)  # readable on white and on black
GAP = 2  # pixels of an image, between two images


def draw_grid(images: NDArray[np.uint8], *, columns: int, scale: int = 2, captions: Sequence[str] = ()) -> bytes:
    """Draw images row by row as one PNG with a transparent background.

    Args:
        images: (N, C, H, W), C of 1 or 3.
        columns: images per row.
        scale: pixels of the PNG per pixel of an image.
        captions: the text above each image, in one or more lines. It extends over following images without a
            caption, and is cut where it is still too long.
    """
    height, width = images.shape[2:]
    above = 9 * scale * (1 + max(caption.count("\n") for caption in captions)) if captions else 0
    cell_width, cell_height = (width + GAP) * scale, (height + GAP) * scale + above
    rows = -(-len(images) // columns)
    grid = Image.new("RGBA", (columns * cell_width - GAP * scale, max(rows, 1) * cell_height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(grid)
    font = ImageFont.load_default(size=int(6.5 * scale))
    for place, image in enumerate(images):
        left, top = place % columns * cell_width, place // columns * cell_height
        if captions and captions[place]:
            row_end = place - place % columns + columns
            following = (other for other in range(place + 1, min(row_end, len(captions))) if captions[other])
            room = (next(following, row_end) - place) * cell_width - GAP * scale
            for number, text in enumerate(captions[place].splitlines()):
                while len(text) > 1 and font.getlength(text) > room:
                    text = text[:-1]
                pen.text((left, top + 9 * scale * number), text, fill=INK, font=font)
        pixels = image.transpose(1, 2, 0)
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        grid.paste(Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1)), (left, top + above))
    file = BytesIO()
    grid.save(file, "PNG")
    return file.getvalue()


def draw_class_grid(
    images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str], *, columns: int, per_class: int
) -> bytes:
    """Draw the first images of every class, `columns` classes side by side, each under its name.

    images: (N, C, H, W); labels: (N,).
    """
    blank = np.full((1, *images.shape[1:]), 255, np.uint8)
    drawn, captions = [], []
    for label, name in enumerate(classes):
        indices = np.flatnonzero(labels == label)[:per_class]
        drawn += [images[indices], *[blank] * (per_class - len(indices))]
        captions += [name, *[""] * (per_class - 1)]
    return draw_grid(np.concatenate(drawn), columns=columns * per_class, scale=4, captions=captions)
