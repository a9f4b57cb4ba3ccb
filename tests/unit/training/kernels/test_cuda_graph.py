"""A captured training pass: on the CPU, with a capture that runs the same operators on the same buffers again."""

from collections.abc import Callable

import torch
from torch import Tensor

from mlpcore.training.kernels.cuda_graph import CapturedPass
from mlpcore.training.models import MLPnet
from mlpcore.training.stacked_mlp import StackedMLP

CPU = torch.device("cpu")
BATCH = 32


def build(count: int) -> StackedMLP:
    models = [MLPnet(48, (32, 16), 10, generator=torch.Generator().manual_seed(seed)) for seed in range(count)]
    return StackedMLP(models, device=CPU)


class CPUCapture:
    """What a CUDA graph does: it knows the tensors it was captured with, and nothing of later arguments."""

    def __init__(self) -> None:
        self.captures = 0
        self.replays = 0

    def __call__(self, run: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        self.captures += 1
        result = run()

        def replay() -> None:
            self.replays += 1
            result.copy_(run())

        return replay, result


def draw(generator: torch.Generator, rows: list[slice]) -> tuple[list[tuple[Tensor, slice]], Tensor, Tensor]:
    inputs = [(torch.randn(BATCH, 48, generator=generator), own) for own in rows]
    count = rows[-1].stop
    uniform = torch.rand(BATCH, 16, generator=generator).expand(count, -1, -1)
    return inputs, torch.randint(10, (count, BATCH), generator=generator), uniform


def test_replayed_pass_gives_the_losses_and_gradients_of_the_pass_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    plain, replayed, capture = build(3), build(3), CPUCapture()
    captured = CapturedPass(replayed, capture=capture)
    for _ in range(4):
        batch = draw(generator, [slice(0, 2), slice(2, 3)])
        assert torch.equal(captured(*batch), plain.forward_backward(*batch))
        for ours, theirs in zip(replayed.weight_gradients, plain.weight_gradients, strict=True):
            assert torch.equal(ours, theirs)
    assert (capture.captures, capture.replays) == (1, 4)


def test_pass_is_captured_again_when_a_network_has_left() -> None:
    generator = torch.Generator().manual_seed(0)
    plain, replayed, capture = build(3), build(3), CPUCapture()
    captured = CapturedPass(replayed, capture=capture)
    captured(*draw(generator, [slice(0, 3)]))
    for network in (plain, replayed):
        network.keep_rows([0, 2])
    batch = draw(generator, [slice(0, 2)])
    assert torch.equal(captured(*batch), plain.forward_backward(*batch))
    for ours, theirs in zip(replayed.weight_gradients, plain.weight_gradients, strict=True):
        assert torch.equal(ours, theirs)
    assert capture.captures == 2


def test_pass_that_cannot_be_captured_runs_as_it_is() -> None:
    def refuse(_run: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    plain, network = build(1), build(1)
    captured = CapturedPass(network, capture=refuse)
    for seed in range(2):
        batch = draw(torch.Generator().manual_seed(seed), [slice(0, 1)])
        assert torch.equal(captured(*batch), plain.forward_backward(*batch))
