"""Training beside what people use instead: `python -m tests.benchmarks [--json] [--rounds N] [--threads N]`.

One process, the rows in turns, several rounds; medians and spread. Peers: tests/benchmarks/requirements.txt. The images
are those of the data set named by --dataset (Shapes where it is left out), written once as arrays to a folder for
temporary files.
"""

import argparse
import ctypes
import gc
import json
import logging
import os
import platform
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

PACKAGES = ("torch", "jax", "lightning", "skorch", "keras", "fastai")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt
FLOOR, JAX = "the first layer's products alone", "JAX, jit and scan"


def main() -> None:
    """Measure every row, and print them as a table or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, for every row")
    parser.add_argument("--dataset", default="Shapes")
    parser.add_argument("--only", nargs="+", help="rows to measure, by the beginning of their name; all if left out")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)  # before mlpcore, which would leave a core to the pages
    warnings.simplefilter("ignore")  # the peers' own
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), asked.dataset, rounds=asked.rounds, only=asked.only)
    about = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": asked.threads,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "dataset": asked.dataset,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(about | {"rows": measured}) if asked.json else write_table(about, measured))


def measure(folder: Path, dataset: str, *, rounds: int, only: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Time every row `rounds` times, in turns; the first, which imports and fills caches, is not counted."""
    import numpy as np
    import torch

    from mlpcore.data.catalog import data_home
    from mlpcore.data.datasets import load_data
    from tests.benchmarks.jax_peer import compile_epoch
    from tests.benchmarks.peers import ROWS
    from tests.benchmarks.work import Files

    for split, part in zip(("train", "test"), load_data(dataset, data_home()), strict=True):
        np.save(folder / f"{split}_images.npy", part.data.permute(0, 2, 3, 1).contiguous().numpy())
        np.save(folder / f"{split}_labels.npy", part.targets.numpy())
    _keep_freed_memory()
    chosen = {name: run for name, run in ROWS.items() if only is None or name.startswith(tuple(only))}
    rows: dict[str, dict[str, Any]] = {name: {"seconds": [], "accuracy": []} for name in chosen}
    for turn in range(rounds + 1):
        for name, run in chosen.items():
            if "missing" in rows[name]:
                continue
            gc.collect()  # what the row before has left; otherwise this one would pay for it
            began = perf_counter()
            try:
                accuracy = run(Files(folder))
            except ImportError as error:
                rows[name]["missing"] = str(error)
                continue
            if turn:
                rows[name]["seconds"].append(perf_counter() - began)
                rows[name]["accuracy"].append(accuracy)
    if rows.get(JAX, {}).get("seconds"):
        rows[JAX]["compile"] = compile_epoch(torch.get_num_threads())[-1]
    return rows


def _keep_freed_memory() -> None:
    """Let the process keep what a row frees: a virtual machine takes 0.3 s to get its 300 MB of images back."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def write_table(about: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """Write medians, spread, distance to this project and to the floor, one row per line."""
    from tests.benchmarks.work import EPOCH

    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['dataset']}; {versions}"
    ]
    lines.append(
        f"{'':<34}{'seconds':>9}{'spread':>16}{'it/s':>7}{'floor':>7}{'mlpcore':>9}{'accuracy':>10}{'compile':>9}"
    )
    medians = {name: statistics.median(row["seconds"]) for name, row in rows.items() if row["seconds"]}
    for name, row in rows.items():
        if name not in medians:
            lines.append(f"{name:<34}not measured: {row.get('missing')}")
            continue
        median, spread = medians[name], f"{min(row['seconds']):.2f}–{max(row['seconds']):.2f}"
        accuracy = statistics.median(row["accuracy"])
        share = f"{medians[FLOOR] / median:.2f}" if FLOOR in medians else ""
        compiled = f"{row['compile']:.1f} s" if "compile" in row else ""
        lines.append(
            f"{name:<34}{median:>9.2f}{spread:>16}{EPOCH / median:>7.0f}{share:>7}"
            f"{median / medians['mlpcore']:>8.2f}×{'' if accuracy != accuracy else f'{accuracy:.1%}':>10}{compiled:>9}"
        )
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
