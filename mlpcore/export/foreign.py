"""Read the CSV file of a run that another program trained: a row per step, as Trackio or W&B exports it."""

import csv
import math
import re
from collections.abc import Sequence
from io import StringIO

from mlpcore.export import messages
from mlpcore.export.reading import MAX_BYTES
from mlpcore.messages import SentenceError
from mlpcore.recipes.validation import shorten
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.records import LONGEST_NAME

MAX_ROWS = 10_000  # 400 kB once stored
EMPTY = ("", "nan", "none", "null")
MAX_STEP = 2**53  # beyond it a float skips whole numbers
# What a column may be called, without capitals and with _ for all else; W&B puts the run's name and " - " before it.
NAMES = {
    "step": ("step", "_step", "global_step", "iteration"),
    "train_loss": ("train_loss", "loss", "training_loss"),
    "test_acc": ("test_acc", "test_accuracy", "accuracy", "acc"),
    "lr": ("lr", "learning_rate"),
}


def read_foreign_run(data: bytes, *, name: str) -> ForeignRun:
    """Read a CSV file with a header, a column of steps and at least one of losses or accuracies.

    Args:
        name: Of the file; without its ending it becomes the run's.

    Raises:
        SentenceError: It is too large, no such table, or holds a value that cannot be.
    """
    if len(data) > MAX_BYTES:
        raise SentenceError(messages.LARGE_FILE, size=len(data) / 1e6, most=MAX_BYTES / 1e6)
    try:
        header, *rows = csv.reader(StringIO(data.decode("utf-8-sig")), strict=True)
    except (ValueError, csv.Error) as error:  # ValueError: no header, or other bytes than text
        raise SentenceError(messages.NOT_A_CSV) from error
    if len(rows) > MAX_ROWS:
        raise SentenceError(messages.MANY_ROWS, count=len(rows), most=MAX_ROWS)
    columns = _find_columns(header)
    if "step" not in columns or columns.keys().isdisjoint({"train_loss", "test_acc"}):
        raise SentenceError(messages.NO_COLUMNS)
    values: dict[str, list[float | None]] = {measure: [] for measure in columns if measure != "step"}
    steps: list[int] = []
    for line, row in enumerate(rows, start=2):
        if not row:  # an empty line
            continue
        cells = {measure: row[place].strip() if place < len(row) else "" for measure, place in columns.items()}
        steps.append(_read_step(cells.pop("step"), line, after=steps[-1] if steps else -1))
        for measure, cell in cells.items():
            values[measure].append(_read_measure(cell, measure, line))
    if not steps:
        raise SentenceError(messages.NO_ROWS)
    return ForeignRun(re.sub(r"\.csv$", "", name)[:LONGEST_NAME], steps, **values)


def _find_columns(header: Sequence[str]) -> dict[str, int]:
    """Find which column holds what. Raises SentenceError if two hold the same, as in a file of several runs."""
    found: dict[str, int] = {}
    for place, title in enumerate(header):
        plain = re.sub(r"\W+", "_", title.split(" - ")[-1].strip().lower())
        measure = next((measure for measure, names in NAMES.items() if plain in names), None)
        if measure in found:
            raise SentenceError(messages.TWO_COLUMNS, first=shorten(header[found[measure]]), second=shorten(title))
        if measure:
            found[measure] = place
    return found


def _read_step(cell: str, line: int, *, after: int) -> int:
    step = _to_float(cell)
    if not (after < step <= MAX_STEP and step == int(step)):
        raise SentenceError(messages.BAD_STEP, line=line, value=shorten(cell))
    return int(step)


def _read_measure(cell: str, measure: str, line: int) -> float | None:
    if cell.lower() in EMPTY:
        return None
    value, is_accuracy = _to_float(cell), measure == "test_acc"
    if not math.isfinite(value) or (is_accuracy and not 0 <= value <= 1):
        template = messages.BAD_ACCURACY if is_accuracy else messages.BAD_NUMBER
        raise SentenceError(template, line=line, field=measure, value=shorten(cell))
    return value


def _to_float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
