"""The same work as people do it: MLPnet, Adam, batch 64, one epoch of 50,000 images and a pass over 10,000.

Every row begins with the images on disk, as one array of bytes, and ends with the test accuracy. What a library offers
is used as its own documentation writes it; each is imported in its row, so that a missing one is no obstacle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from mlpcore.training.models import MLPnet

BATCH, LR = 64, 1e-3
EPOCH = 782  # iterations: 50,000 images in batches of 64
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # CIFAR-10's own, as usually written
WORKERS = 2  # of a DataLoader, as PyTorch's tutorial on CIFAR-10 has it


@dataclass(frozen=True)
class Files:
    """The images on disk: uint8 (N, 32, 32, 3) and int64 (N,), for training and for testing."""

    folder: Path

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        return np.load(self.folder / f"{split}_images.npy"), np.load(self.folder / f"{split}_labels.npy")


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


def run_floor(_files: Files) -> float:
    """The two matrix products of the first layer alone, 782 times: what no loop can do without; learns nothing."""
    images, weights, gradient = torch.rand(BATCH, 3072), torch.rand(128, 3072), torch.rand(BATCH, 128)
    for _ in range(EPOCH):
        images @ weights.t()
        gradient.t() @ images
    return float("nan")


ROWS: dict[str, Callable[[Files], float]] = {
    "mlpcore": run_mlpcore,
    "mlpcore, evaluated every 200": run_mlpcore_evaluating,
    "DataLoader loop": run_dataloader,
    "Lightning": run_lightning,
    "skorch": run_skorch,
    "Keras on torch": run_keras,
    "fastai": run_fastai,
    "the first layer's products alone": run_floor,
}
