"""Sizes that several pages share."""

ROW_HEIGHT = 31  # pixels of a table's row at the theme's font size; Streamlit reckons with 35 and leaves empty rows


def table_height(rows: int, *, most: int = 14) -> int:
    """The height, in pixels, of a table that shows up to `most` rows without scrolling."""
    return ROW_HEIGHT * (min(rows, most) + 1) + 3
