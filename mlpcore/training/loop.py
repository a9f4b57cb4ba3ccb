"""The lecture's training and test, to be read from top to bottom."""
# ruff: noqa: PT028 (`test` is the lecture's name, not a test of ours)

from collections.abc import Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm

from mlpcore.data.datasets import channel_statistics
from mlpcore.training.models import normalise


class Images(Protocol):
    """What is trained on and tested with: `load_data`'s halves, or torchvision's CIFAR10 with tensors inside."""

    data: Tensor  # uint8 (N, C, H, W)
    targets: Tensor  # int64 (N,)


def train(
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    train_iter: int,
    train_samp: Iterable[Tensor],
    train_dataset: Images,
    *,
    progress: bool = True,
) -> nn.Module:
    """Train the model for `train_iter` iterations, one mini-batch each, on the device it is on; returns the model.

    `train_samp` gives the indices of each batch. The scheduler steps once an iteration, so its knobs count iterations.
    Pixels are normalised with the mean and standard deviation of each channel of `train_dataset`; the model keeps
    both, as buffers outside its state_dict, so that `test` shows it its images in the same way.

    Raises ValueError where `train_iter` is negative, or `train_samp` ends before it.
    """
    if train_iter < 0:
        raise ValueError(f"train_iter is {train_iter}: it must be at least 0")
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
            raise ValueError(f"train_samp ended after {iteration} batches: train_iter asks for {train_iter}")
        index = index.to(device)
        inputs, labels = normalise(data[index], mean, std), targets[index]

        optimizer.zero_grad()
        logits = model(inputs)
        loss = F.cross_entropy(logits, labels)  # cross_entropy(softmax(logits), one-hot labels), in one stable step
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()

        if iteration % 100 == 0:  # reading the loss waits for the device
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
    """Measure the accuracy, 0 to 1, in eval mode on the device the model is on.

    Pixels are normalised with what `train` kept with the model. `statistics`, the training set's
    `channel_statistics`, replaces that, and is needed for a model that `train` has not seen.

    Raises ValueError where `test_batch_size` is below 1 or no statistics are known.
    """
    if test_batch_size < 1:
        raise ValueError(f"test_batch_size is {test_batch_size}: it must be at least 1")
    if statistics is None:
        if not hasattr(model, "pixel_mean"):
            raise ValueError(
                "statistics is None and the model was not trained by train(): "
                "pass statistics=channel_statistics(train_dataset), from mlpcore.data.datasets"
            )
        statistics = model.pixel_mean, model.pixel_std
    device = next(model.parameters()).device
    mean, std = (statistic.to(device) for statistic in statistics)

    was_training = model.training
    model.eval()
    correct = 0
    batches = zip(test_dataset.data.split(test_batch_size), test_dataset.targets.split(test_batch_size), strict=True)
    for images, labels in tqdm(list(batches), desc="test", unit="batch", disable=not progress):
        logits = model(normalise(images.to(device), mean, std))
        correct += (logits.argmax(dim=1) == labels.to(device)).sum().item()
    model.train(was_training)
    return correct / len(test_dataset.targets)
