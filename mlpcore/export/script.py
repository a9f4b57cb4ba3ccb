"""A run that leaves the app: a script of its own in plain PyTorch, cut into the lecture's cells, or a notebook of them.

On the CPU of the machine that trained the run it prints the run's evaluations, bit for bit. It holds only what its
recipe needs: no line about label noise where there is none.
"""

import json
from typing import Any

from pydantic import ValidationError

from mlpcore.export.script_data import data_cells, is_read_from_disk
from mlpcore.export.script_text import Cell, Translate, fill, note
from mlpcore.export.script_training import training_cells
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_problems

MAX_BYTES = 1_000_000  # of a recipe that is read: one with a thousand edits has 100,000

SETTINGS = """\
$why
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores - 1)))
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
"""

GENERATOR = """\
seed = $seed


def build_generator(purpose):
    $why
    digest = hashlib.sha256(f"{purpose}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
"""


def to_script(recipe: Recipe, *, translate: Translate = str) -> str:
    """Write a recipe as one Python file, its comments in the language of `translate`; cells begin with `# %%`."""
    head = "\n".join(note(sentence) for sentence in _head(recipe, translate))
    cells = [f"# %% {cell.title}\n{cell.code}" for cell in _cells(recipe, translate)]
    return "\n\n".join([f"{head}\n", *cells])


def to_notebook(recipe: Recipe, *, translate: Translate = str) -> str:
    """Write the same as a Jupyter notebook, nbformat 4.5: the script's cells, each under its title."""
    what, *rest = _head(recipe, translate)
    cells = [_markdown("\n\n".join([f"# {what}", *rest]))]
    for cell in _cells(recipe, translate):
        code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        cells += [_markdown(f"## {cell.title}"), code | {"source": cell.code.rstrip("\n")}]
    notebook = {
        "cells": [cell | {"id": f"cell-{number}"} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False)


def read_recipe(data: bytes) -> Recipe:
    """Read a recipe from JSON; raises SentenceError naming the first thing that is wrong with it."""
    if len(data) > MAX_BYTES:
        template = "The file has {size:.1f} MB: a recipe has at most {most:.0f} MB."
        raise SentenceError(template, size=len(data) / 1e6, most=MAX_BYTES / 1e6)
    try:
        return Recipe.model_validate_json(data)
    except ValidationError as error:
        _field, sentence = find_problems(error)[0]
        raise SentenceError(sentence.template, **sentence.values) from error


def _head(recipe: Recipe, translate: Translate) -> list[str]:
    if recipe.scheduler.name == "none":
        what = translate("A run of the MLP playground: {optimizer} on {dataset}, seed {seed}")
    else:
        what = translate("A run of the MLP playground: {optimizer} with {scheduler} on {dataset}, seed {seed}")
    names = {"optimizer": recipe.optimizer.name, "scheduler": recipe.scheduler.name}
    promise = translate(
        "It trains on the CPU and prints what the playground measured there: on the same machine, with the same "
        "versions of torch and numpy, to the last digit. A run on a GPU was rounded differently."
    )
    return [what.format(**names, dataset=recipe.dataset, seed=recipe.seed), promise]


def _cells(recipe: Recipe, translate: Translate) -> list[Cell]:
    set_up = Cell(translate("Set-up"), _set_up(recipe, translate))
    return [set_up, *data_cells(recipe, translate), *training_cells(recipe, translate)]


def _set_up(recipe: Recipe, translate: Translate) -> str:
    modules = ["hashlib", "math", "os", *(["sys"] if is_read_from_disk(recipe) else [])]
    settings = translate(
        "How many threads sum, and in which order, decides the last digits; torch reads both at its start."
    )
    generators = translate(
        "Random numbers of its own for each purpose: a knob that draws more leaves the others as they were."
    )
    parts = [
        "".join(f"import {module}\n" for module in modules),
        fill(SETTINGS, why=note(settings)),
        "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nimport torch.optim as optim\n"
        "from torch.utils.data import TensorDataset\n",
        fill(GENERATOR, seed=recipe.seed, why=note(generators, 4)),
    ]
    return "\n".join(parts)


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}
