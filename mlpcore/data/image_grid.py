"""Images at a glance: sheets of them as PNG, with a word above where one is wanted."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (125, 134, 148, 255)  # readable on white and on black
GAP = 2  # pixels of an image, between two


def draw_grid(images: np.ndarray, *, columns: int, scale: int = 2, captions: Sequence[str] = ()) -> bytes:
    """Draw images row by row as one PNG with a clear ground.

    images: uint8 (N, C, H, W), C of 1 or 3. scale: pixels of the sheet for a pixel of an image. captions: what stands
    above each image, in one line or several; it may run on over images without one, else it is cut.
    """
    height, width = images.shape[2:]
    above = 9 * scale * (1 + max(caption.count("\n") for caption in captions)) if captions else 0
    cell_width, cell_height = (width + GAP) * scale, (height + GAP) * scale + above
    rows = -(-len(images) // columns)
    sheet = Image.new("RGBA", (columns * cell_width - GAP * scale, max(rows, 1) * cell_height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=int(6.5 * scale))
    for place, image in enumerate(images):
        left, top = place % columns * cell_width, place // columns * cell_height
        if captions and captions[place]:
            end = place - place % columns + columns  # of this row
            following = (other for other in range(place + 1, min(end, len(captions))) if captions[other])
            room = (next(following, end) - place) * cell_width - GAP * scale
            for number, text in enumerate(captions[place].splitlines()):
                pen.text((left, top + 9 * scale * number), _cut(text, font, room), fill=INK, font=font)
        sheet.paste(_enlarge(image, scale), (left, top + above))
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def draw_sheet(images: np.ndarray, labels: np.ndarray, classes: Sequence[str], *, columns: int, each: int) -> bytes:
    """Draw the first `each` images of every class, `columns` classes side by side, each under its name.

    images: uint8 (N, C, H, W); labels: (N,).
    """
    picked = [np.flatnonzero(labels == label)[:each] for label in range(len(classes))]
    blank = np.full((1, *images.shape[1:]), 255, np.uint8)
    rows = [np.concatenate([images[indices], *[blank] * (each - len(indices))]) for indices in picked]
    captions = [name if place == 0 else "" for name in classes for place in range(each)]
    return draw_grid(np.concatenate(rows), columns=columns * each, scale=4, captions=captions)


def _cut(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Shorten a text until it fits into `room` pixels."""
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-1]
    return text


def _enlarge(image: np.ndarray, scale: int) -> Image.Image:
    pixels = image.transpose(1, 2, 0)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    return Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))
