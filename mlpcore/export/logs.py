"""Export runs as the files that other trackers read: TensorBoard events, and one CSV per run. Each is a zip archive."""

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from mlpcore.export.tables import as_cell
from mlpcore.recipes.flat import flatten
from mlpcore.runs.records import Evaluation, Run

COMPARED = ("train_loss", "val_acc", "test_acc")  # beside the hyperparameters in TensorBoard


def to_tensorboard(runs: Sequence[Run]) -> bytes:
    """Write a folder per run with one event file: every measure as a scalar, the recipe as hparams.

    Unpacked, it is a log directory for `tensorboard --logdir`.
    """
    return _archive(runs, _write_events, "{folder}/events.out.tfevents.{created:.0f}.{id}")


def to_csv_per_run(runs: Sequence[Run]) -> bytes:
    """Write a CSV file per run: one row per evaluation with its step, its time (ISO 8601, UTC) and its measures.

    Trackio's `import_csv` reads such a file, and `wandb.log` takes its rows.
    """
    return _archive(runs, _write_rows, "{folder}.csv")


def list_measures(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    """List the measures of an evaluation by name; those of a layer have its number behind a slash."""
    for field in fields(evaluation)[1:]:
        value = getattr(evaluation, field.name)
        if isinstance(value, tuple):
            yield from ((f"{field.name}/{layer}", one) for layer, one in enumerate(value, start=1))
        elif value is not None:
            yield field.name, value


def _archive(runs: Sequence[Run], write: Callable[[Run], bytes], path: str) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as archive:
        for run in runs:
            # with the id: two runs may have one name, and a name may be ".."
            folder = f"{run.name} {run.id}"
            archive.writestr(path.format(folder=folder, created=run.created, id=run.id), write(run))
    return data.getvalue()


def _write_events(run: Run) -> bytes:
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    values = {
        name: value if isinstance(value, bool | int | float) else str(as_cell(value))
        for name, value in flatten(run.recipe).items()
        if value is not None
    }
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            measured = dict(list_measures(run.latest)) if run.latest else {}
            for summary in hparams(values, dict.fromkeys(name for name in COMPARED if name in measured)):
                writer.file_writer.add_summary(summary, walltime=run.created)
            for evaluation in run.evaluations:
                for name, value in list_measures(evaluation):
                    writer.add_scalar(name, value, evaluation.step, walltime=run.created + evaluation.seconds)
        (file,) = Path(folder).iterdir()
        return file.read_bytes()


def _write_rows(run: Run) -> bytes:
    rows = [
        {"step": one.step, "timestamp": _write_time(run.created + one.seconds), **dict(list_measures(one))}
        for one in run.evaluations
    ]
    text = StringIO()
    names = dict.fromkeys(name for row in rows for name in row) or ("step", "timestamp")
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
