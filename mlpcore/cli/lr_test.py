"""The command lr-test: what learning rate suits a recipe, without training a run."""

import argparse
import json
from collections.abc import Sequence

from tqdm.auto import tqdm

from mlpcore.analysis.learning_rate.lr_test import LrTest
from mlpcore.analysis.learning_rate.lr_wording import EXPLANATIONS, describe_suggestion
from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, suggest_rates
from mlpcore.cli.flags import add_flags, build_recipe
from mlpcore.data import catalog
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import find_misfit


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of the command line."""
    parser = commands.add_parser(
        "lr-test",
        help="suggest a learning rate for a recipe",
        description="Train the network of a recipe on 100 mini-batches with five seeds while the learning rate grows "
        "from 1e-6 to 10, and print the rates that three rules read off the loss. No run is stored.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,  # a flag that is not given does not override the file
    )
    parser.set_defaults(command=_lr_test)
    parser.add_argument("--recipe", metavar="FILE", default=None, help='a recipe as JSON; "-" reads the standard input')
    parser.add_argument("--json", action="store_true", default=False, help="print everything that was measured as JSON")
    add_flags(parser)


def _lr_test(given: argparse.Namespace) -> int:
    recipe = build_recipe(given.recipe, vars(given))
    home = catalog.data_home()
    images = catalog.count_training_images(home, recipe.data)
    if misfit := find_misfit(recipe, catalog.known_datasets(home), images):
        raise SentenceError(misfit.template, **misfit.values)
    test = _run(recipe)
    suggestions = suggest_rates(test)
    if given.json:
        print(json.dumps(_as_json(test, suggestions)))
        return 0
    for one in suggestions:
        print(f"{one.rule:<16}{describe_suggestion(one)}  ({EXPLANATIONS[one.rule]})")
    return 0


def _run(recipe: Recipe) -> LrTest:
    import torch

    from mlpcore.data.batches import place_images
    from mlpcore.data.datasets import load_data
    from mlpcore.jobs.lr_test import check_memory, run_lr_test
    from mlpcore.training.device import pick_device_of
    from mlpcore.training.reproducibility import count_threads

    device, home = pick_device_of(recipe), catalog.data_home()
    check_memory(recipe, home, device)
    torch.set_num_threads(count_threads())  # as a run's
    images = place_images(*load_data(recipe.data, home, download=False), device)
    with tqdm(desc="lr-test", total=1.0, bar_format="{desc}: {percentage:3.0f}%|{bar}|", leave=False) as bar:
        return run_lr_test(recipe, images, device=device, report=lambda share: bar.update(share - bar.n))


def _as_json(test: LrTest, suggestions: Sequence[LrSuggestion]) -> dict[str, object]:
    found = [
        {
            "rule": one.rule.value,
            "lr": one.rounded,
            "median": one.rate,
            "low": min(one.found, default=None),
            "high": max(one.found, default=None),
            "by_seed": one.by_seed,
        }
        for one in suggestions
    ]
    return {"suggestions": found, "rates": test.rates, "losses": test.losses}
