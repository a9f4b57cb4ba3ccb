"""Draw images as a grid in one PNG, with captions."""

from collections.abc import Collection, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK = (125, 134, 148, 255)  # readable on white and on black
MARK = (213, 94, 0, 255)  # the frame of a marked image
ABOVE, BELOW = (51, 146, 209), (222, 118, 35)  # the colours of a map
GAP = 2  # pixels of an image, between two images
LETTER, SMALL_LETTER = 6.5, 4.5  # the height of captions in pixels of an image: the usual one and the smallest
LINE = 9  # pixels of an image, per line of a caption


def draw_grid(
    images: NDArray[np.uint8],
    *,
    columns: int,
    scale: int = 2,
    captions: Sequence[str] = (),
    marked: Collection[int] = (),
) -> bytes:
    """Draw images row by row as one PNG with a transparent background.

    Args:
        images: (N, C, H, W), C of 1 or 3.
        columns: images per row.
        scale: pixels of the PNG per pixel of an image.
        captions: the text above each image, in one or more lines. It extends over following images without a
            caption; letters become smaller, and then lines are broken, where it is still too long.
        marked: the places of images in a frame.
    """
    height, width = images.shape[2:]
    cell_width = (width + GAP) * scale
    rooms = [_count_cells(captions, place, columns) * cell_width - GAP * scale for place in range(len(captions))]
    font = _fit_font(captions, rooms, scale)
    lines = [_break_lines(caption, room, font) for caption, room in zip(captions, rooms, strict=True)]
    above = LINE * scale * max((len(one) for one in lines), default=0)
    cell_height = (height + GAP) * scale + above
    rows = -(-len(images) // columns)
    grid = Image.new("RGBA", (columns * cell_width - GAP * scale, max(rows, 1) * cell_height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(grid)
    for place, image in enumerate(images):
        left, top = place % columns * cell_width, place // columns * cell_height + above
        for number, text in enumerate(reversed(lines[place]) if lines else ()):
            pen.text((left, top - LINE * scale * (number + 1)), text, fill=INK, font=font)
        pixels = image.transpose(1, 2, 0)
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        grid.paste(Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1)), (left, top))
        if place in marked:
            box = (left, top, left + width * scale - 1, top + height * scale - 1)
            pen.rectangle(box, outline=MARK, width=2 * scale)
    file = BytesIO()
    grid.save(file, "PNG")
    return file.getvalue()


def draw_maps(maps: NDArray[np.uint8], *, columns: int, scale: int) -> bytes:
    """Draw maps, uint8 (N, 1, H, W) with 128 for 0, as one PNG: blue above 0, orange below, transparent at 0.

    The two colours are Okabe and Ito's, in a shade that is seen on white and on black.
    """
    height, width = maps.shape[2:]
    rows = -(-len(maps) // columns)
    grid = Image.new("RGBA", (columns * (width + 1) * scale - scale, rows * (height + 1) * scale - scale), (0, 0, 0, 0))
    for place, numbers in enumerate(maps[:, 0].astype(int) - 128):
        picture = np.where(numbers[..., None] > 0, ABOVE, BELOW).astype(np.uint8)
        alpha = (np.abs(numbers) * 2).clip(max=255).astype(np.uint8)
        drawn = Image.fromarray(np.dstack([picture, alpha])).resize((width * scale, height * scale))
        left, top = place % columns * (width + 1) * scale, place // columns * (height + 1) * scale
        grid.paste(drawn, (left, top))
        frame = (left, top, left + width * scale - 1, top + height * scale - 1)
        ImageDraw.Draw(grid).rectangle(frame, outline=INK)
    file = BytesIO()
    grid.save(file, "PNG")
    return file.getvalue()


def _count_cells(captions: Sequence[str], place: int, columns: int) -> int:
    """Count the cells of a row over which a caption extends: its own and those that follow without one."""
    row_end = min(place - place % columns + columns, len(captions))
    following = (other for other in range(place + 1, row_end) if captions[other])
    return next(following, place - place % columns + columns) - place


def _fit_font(captions: Sequence[str], rooms: Sequence[int], scale: int) -> ImageFont.FreeTypeFont:
    """Return the largest font in which every word fits; the smallest if none does."""
    sizes = range(int(LETTER * scale), int(SMALL_LETTER * scale) - 1, -1)
    fonts = (_load_font(size) for size in sizes)
    for font in fonts:
        words = ((word, room) for caption, room in zip(captions, rooms, strict=True) for word in caption.split())
        if all(font.getlength(word) <= room for word, room in words):
            break
    return font


def _load_font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow comes with FreeType"
    return font


def _break_lines(caption: str, room: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """Break a caption into lines that fit, between words where that is possible."""
    lines = []
    for paragraph in caption.splitlines():
        line = ""
        for word in paragraph.split():
            if line and font.getlength(f"{line} {word}") > room:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
            while font.getlength(line) > room and len(line) > 1:
                fitting = max((end for end in range(1, len(line)) if font.getlength(line[:end]) <= room), default=1)
                lines.append(line[:fitting])
                line = line[fitting:]
        lines.append(line)
    return lines


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
