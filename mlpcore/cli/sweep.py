"""The command that trains a sweep and prints its trials, as a table or as JSON."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from mlpcore.cli.flags import load_json
from mlpcore.messages import SentenceError
from mlpcore.numbers import short_number
from mlpcore.recipes.flat import write_text
from mlpcore.recipes.messages import BAD_NAME
from mlpcore.recipes.validation import shorten
from mlpcore.runs.records import NAME, RunStatus
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.definition import name_sweep
from mlpcore.sweeps.foreground import complete_definition, run_sweep
from mlpcore.sweeps.trials import Sweep, Trial, best_trial, seeds_of

SHOWN = 5  # trials of the table
EXAMPLE = '{"base": {"dataset": "Shapes"}, "space": {"lr": {"low": 1e-4, "high": 1}}, "sampler": "sobol"}'
FORMAT = f"""
The file is a JSON object, for example {EXAMPLE}.

  base     a recipe; or "rows", a list of recipes
  space    up to six hyperparameters: a list of values each, or a range of low, high, log and points (on a grid)
  sampler  "grid", "sobol" or "tpe"
  trials   how many points sobol and tpe draw (16)
  seeds    how many seeds train each point (1)
"""


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    prepare: Callable[[str], None],
    code_of: Callable[[RunStatus], int],
) -> None:
    """Add the command.

    Args:
        commands: Where to.
        prepare: Downloads a data set if need be. Raises SentenceError if there is none of that name.
        code_of: The exit code for a status.
    """
    parser = commands.add_parser(
        "sweep",
        help="train a sweep over hyperparameters and store it",
        description="Train a sweep, show its progress, store it with its runs and print the best trials.",
        epilog=FORMAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help='a sweep as JSON; "-" reads the standard input')
    parser.add_argument("--json", action="store_true", help="print every trial as JSON")
    parser.add_argument("--name", default="", help="the name of the sweep; what varies in it if not given")
    parser.set_defaults(command=lambda given: _sweep(given, prepare, code_of))


def _sweep(given: argparse.Namespace, prepare: Callable[[str], None], code_of: Callable[[RunStatus], int]) -> int:
    values = load_json(given.file)
    definition = complete_definition(values)
    name = given.name or name_sweep(definition)
    if not re.fullmatch(NAME, name):
        raise SentenceError(BAD_NAME, field="name", value=shorten(name))
    prepare(definition.rows[0].dataset)
    sweep = run_sweep(definition, name=name)
    print(json.dumps(_as_json(sweep)) if given.json else _describe(sweep))
    if sweep.problem is not None:
        print(sweep.problem, file=sys.stderr)
    return code_of(_outcome(sweep))


def _outcome(sweep: Sweep) -> RunStatus:
    """Return the status that stands for the whole sweep: finished if any trial came to something."""
    if sweep.status is SweepStatus.STOPPED:
        return RunStatus.STOPPED
    if best_trial(sweep.trials) is not None:
        return RunStatus.FINISHED
    has_diverged = any(trial.result is not None and trial.result.is_diverged for trial in sweep.trials)
    return RunStatus.DIVERGED if has_diverged else RunStatus.FAILED


def _as_json(sweep: Sweep) -> dict[str, Any]:
    best = _best(sweep)
    trials = [_trial_as_json(sweep, trial) for trial in sweep.trials]
    return {"sweep": sweep.id, "trials": trials, "best": best[0].number if best else None}


def _trial_as_json(sweep: Sweep, trial: Trial) -> dict[str, Any]:
    recipe, result = None, trial.result
    if not trial.is_refused:
        seed = seeds_of(sweep.definition, is_fresh=trial.is_fresh)[0]
        recipe = sweep.definition.build_recipe(trial.point, seed).model_dump(mode="json")
    return {
        "number": trial.number,
        "recipe": recipe,
        "status": result.status if result else None,
        "val_acc": result.val_acc if result else None,
        "test_acc": result.test_acc if result else None,
        "run": trial.run_ids[0] if trial.run_ids else None,
        "runs": trial.run_ids,
        "is_fresh": trial.is_fresh,
    }


def _best(sweep: Sweep) -> list[Trial]:
    """List the trials that came to something, best first, without those of fresh seeds."""
    scored = [
        trial for trial in sweep.trials if not trial.is_fresh and trial.result and trial.result.val_acc is not None
    ]
    return sorted(scored, key=lambda trial: -trial.score)


def _describe(sweep: Sweep) -> str:
    """Describe a sweep that is over: its id and status, and a line for each of the best trials."""
    shown = _best(sweep)[:SHOWN]
    dimensions = list(sweep.definition.dimensions())
    table = [["trial", "val_acc", "test_acc", *dimensions]]
    table += [[str(trial.number), *_accuracies(trial), *_values(trial, dimensions)] for trial in shown]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    ends = [trial.result.status for trial in sweep.trials if trial.result is not None]
    counts = ", ".join(f"{ends.count(status)} {status}" for status in dict.fromkeys(ends))
    head = [f"sweep   {sweep.id}", f"status  {sweep.status}", f"trials  {len(sweep.trials)} ({counts})"]
    return "\n".join([*head, *(lines if shown else []), *_refusals(sweep)])


def _refusals(sweep: Sweep) -> list[str]:
    """Say once why trials were refused."""
    found = [sweep.definition.find_refusal(trial.point) for trial in sweep.trials if trial.is_refused]
    return [f"refused: {sentence}" for sentence in dict.fromkeys(map(str, found))]


def _accuracies(trial: Trial) -> list[str]:
    values = (trial.result.val_acc, trial.result.test_acc) if trial.result else (None, None)
    return ["-" if value is None else f"{value:.4f}" for value in values]


def _values(trial: Trial, names: list[str]) -> list[str]:
    found = [trial.point.get(name) for name in names]
    return [
        "-" if value is None else short_number(value, 4) if isinstance(value, float) else write_text(value)
        for value in found
    ]
