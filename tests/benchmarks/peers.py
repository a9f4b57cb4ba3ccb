"""The same work as people do it, with MLPnet.

Every row begins with the images on disk, as one array of bytes, and ends with the test accuracy. What a library offers
is used as its own documentation writes it; each is imported in its row, so that a missing one is no obstacle.
"""

import statistics
from collections.abc import Callable
from functools import cache, partial
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from mlpcore.runs.kernel_rule import Kernel
from mlpcore.training.kernels.matmul import has_onednn, linear, weight_gradient
from mlpcore.training.models import MLPnet
from tests.benchmarks.jax_peer import run_jax
from tests.benchmarks.work import BATCH, EPOCH, LR, MEAN, STD, Files, as_rows

WORKERS = 2  # of a DataLoader, as PyTorch's tutorial on CIFAR-10 has it


def run_mlpcore(files: Files) -> float:
    """This project: its cohort of one run, evaluated once, at the end."""
    return _run_mlpcore(files, eval_every=EPOCH)


def run_mlpcore_evaluating(files: Files) -> float:
    """This project, evaluated every 200 iterations as in the app."""
    return _run_mlpcore(files, eval_every=200)


def _run_mlpcore(files: Files, *, eval_every: int) -> float:
    from mlpcore.data.batches import place_images
    from mlpcore.data.datasets import ImageSplit
    from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe
    from mlpcore.training.lockstep import train_cohort

    names = tuple("0123456789")
    splits: list[ImageSplit] = []
    for split in ("train", "test"):
        images, labels = files.read(split)
        data = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        splits.append(ImageSplit(data, torch.from_numpy(labels), names))
    train, test = splits
    recipe = Recipe(
        optimizer=Adam(lr=LR), scheduler=NoScheduler(), batch_size=BATCH, train_iter=EPOCH, eval_every=eval_every
    )
    device = torch.device("cpu")
    evaluations = [
        evaluation
        for progress in train_cohort([recipe], place_images(train, test, device), device=device)
        for evaluation in progress.evaluations.values()
    ]
    return evaluations[-1].test_acc


def run_handwritten(files: Files) -> float:
    """The loop that somebody who knows torch writes by hand: bytes in memory, fused Adam, no DataLoader."""
    (images, labels), (test_images, test_labels) = files.read("train"), files.read("test")
    rows, targets = torch.from_numpy(as_rows(images)), torch.from_numpy(labels)
    mean, std = (255 * torch.tensor(value).repeat_interleave(1024) for value in (MEAN, STD))
    model = MLPnet()
    optimizer = optim.Adam(model.parameters(), lr=LR, fused=True)
    for picked in torch.randperm(len(rows)).split(BATCH):
        inputs = rows.index_select(0, picked).to(torch.float32).sub_(mean).div_(std)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets[picked]).backward()
        optimizer.step()
    model.eval()
    hits = 0
    with torch.inference_mode():
        batches = zip(
            torch.from_numpy(as_rows(test_images)).split(500), torch.from_numpy(test_labels).split(500), strict=True
        )
        for part, own in batches:
            logits = model(part.to(torch.float32).sub_(mean).div_(std))
            hits += int((logits.argmax(dim=1) == own).sum())
    return hits / len(test_images)


class Pictures(torch.utils.data.Dataset):
    """Images as torchvision's CIFAR10 hands them out: one at a time, from PIL, through transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        from mlpcore.data.torchvision_compat import import_torchvision_datasets

        import_torchvision_datasets()
        from torchvision import transforms

        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def _loaders(files: Files) -> tuple[torch.utils.data.DataLoader, torch.utils.data.DataLoader]:
    train, test = Pictures(*files.read("train")), Pictures(*files.read("test"))
    build = torch.utils.data.DataLoader
    return build(train, BATCH, shuffle=True, num_workers=WORKERS), build(test, BATCH, num_workers=WORKERS)


def _count(loader: torch.utils.data.DataLoader) -> int:
    """The images that a DataLoader hands out."""
    assert isinstance(loader.dataset, Pictures)
    return len(loader.dataset)


def run_dataloader(files: Files) -> float:
    """A plain loop over a DataLoader with torchvision's transforms."""
    train, test = _loaders(files)
    model = MLPnet()
    optimizer = optim.Adam(model.parameters(), lr=LR)
    for images, labels in train:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        hits = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in test)
    return hits / _count(test)


