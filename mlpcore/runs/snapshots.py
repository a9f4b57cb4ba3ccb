"""Snapshots: what a network predicts for every test image, and its first layer as images.

For 10,000 test images and 3×32×32 weights per unit, a snapshot takes at most 1 MB in memory and where it is stored:
0.1 MB for the predictions and 74 kB for each of up to 12 first layers. So the 16 runs of a comparison take 16 MB while
they train.
"""

import io
import logging
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from mlpcore.runs.plane import MAX_SURFACES, Plane, read_plane, write_plane

TOP_K = 3  # classes kept per image
MAX_UNITS = 24  # units kept per first layer
MAX_FIRST_LAYERS = 12

log = logging.getLogger(__name__)


class _Moment(Protocol):
    """What a snapshot keeps of an evaluation: its number."""

    @property
    def number(self) -> int: ...


Moment = TypeVar("Moment", bound=_Moment)


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first layer's weights at one evaluation, as images: uint8 (units, C, H, W).

    A pixel shows the weight of that input pixel, and 128 stands for 0. Each unit is scaled by itself, so its weight
    furthest from 0 becomes 1 or 255. Of points in the plane, an image shows what the unit answers over the plane.
    """

    number: int  # 0 before training, then the number of the evaluation
    step: int
    units: np.ndarray


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a network predicted when it was evaluated after `step` iterations, and its first layers until then.

    labels: the true class of each test image, (N,). top_classes: the most probable classes of each image, best first,
    (N, k). top_probabilities: their probabilities, float16 (N, k). k is TOP_K, or the number of classes if less.
    """

    step: int
    classes: tuple[str, ...]
    labels: np.ndarray
    top_classes: np.ndarray
    top_probabilities: np.ndarray
    first_layers: tuple[FirstLayer, ...]
    plane: Plane | None = None  # of a network with two inputs

    def after(self, older: "Snapshot | None") -> "Snapshot":
        """Put the first layers and the surfaces of an older snapshot before this one's, thinned evenly."""
        if older is None:
            return self
        layers = _thin((*older.first_layers, *self.first_layers), MAX_FIRST_LAYERS)
        plane = self.plane
        if plane is not None and older.plane is not None:
            plane = replace(plane, surfaces=_thin((*older.plane.surfaces, *plane.surfaces), MAX_SURFACES))
        return replace(self, first_layers=layers, plane=plane)


def _thin(moments: tuple[Moment, ...], most: int) -> tuple[Moment, ...]:
    """Keep the newest of some moments, and of the others evenly as many as fit."""
    newest, stride = moments[-1], 1
    while -(-newest.number // stride) + 1 > most:
        stride *= 2
    return (*(moment for moment in moments[:-1] if moment.number % stride == 0), newest)


def count_confusion(snapshot: Snapshot) -> np.ndarray:
    """Compute the confusion matrix, (classes, classes): true classes in rows, predicted classes in columns."""
    size = len(snapshot.classes)
    pairs = snapshot.labels.astype(int) * size + snapshot.top_classes[:, 0]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def rank_mistakes(snapshot: Snapshot) -> np.ndarray:
    """Find the test images that are classified wrongly, the most confident mistake first."""
    wrong = np.flatnonzero(snapshot.top_classes[:, 0] != snapshot.labels)
    return wrong[np.argsort(-snapshot.top_probabilities[wrong, 0], kind="stable")]


def rank_class(snapshot: Snapshot, label: int) -> np.ndarray:
    """Find the test images of a class: the most confident mistake first, the most confident correct one last."""
    mistakes = rank_mistakes(snapshot)
    correct = np.flatnonzero((snapshot.labels == label) & (snapshot.top_classes[:, 0] == label))
    correct = correct[np.argsort(snapshot.top_probabilities[correct, 0], kind="stable")]
    return np.concatenate([mistakes[snapshot.labels[mistakes] == label], correct])


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """Write a snapshot as the bytes of an .npz file. The names in it are those of the first version's files."""
    stream = io.BytesIO()
    np.savez(
        stream,
        allow_pickle=False,
        step=snapshot.step,
        classes=np.array(snapshot.classes),
        labels=snapshot.labels,
        likeliest=snapshot.top_classes,
        shares=snapshot.top_probabilities,
        numbers=np.array([layer.number for layer in snapshot.first_layers]),
        steps=np.array([layer.step for layer in snapshot.first_layers]),
        frames=np.stack([layer.units for layer in snapshot.first_layers]),
        **({} if snapshot.plane is None else write_plane(snapshot.plane)),
    )
    return stream.getvalue()


def unpack_snapshot(packed: bytes, run_id: str) -> Snapshot | None:
    """Read what `pack_snapshot` wrote; None, with a warning in the log that names the run, if it is damaged."""
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as kept:
            layers = zip(kept["numbers"].tolist(), kept["steps"].tolist(), kept["frames"], strict=True)
            snapshot = Snapshot(
                step=int(kept["step"]),
                classes=tuple(kept["classes"].tolist()),
                labels=kept["labels"],
                top_classes=kept["likeliest"],
                top_probabilities=kept["shares"],
                first_layers=tuple(FirstLayer(number, step, units) for number, step, units in layers),
                plane=read_plane(kept),
            )
        _check(snapshot)
        return snapshot
    except Exception:  # 100,000 damaged files raised 14 kinds of error, among them Python's own SystemError
        log.warning("The snapshot of run %r cannot be read.", run_id, exc_info=True)
        return None


def _check(snapshot: Snapshot) -> None:
    """Raise ValueError unless the arrays of a snapshot fit each other."""
    images, top = len(snapshot.labels), snapshot.top_classes
    fit = (
        snapshot.first_layers
        and snapshot.labels.shape == (images,)
        and top.shape == snapshot.top_probabilities.shape == (images, top.shape[-1])
        and all(kept.dtype.kind == "u" and kept.max() < len(snapshot.classes) for kept in (snapshot.labels, top))
        and snapshot.top_probabilities.dtype == np.float16
        and snapshot.first_layers[0].units.dtype == np.uint8
        and snapshot.first_layers[0].units.ndim == 4
        and (snapshot.plane is None or snapshot.plane.has_fitting_arrays(len(snapshot.classes)))
    )
    if not fit:
        raise ValueError("the arrays do not fit each other")
