"""The preview of the recipe that a page begins with, kept on disk: it can be drawn before torch is imported.

An earlier process computed it with `preview_rates`. Nothing vouches for the file, so it is shown only until torch is
there and the preview has been computed again.
"""

import hashlib
import logging
import math
import uuid
from array import array
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import mlpcore
from mlpcore.recipes.recipe import Recipe

log = logging.getLogger(__name__)

TRAINING = Path(mlpcore.__file__).parent / "training"
SOURCES = ("schedules.py", "optimizers.py")  # what computes a preview, beside torch


def read_preview(folder: Path, recipe: Recipe) -> Sequence[float] | None:
    """Read the kept preview of a recipe; None if there is none, or what was kept cannot be one."""
    try:
        rates = array("d", _file(folder, recipe).read_bytes())
    except (OSError, ValueError):  # ValueError: not a whole number of rates
        return None
    return rates if len(rates) == recipe.train_iter and all(map(math.isfinite, rates)) else None


def keep_preview(folder: Path, recipe: Recipe, rates: Sequence[float]) -> None:
    """Keep the preview of a recipe in place of the one kept before; a folder that cannot be written is left alone."""
    file, content = _file(folder, recipe), array("d", rates).tobytes()
    try:
        if file.is_file() and file.read_bytes() == content:
            return
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"{uuid.uuid4().hex}.part"
        try:
            temporary.write_bytes(content)
            temporary.replace(file)  # whole or not at all
        finally:
            temporary.unlink(missing_ok=True)
        for other in folder.glob("*.rates"):
            if other != file:
                other.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the preview is not kept: %s", error)


def _file(folder: Path, recipe: Recipe) -> Path:
    """Name the file by all that a preview depends on: the recipe, torch, and the code here that steps it."""
    parts = [recipe.model_dump_json().encode(), version("torch").encode()]
    parts += [(TRAINING / source).read_bytes() for source in SOURCES]
    return folder / f"{hashlib.sha256(b' '.join(parts)).hexdigest()[:32]}.rates"
