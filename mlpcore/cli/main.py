"""The command line: train a recipe or a sweep without a page, list devices, list or download data sets.

torch is loaded only to train and to look for devices: `-h` and a refused recipe answer in a third of a second.
"""

import argparse
import contextlib
import logging
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from mlpcore.cli import backup, lr_test, sweep
from mlpcore.cli.flags import add_flags, build_recipe
from mlpcore.data import catalog
from mlpcore.data.download.sources import ARCHIVES, dataset_title
from mlpcore.data.messages import CANCELLED, DONE
from mlpcore.messages import Sentence, SentenceError
from mlpcore.numbers import exact_number, short_number
from mlpcore.recipes.messages import BAD_NAME, NOT_AN_OPTION
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.validation import shorten
from mlpcore.runs.records import NAME, Run, RunStatus

if TYPE_CHECKING:
    from mlpcore.jobs.manager import RunManager

OWNER = ""  # no browser has this token: no page can stop a run of the command line
LOOK_SECONDS = 0.1  # between two reads of the run
LINE_SECONDS = 1.0  # between two lines of the bar where it is written into a file
WRONG, INTERRUPTED = 2, 130  # exit codes; the second is what a shell expects after Ctrl-C
EXIT_CODES = {RunStatus.FINISHED: 0, RunStatus.DIVERGED: 1, RunStatus.STOPPED: INTERRUPTED}


def main(arguments: Sequence[str] | None = None, *, program: str = "python -m mlpcore") -> int:
    """Run a command; return the exit code.

    Args:
        arguments: those of the command line; sys.argv without the program if None.
        program: how the command line is called, for its help.
    """
    # The training thread logs tracebacks. The run keeps them; here its message is enough.
    logging.getLogger("mlpcore.jobs.worker").addHandler(logging.NullHandler())
    given = _build_parser(program).parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, RuntimeError, OSError) as error:  # RuntimeError: StoreError, a store that cannot be used
        print(error, file=sys.stderr)
        return WRONG


def _train(given: argparse.Namespace) -> int:
    recipe = build_recipe(given.recipe, vars(given))
    name = given.name or f"{recipe.optimizer.name} {exact_number(recipe.optimizer.lr)}"
    if not re.fullmatch(NAME, name):
        raise SentenceError(BAD_NAME, field="name", value=shorten(name))
    _prepare(recipe.dataset)
    run, trouble = _run(recipe, name)
    print(_describe(run))
    for sentence in filter(None, (run.message, trouble)):
        print(sentence, file=sys.stderr)
    return WRONG if trouble else _code_of(run.status)


def _code_of(status: RunStatus) -> int:
    return EXIT_CODES.get(status, WRONG)


def _devices(_given: argparse.Namespace) -> int:
    from mlpcore.training.device import list_devices
    from mlpcore.training.kernels.matmul import choose_rule, has_onednn

    print("\n".join(list_devices()))
    lacking = "" if has_onednn() else " (this torch lacks oneDNN's operator)"
    print(f"  matrix products on the CPU: {choose_rule()}{lacking}")
    return 0


def _data(given: argparse.Namespace) -> int:
    home = catalog.data_home()
    if given.name is None:
        print("\n".join(_describe_dataset(name, home) for name in catalog.all_datasets(home)))
        return 0
    dataset = {name.lower(): name for name in ARCHIVES}.get(given.name.lower(), given.name)
    _fetch(dataset, home)
    print(Sentence(DONE, {"dataset": dataset_title(dataset)}))
    return 0


def _prepare(dataset: str) -> None:
    """Download a data set if need be. Raises SentenceError if there is none of that name."""
    home = catalog.data_home()
    if dataset not in catalog.all_datasets(home):
        options = ", ".join(catalog.all_datasets(home))
        raise SentenceError(NOT_AN_OPTION, field="dataset", value=dataset, options=options)
    if dataset not in catalog.known_datasets(home):
        _fetch(dataset, home)


def _fetch(dataset: str, home: Path) -> None:
    from mlpcore.data.download.download import download

    try:
        download(dataset, home, archive_sets=ARCHIVES)
    except KeyboardInterrupt:
        print(Sentence(CANCELLED, {"dataset": dataset_title(dataset)}), file=sys.stderr)
        raise


