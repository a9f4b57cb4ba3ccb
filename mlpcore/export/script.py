"""Export a recipe as a self-contained script in plain PyTorch, in the lecture's cells, or as a notebook of them.

On the CPU of the machine that trained the run, the script prints the run's evaluations bit for bit. It contains only
what its recipe needs: no line about label noise if there is none.
"""

import json
from typing import Any

from pydantic import ValidationError

from mlpcore.export import messages
from mlpcore.export.script_template import Translate, fill_template, write_comment
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_problems
from mlpcore.runs.kernel_rule import KernelRule

MAX_BYTES = 1_000_000  # of a recipe's file: one with 1,000 changes has 100,000


def to_script(recipe: Recipe, *, rule: KernelRule = KernelRule.MKL, translate: Translate = str) -> str:
    """Export a recipe as one Python file whose cells begin with `# %%`.

    Args:
        recipe: What the script trains.
        rule: Which library computed the run's matrix products.
        translate: Returns a comment in the reader's language.
    """
    head = "\n".join(write_comment(sentence) for sentence in _head(recipe, translate))
    return f"{head}\n\n\n{fill_template(recipe, rule, translate)}\n"


def to_notebook(recipe: Recipe, *, rule: KernelRule = KernelRule.MKL, translate: Translate = str) -> str:
    """Export a recipe as a Jupyter notebook, nbformat 4.5: the cells of the script, each under its title."""
    what, *rest = _head(recipe, translate)
    cells = [_markdown("\n\n".join([f"# {what}", *rest]))]
    for cell in fill_template(recipe, rule, translate).removeprefix("# %% ").split("\n\n\n# %% "):
        title, _line, code = cell.partition("\n")
        empty: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        cells += [_markdown(f"## {title}"), empty | {"source": code}]
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
    """Read a recipe from JSON. Raises SentenceError that names the first thing wrong with it."""
    if len(data) > MAX_BYTES:
        raise SentenceError(messages.LARGE_RECIPE, size=len(data) / 1e6, most=MAX_BYTES / 1e6)
    try:
        return Recipe.model_validate_json(data)
    except ValidationError as error:
        _field, sentence = find_problems(error)[0]
        raise SentenceError(sentence.template, **sentence.values) from error


def _head(recipe: Recipe, translate: Translate) -> list[str]:
    what = messages.WHAT if recipe.scheduler.name == "none" else messages.WHAT_WITH_SCHEDULER
    names = {"optimizer": recipe.optimizer.name, "scheduler": recipe.scheduler.name}
    head = translate(what).format(**names, dataset=recipe.dataset, seed=recipe.seed)
    return [head, translate(messages.PROMISE)]


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}
