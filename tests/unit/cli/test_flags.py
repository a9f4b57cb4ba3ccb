"""Flags over a file: which values a flag can empty."""

import argparse
from pathlib import Path

import pytest

from mlpcore.cli.flags import add_flags, build_recipe
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.schedulers import CyclicLR

FILLED = Recipe(train_size=800, max_norm=1.0, scheduler=CyclicLR(step_size_down=30))


def read(folder: Path, *flags: str) -> Recipe:
    """Read the recipe of a file that sets all optional values, with flags over it."""
    (folder / "recipe.json").write_text(FILLED.model_dump_json())
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_flags(parser)
    return build_recipe(str(folder / "recipe.json"), vars(parser.parse_args(flags)))


def test_an_empty_flag_empties_what_the_file_sets(tmp_path: Path) -> None:
    assert read(tmp_path) == FILLED
    emptied = read(tmp_path, "--train-size", "", "--max-norm", "", "--step-size-down=")
    assert emptied == Recipe(scheduler=CyclicLR())


def test_a_value_that_every_recipe_needs_cannot_be_emptied(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'^seed is "": it must be a whole number from 0 to 4,294,967,295\.$'):
        read(tmp_path, "--seed", "")