def _describe_dataset(name: str, home: Path) -> str:
    """Describe a data set in one line: how many images it has, where they come from and whether they are ready."""
    from mlpcore.data.folders import list_images

    source = DataSource(name)
    images, state = f"{catalog.TRAINING_IMAGES.get(name, 0) + catalog.TEST_IMAGES:,}", "ready"
    if source.points is not None:
        images = f"{source.points.count + catalog.TEST_POINTS:,}"
        origin = "points, drawn here"
    elif name == catalog.SHAPES:
        origin = "drawn by the program"
    elif name not in catalog.PUBLISHED:
        origin = "folder of images"
        try:
            listing = list_images(catalog.find_folder(home, name))
            images = f"{len(listing.train) + len(listing.test):,}"
        except SentenceError as error:
            images, state = "-", f"not ready: {error}"
    elif not catalog.missing_files(home, ARCHIVES[name]):
        origin = "downloaded"
    elif catalog.find_installed(ARCHIVES[name]):
        origin = "installed package"
    else:
        origin = f"download, {sum(archive.size for archive in ARCHIVES[name].archives) / 1e6:.0f} MB"
        state = f"not here: python -m mlpcore data {name.lower()}"
    return f"{name:<16}{images:>9}  {origin:<22}{state}"


def _run(recipe: Recipe, name: str) -> tuple[Run, Sentence | None]:
    """Train a recipe as the pages do, with a RunManager and the store; Ctrl-C stops the run.

    Returns:
        The run, and why it could not be stored, if so.
    """
    from mlpcore.data.loader import DatasetLoader
    from mlpcore.jobs.executors.choice import choose_executor
    from mlpcore.jobs.manager import RunManager
    from mlpcore.runs.store import RunStore

    with contextlib.closing(RunStore()) as store:
        store.mark_interrupted()
        manager = RunManager(store, DatasetLoader(catalog.data_home), executor=choose_executor())
        try:
            (run_id,) = manager.submit([recipe], owner=OWNER, names=[name])
            try:
                run = _follow(manager, run_id)
            except KeyboardInterrupt:
                with contextlib.suppress(ValueError):  # it ended just now
                    manager.stop(run_id, owner=OWNER)
                run = _follow(manager, run_id, quiet=True)
        finally:
            manager.shutdown()
    return run, manager.trouble


def _follow(manager: "RunManager", run_id: str, *, quiet: bool = False) -> Run:
    """Show a progress bar until the run is over."""
    run = manager.get(run_id)
    look: dict[str, Any] = {"disable": quiet, "mininterval": LOOK_SECONDS if sys.stderr.isatty() else LINE_SECONDS}
    percent = "{desc}: {percentage:3.0f}%|{bar}|"
    with tqdm(desc="images", total=1.0, bar_format=percent, leave=False, **look) as bar:
        while run.status is RunStatus.QUEUED:
            share = manager.loading_progress(run_id)
            bar.update(0 if share is None else share - bar.n)
            time.sleep(LOOK_SECONDS)
            run = manager.get(run_id)
    if run.status.is_over and not run.step:
        return run
    with tqdm(desc=run.name, total=run.recipe.train_iter, initial=run.step, unit="it", **look) as bar:
        while True:
            if latest := run.latest:
                shown = {"train_loss": f"{latest.train_loss:.3f}", "test_acc": f"{latest.test_acc:.3f}"}
                bar.set_postfix(shown, refresh=False)
            bar.update(run.step - bar.n)
            if run.status.is_over:
                return run
            time.sleep(LOOK_SECONDS)
            run = manager.get(run_id)


def _describe(run: Run) -> str:
    """Describe a run that is over, one measure per line."""
    lines = {"run": run.id, "name": run.name, "status": str(run.status), "device": run.device or "-"}
    if latest := run.latest:
        for name, value in asdict(latest).items():
            numbers = value if isinstance(value, tuple) else (value,)  # weight_norms, for example, has one per layer
            lines[name] = " ".join("-" if number is None else short_number(number, 6) for number in numbers)
    if best := run.best:
        lines["best_test_acc"] = f"{short_number(best.test_acc, 6)} (step {best.step})"
    return "\n".join(f"{name:<16}{value}" for name, value in lines.items())


def _build_parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="Train an MLP from a recipe.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train a recipe and store the run",
        description="Train a recipe, show its progress, store the run and print its last evaluation.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,  # a flag that is not given does not override the file
    )
    train.set_defaults(command=_train)
    train.add_argument("--recipe", metavar="FILE", default=None, help='a recipe as JSON; "-" reads the standard input')
    train.add_argument("--name", default=None, help="the name of the run; its optimizer and learning rate if not given")
    add_flags(train)
    lr_test.add_command(commands)
    sweep.add_command(commands, _prepare, _code_of)
    backup.add_commands(commands)
    devices = commands.add_parser("devices", help="list the devices that a recipe can name on this machine")
    devices.set_defaults(command=_devices)
    data = commands.add_parser(
        "data",
        help="list the data sets, or download one",
        description="List the data sets with the number of their images; with a name, download that one.",
    )
    data.add_argument(
        "name", nargs="?", metavar="NAME", help=f"the data set to download: {', '.join(ARCHIVES).lower()}"
    )
    data.set_defaults(command=_data)
    return parser
