"""What trains on a node of a Ray cluster: an actor with the methods that a cohort has in this process."""

import logging
import pickle
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

# The driver's process imports this module too: it needs no torch
if TYPE_CHECKING:
    import torch

    from mlpcore.data.batches import DeviceImages
    from mlpcore.jobs.executors.contract import Order, Report
    from mlpcore.training.lockstep import Command, ProgressGenerator

SLICE_SECONDS = 0.25  # between two reports, or a step if that takes longer: each costs the driver 1 ms

log = logging.getLogger(__name__)

Images = Mapping[str, NDArray[Any]]  # train, train_labels, test, test_labels, mean, std: of DeviceImages


class CohortActor:
    """Trains a cohort in a process of its own; when it has ended, the process may train another.

    Arguments and results are pickled here, so that the driver passes them on unread. A result is a tuple of the device,
    the node, what the last digits depend on, and the report.
    """

    def __init__(self) -> None:
        self._training: ProgressGenerator[None] | None = None
        self._keeps_snapshots = True
        self._place: tuple[str, str, dict[str, str]] = ("", "", {})

    def begin(self, order: bytes, images: Images, classes: Sequence[str]) -> bytes:
        """Start a cohort and compute its first slice; its images are read from the object store without copying."""
        try:
            self._start(pickle.loads(order), images, tuple(classes))
            return self._advance(None)
        except BaseException as error:  # of any kind: SystemExit would end the process
            log.exception("A run could not be started.")
            return self._explain(error)

    def advance(self, commands: bytes) -> bytes:
        """Compute the next slice; the commands (edits, and runs that leave) take effect before its first step."""
        try:
            return self._advance(pickle.loads(commands))
        except BaseException as error:
            log.exception("A run failed.")
            return self._explain(error)

    def end(self) -> None:
        """Close the cohort and free its memory."""
        if self._training is not None:
            self._training.close()
        self._training = None

    def _start(self, order: "Order", images: Images, classes: tuple[str, ...]) -> None:
        import ray
        import torch

        from mlpcore.jobs.executors.ray_cluster import RAY_GPU
        from mlpcore.training.device import pick_device_of
        from mlpcore.training.kernels.matmul import usable_rule
        from mlpcore.training.lockstep import train_cohort
        from mlpcore.training.reproducibility import count_threads, describe_environment

        self.end()
        torch.set_num_threads(count_threads())
        recipe = order.recipes[0]
        device = pick_device_of(recipe if order.device == RAY_GPU else recipe.replace(device="cpu"))
        rule = usable_rule(order.versions)
        node = ray.get_runtime_context().get_node_id()
        self._keeps_snapshots, self._place = order.keeps_snapshots, (str(device), node, describe_environment(rule))
        self._training = train_cohort(order.recipes, _place(images, classes, device), device=device, rule=rule)

    def _advance(self, commands: "Sequence[Command] | None") -> bytes:
        from mlpcore.jobs.executors.contract import Progressed

        assert self._training is not None
        end = time.perf_counter() + SLICE_SECONDS
        found = [self._training.send(commands or None)]
        while time.perf_counter() < end and not found[-1].over:
            if not found[-1].evaluations:
                found.pop()  # the next one tells more
            found.append(next(self._training))
        if not self._keeps_snapshots:
            found = [replace(progress, snapshots={}) for progress in found]
        return self._write(Progressed(found))

    def _write(self, report: "Report") -> bytes:
        return pickle.dumps((*self._place, report), protocol=pickle.HIGHEST_PROTOCOL)

    def _explain(self, error: BaseException) -> bytes:
        from mlpcore.jobs.executors.local import explain_error

        return self._write(explain_error(error))


def _place(images: Images, classes: tuple[str, ...], device: "torch.device") -> "DeviceImages":
    """Place a data set of the object store on a device; on the CPU nothing is copied."""
    import torch

    from mlpcore.data.batches import DeviceImages
    from mlpcore.data.datasets import ImageSplit

    with warnings.catch_warnings():  # the object store cannot be written to, and nothing writes to images
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        tensors = {name: torch.from_numpy(array) for name, array in images.items()}
    train = ImageSplit(tensors["train"], tensors["train_labels"], classes)
    test = ImageSplit(tensors["test"], tensors["test_labels"], classes)
    return DeviceImages(
        train=train,
        test=test,
        train_images=train.data.flatten(1).to(device),
        test_images=test.data.flatten(1).to(device),
        test_labels=test.targets.to(device),
        mean=tensors["mean"].to(device),
        std=tensors["std"].to(device),
    )