def run_lightning(files: Files) -> float:
    """Lightning: a LightningModule and a Trainer over the same DataLoaders."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = MLPnet()
            self.hits = 0

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            images, labels = batch
            return F.cross_entropy(self.model(images), labels)

        def test_step(self, batch: list[Tensor], _index: int) -> None:  # noqa: PT019  no fixture: Lightning names it so
            images, labels = batch
            self.hits += int((self.model(images).argmax(dim=1) == labels).sum())

        def configure_optimizers(self) -> optim.Optimizer:
            return optim.Adam(self.parameters(), lr=LR)

    train, test = _loaders(files)
    module = Module()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(module, train)
    trainer.test(module, test, verbose=False)
    return module.hits / _count(test)


def _floats(files: Files, split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = files.read(split)
    scaled = (images.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return scaled.transpose(0, 3, 1, 2).reshape(len(images), -1), labels


def run_skorch(files: Files) -> float:
    """skorch: NeuralNetClassifier on arrays of floats, as scikit-learn's users do it."""
    import skorch

    net = skorch.NeuralNetClassifier(
        MLPnet,
        criterion=nn.CrossEntropyLoss,
        optimizer=optim.Adam,
        lr=LR,
        batch_size=BATCH,
        max_epochs=1,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    net.fit(*_floats(files, "train"))
    images, labels = _floats(files, "test")
    return float((net.predict(images) == labels).mean())


def run_keras(files: Files) -> float:
    """Keras on torch: Sequential, compile, fit and evaluate on arrays of floats."""
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((3072,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(LR), loss=loss, metrics=["accuracy"])
    model.fit(*_floats(files, "train"), batch_size=BATCH, epochs=1, verbose=0)
    return float(model.evaluate(*_floats(files, "test"), batch_size=BATCH, verbose=0)[1])


def run_fastai(files: Files) -> float:
    """fastai: DataLoaders from data sets, a Learner and fit."""
    from fastai import learner, losses, metrics, optimizer
    from fastai.callback import progress  # noqa: F401  gives a Learner no_bar
    from fastai.data.core import DataLoaders

    sets = Pictures(*files.read("train")), Pictures(*files.read("test"))
    loaders = DataLoaders.from_dsets(*sets, bs=BATCH, num_workers=WORKERS, device="cpu")
    loss = losses.CrossEntropyLossFlat()
    trained = learner.Learner(loaders, MLPnet(), loss_func=loss, opt_func=optimizer.Adam, metrics=metrics.accuracy)
    with trained.no_bar(), trained.no_logging():
        trained.fit(1, LR)
        return float(trained.validate()[1])


@cache
def find_fastest_products() -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """Find the faster of MKL and oneDNN for the first layer's forward product and for its weight gradient."""
    images, weights, bias, gradient = (torch.rand(shape) for shape in ((BATCH, 3072), (128, 3072), 128, (BATCH, 128)))

    def seconds(product: Callable[..., Tensor], *factors: Tensor) -> float:
        times = []
        for _ in range(200):
            began = perf_counter()
            product(*factors)
            times.append(perf_counter() - began)
        return statistics.median(times)

    kernels: list[Kernel] = ["MKL", "oneDNN"] if has_onednn() else ["MKL"]
    forward = [partial(linear, kernel=kernel) for kernel in kernels]
    backward = [lambda gradient, images: gradient.t() @ images, weight_gradient][: len(kernels)]
    return (
        min(forward, key=lambda product: seconds(product, images, weights, bias)),
        min(backward, key=lambda product: seconds(product, gradient, images)),
    )


def run_floor(_files: Files) -> float:
    """The first layer's forward product and weight gradient alone, by the faster library, 782 times; learns nothing."""
    images, weights, bias, gradient = (torch.rand(shape) for shape in ((BATCH, 3072), (128, 3072), 128, (BATCH, 128)))
    forward, backward = find_fastest_products()
    for _ in range(EPOCH):
        forward(images, weights, bias)
        backward(gradient, images)
    return float("nan")


ROWS: dict[str, Callable[[Files], float]] = {
    "mlpcore": run_mlpcore,
    "mlpcore, evaluated every 200": run_mlpcore_evaluating,
    "hand-written torch loop": run_handwritten,
    "JAX, jit and scan": run_jax,
    "DataLoader loop": run_dataloader,
    "Lightning": run_lightning,
    "skorch": run_skorch,
    "Keras on torch": run_keras,
    "fastai": run_fastai,
    "the first layer's products alone": run_floor,
}
