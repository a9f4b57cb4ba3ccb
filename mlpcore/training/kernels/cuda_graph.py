"""A training pass on CUDA as one launch: its kernels are captured once, as a CUDA graph, and replayed."""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlpcore.training.stacked_mlp import Inputs, StackedMLP

WARM_UPS = 3  # passes before a capture, as CUDA graphs need them: libraries choose their kernels in these

Replay = Callable[[], object]
Capture = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
Layout = tuple[tuple[tuple[int, int], ...], tuple[torch.Size, ...]]

log = logging.getLogger(__name__)


def capture_graph(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Capture the kernels that `run` launches; return what replays them, and the tensor that then holds the result."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # thread_local: another thread may be moving a data set to the device
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = run()
    return graph.replay, result


class CapturedPass:
    """`StackedMLP.forward_backward`, replayed as a CUDA graph on buffers with fixed addresses.

    A network of this size is some sixty small kernels, which take longer to launch one by one than to run. The graph
    is captured again when networks leave or the batch shape changes. If a capture fails, the pass runs without one.
    """

    def __init__(self, network: StackedMLP, *, capture: Capture = capture_graph) -> None:
        self._network = network
        self._capture = capture
        self._layout: Layout | None = None  # what the captured graph is for
        self._buffers: list[Tensor] = []
        self._graph: tuple[Replay, Tensor] | None = None  # and the losses it writes

    def __call__(self, inputs: Inputs, labels: Tensor, uniform: Tensor | None) -> Tensor:
        """Run `StackedMLP.forward_backward`; the next call overwrites the losses (K,) that this one returns."""
        rows = [networks for _, networks in inputs]
        arguments = [*(images for images, _ in inputs), labels, *([] if uniform is None else [uniform])]
        layout = (tuple((row.start, row.stop) for row in rows), tuple(tensor.shape for tensor in arguments))
        if layout != self._layout:
            self._layout = layout
            self._recapture(rows, arguments, has_dropout=uniform is not None)
        if self._graph is None:
            return self._network.forward_backward(inputs, labels, uniform)
        for buffer, tensor in zip(self._buffers, arguments, strict=True):
            buffer.copy_(tensor)
        replay, losses = self._graph
        replay()
        return losses

    def _recapture(self, rows: Sequence[slice], arguments: Sequence[Tensor], *, has_dropout: bool) -> None:
        self._buffers = [tensor.clone(memory_format=torch.contiguous_format) for tensor in arguments]
        images, rest = self._buffers[: len(rows)], self._buffers[len(rows) :]
        inputs = list(zip(images, rows, strict=True))
        labels, uniform = rest[0], rest[1] if has_dropout else None
        try:
            self._graph = self._capture(lambda: self._network.forward_backward(inputs, labels, uniform))
        except RuntimeError:  # slower, but correct
            log.warning("A training pass could not be captured as a CUDA graph.", exc_info=True)
            self._graph = None
