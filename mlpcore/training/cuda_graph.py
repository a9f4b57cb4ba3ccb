"""A training pass on CUDA as one launch: its kernels are recorded once, as a CUDA graph, and replayed."""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlpcore.training.stacked_mlp import StackedMLP

WARM_UPS = 3  # passes before a recording, as CUDA graphs want them: libraries settle which kernels they use

Replay = Callable[[], object]
Record = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]

log = logging.getLogger(__name__)


def record_graph(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Record what `run` launches; return what launches it again, and the tensor that then holds its result."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # thread_local: another thread may be placing a data set on the device meanwhile
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = run()
    return graph.replay, result


class CapturedPass:
    """`forward_backward` of a network, replayed on buffers that stay where they are.

    It is recorded anew where networks have left or batches have another shape. A network of this size is some sixty
    small kernels, whose launching one after the other takes longer than their work. What cannot be recorded runs as it
    is, from then on.
    """

    def __init__(self, network: StackedMLP, *, record: Record = record_graph) -> None:
        self._network = network
        self._record = record
        self._layout: tuple | None = None  # what the recording holds for
        self._replay: Replay | None = None

    def __call__(self, inputs: Sequence[tuple[Tensor, slice]], labels: Tensor, uniform: Tensor | None) -> Tensor:
        """Do what `StackedMLP.forward_backward` does; the losses (K,) it returns are those of the next call too."""
        rows = [networks for _, networks in inputs]
        given = [*(images for images, _ in inputs), labels, *([] if uniform is None else [uniform])]
        layout = (tuple((own.start, own.stop) for own in rows), tuple(tensor.shape for tensor in given))
        if layout != self._layout:
            self._layout = layout
            self._begin(rows, given, drops=uniform is not None)
        if self._replay is None:
            return self._network.forward_backward(inputs, labels, uniform)
        for buffer, tensor in zip(self._buffers, given, strict=True):
            buffer.copy_(tensor)
        self._replay()
        return self._losses

    def _begin(self, rows: Sequence[slice], given: Sequence[Tensor], *, drops: bool) -> None:
        self._buffers = [tensor.clone(memory_format=torch.contiguous_format) for tensor in given]
        images, rest = self._buffers[: len(rows)], self._buffers[len(rows) :]
        inputs = list(zip(images, rows, strict=True))
        labels, uniform = rest[0], rest[1] if drops else None
        try:
            self._replay, self._losses = self._record(lambda: self._network.forward_backward(inputs, labels, uniform))
        except RuntimeError:  # slower, and right
            log.warning("A training pass could not be recorded.", exc_info=True)
            self._replay = None
