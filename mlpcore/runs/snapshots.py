"""What a run's network sees: the likeliest classes of every test image, and its first layer as images.

Of 10,000 test images and 3×32×32 weights a unit a snapshot takes 1 MB at most, in memory as on disk: 0.1 MB for the
images, 74 kB a frame. So the 16 runs of a comparison take 16 MB while they train, and nothing when they are over.
"""

from dataclasses import dataclass, replace

import numpy as np

LIKELIEST = 3  # classes an image
UNITS = 24  # of the first layer, the first ones
MAX_FRAMES = 12


@dataclass(frozen=True, eq=False)
class Frame:
    """The first layer at one moment: uint8 (units, C, H, W), its weights where the pixels are that they weigh.

    128 stands for 0; each unit is scaled by itself, so that its weight furthest from 0 is 1 or 255.
    """

    number: int  # 0 before training, then the number of the evaluation
    step: int
    units: np.ndarray


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a network saw when it was evaluated after `step` iterations, and its first layer until then.

    labels: the true classes of the test images, (N,). likeliest: the classes it found likeliest, best first, (N, k);
    shares: the probabilities it gave them, float16 (N, k). k is LIKELIEST, or the number of classes where that is less.
    """

    step: int
    classes: tuple[str, ...]
    labels: np.ndarray
    likeliest: np.ndarray
    shares: np.ndarray
    frames: tuple[Frame, ...]

    def after(self, older: "Snapshot | None") -> "Snapshot":
        """Add the frames of an older snapshot of the same run, thinned evenly to at most MAX_FRAMES with the newest."""
        frames = (*older.frames, *self.frames) if older else self.frames
        newest, stride = frames[-1], 1
        while -(-newest.number // stride) + 1 > MAX_FRAMES:
            stride *= 2
        kept = [frame for frame in frames[:-1] if frame.number % stride == 0]
        return replace(self, frames=(*kept, newest))


def count_confusion(snapshot: Snapshot) -> np.ndarray:
    """Count the test images by true class (rows) and likeliest class (columns), (classes, classes)."""
    size = len(snapshot.classes)
    pairs = snapshot.labels.astype(int) * size + snapshot.likeliest[:, 0]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def rank_mistakes(snapshot: Snapshot) -> np.ndarray:
    """Find the test images that are told wrong, the most confident mistake first."""
    wrong = np.flatnonzero(snapshot.likeliest[:, 0] != snapshot.labels)
    return wrong[np.argsort(-snapshot.shares[wrong, 0], kind="stable")]


def rank_class(snapshot: Snapshot, label: int) -> np.ndarray:
    """Find the test images of a class: the most confident mistakes first, the most confident hits last."""
    mistakes = rank_mistakes(snapshot)
    hits = np.flatnonzero((snapshot.labels == label) & (snapshot.likeliest[:, 0] == label))
    return np.concatenate(
        [mistakes[snapshot.labels[mistakes] == label], hits[np.argsort(snapshot.shares[hits, 0], kind="stable")]]
    )
