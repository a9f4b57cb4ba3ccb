"""The lecture's `train` and `test`, for notebooks. Runs of the app train in `lockstep.py` instead."""
# ruff: noqa: PT028 (`test` is the lecture's name, not a test of ours)

from collections.abc import Iterable
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm.auto import tqdm

from mlpcore.data.datasets import Images, channel_statistics, normalise

Network = TypeVar("Network", bound=nn.Module)


def train(
    model: Network,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    train_iter: int,
    train_samp: Iterable[Tensor],
    train_dataset: Images,
    *,
    progress: bool = True,
) -> Network:
    """Train a model, on the device it is on.

    Pixels are normalised with the mean and standard deviation of each channel of `train_dataset`. The model keeps
    both, as buffers outside its state_dict, so that `test` normalises in the same way.

    Args:
        model: The network, changed in place.
        optimizer: Over the model's parameters.
        scheduler: Steps once per iteration, so its step_size, T_max and so on count iterations. None for none.
        train_iter: Iterations, one mini-batch each.
        train_samp: The indices of each mini-batch, from `RandomSampler` for instance.
        train_dataset: The training images, uint8, with their labels.
        progress: Whether to show a progress bar.

    Returns:
        The same model.

    Raises:
        ValueError: `train_iter` is negative, `train_samp` ends too early, or the scheduler steps with a loss.
    """
    if train_iter < 0:
        raise ValueError(f"train_iter is {train_iter}: it must be at least 0")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("scheduler is a ReduceLROnPlateau: it steps with a measured loss, and train() measures none")
    device = next(model.parameters()).device
    data, targets = train_dataset.data.to(device), train_dataset.targets.to(device)
    mean, std = (statistic.to(device) for statistic in channel_statistics(train_dataset))
    model.register_buffer("pixel_mean", mean, persistent=False)
    model.register_buffer("pixel_std", std, persistent=False)

    model.train()
    batches = iter(train_samp)
    bar = tqdm(range(train_iter), desc="train", unit="it", disable=not progress)
    for iteration in bar:
        index = next(batches, None)
        if index is None:
            raise ValueError(f"train_samp ended after {iteration} batches: train_iter is {train_iter}")
        index = index.to(device)
        inputs, labels = normalise(data[index], mean, std), targets[index]

        optimizer.zero_grad()
        logits = model(inputs)
        loss = F.cross_entropy(logits, labels)  # cross_entropy(softmax(logits), one-hot labels), in one stable step
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if scheduler is not None:
            scheduler.step()

        if iteration % 100 == 0:  # each read of the loss waits for the device
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return model


@torch.inference_mode()
def test(
    model: nn.Module,
    test_dataset: Images,
    test_batch_size: int,
    *,
    statistics: tuple[Tensor, Tensor] | None = None,
    progress: bool = True,
) -> float:
    """Compute the accuracy of a model in eval mode, on the device it is on.

    Args:
        model: The network.
        test_dataset: The test images, uint8, with their labels.
        test_batch_size: Images per forward pass.
        statistics: The training set's `channel_statistics`, to normalise with; only needed for a model that `train`
            did not train, as `train` keeps them with the model.
        progress: Whether to show a progress bar.

    Returns:
        The accuracy, from 0 to 1.

    Raises:
        ValueError: `test_batch_size` is below 1, or the statistics are unknown.
    """
    if test_batch_size < 1:
        raise ValueError(f"test_batch_size is {test_batch_size}: it must be at least 1")
    if statistics is None:
        if not hasattr(model, "pixel_mean"):
            raise ValueError(
                "statistics is None and the model was not trained by train(): "
                "pass statistics=channel_statistics(train_dataset), from mlpcore.data.datasets"
            )
        statistics = cast(Tensor, model.pixel_mean), cast(Tensor, model.pixel_std)
    device = next(model.parameters()).device
    mean, std = (statistic.to(device) for statistic in statistics)

    was_training = model.training
    model.eval()
    correct = 0
    batches = zip(
        *(torch.split(part, test_batch_size) for part in (test_dataset.data, test_dataset.targets)), strict=True
    )
    for images, labels in tqdm(list(batches), desc="test", unit="batch", disable=not progress):
        logits = model(normalise(images.to(device), mean, std))
        correct += (logits.argmax(dim=1) == labels.to(device)).sum().item()
    model.train(was_training)
    return correct / len(test_dataset.targets)
