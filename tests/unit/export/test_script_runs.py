"""An exported script, run by a Python of its own, prints the numbers of the run, bit for bit."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mlpcore.data.batches import DeviceImages, place_images
from mlpcore.data.datasets import ImageSplit, load_data
from mlpcore.export.script import to_notebook, to_script
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Adam, CosineAnnealingLR, Recipe
from mlpcore.runs.kernel_rule import KernelRule
from mlpcore.training.kernels.matmul import has_onednn
from mlpcore.training.lockstep import train_cohort
from tests.support.app_tests import ROOT
from tests.support.image_folders import write_images
from tests.support.published_archives import CLASSES, cifar_batches, fashion_set, write_batches, write_fashion
from tests.support.scripts import RECIPES, code_cells, recipe

CPU = torch.device("cpu")
TRAIN_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]

Row = dict[str, float]

WITH_LARGE_PRODUCTS = ("the lecture's network", "wide layers", "tanh", "full batches", "bfloat16")
CASES = [(name, KernelRule.MKL) for name in RECIPES]
CASES += [(name, KernelRule.ONEDNN) for name in WITH_LARGE_PRODUCTS if has_onednn()]


@pytest.fixture(scope="module")
def home(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny, the same without a folder for testing, and images of other sizes, modes and names."""
    home = tmp_path_factory.mktemp("home")
    (home / "Tiny").symlink_to(data / "Tiny")
    write_images(home / "Uncut", {"b": (0, 256), "a": (0, 256)}, train=13, test=0)
    rng = np.random.default_rng(1)
    for split in ("train", "test"):
        for label, name in enumerate(("10", "9", "é")):
            folder = home / "Mixed" / split / name
            photograph = Image.fromarray(rng.integers(0, 256, (300, 200, 3), dtype=np.uint8))
            turned = Image.Exif()
            turned[0x0112] = 6
            save(photograph, folder / "Photo.JPG", exif=turned)
            save(photograph.convert("L").resize((28, 28)), folder / "grey.jpeg")
            save(photograph.convert("RGBA").rotate(30 * label + 30), folder / "clear.png")
            save(photograph.quantize(8), folder / "palette.png")
            save(Image.fromarray(rng.integers(0, 65536, (32, 32)).astype(np.uint16)), folder / "16 bit.png")
            save(photograph, folder / ".hidden.png")
            (folder / "notes.txt").write_text("no image")
            for index in range(12):
                save(photograph.crop((index, 0, index + 32, 32)), folder / f"{index}.png")
    return home


def save(image: Image.Image, file: Path, **settings: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **settings)


def measured(run: Recipe, images: DeviceImages, rule: KernelRule = KernelRule.MKL) -> list[Row]:
    """What the playground measures of a run, by the names that scripts print."""
    names: tuple[str, ...] = ("step", "train_loss", "train_eval_loss", "train_acc", "test_loss", "test_acc", "lr")
    names += ("val_loss", "val_acc") if run.validation_size else ()
    items = train_cohort([run], images, device=CPU, rule=rule)
    evaluations = [evaluation for item in items for evaluation in item.evaluations.values()]
    names += ("avg_test_loss", "avg_test_acc") if run.average != "none" else ()
    rows = [{name: getattr(evaluation, name) for name in names} for evaluation in evaluations]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def parse(output: str) -> list[Row]:
    lines = [line for line in output.splitlines() if line.startswith("step=")]
    return [{name: float(value) for name, value in (word.split("=") for word in line.split())} for line in lines]


def run_python(*command: object) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def printed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, KernelRule], str]:
    """What each script printed: all in one Python, since loading torch takes longer than the training."""
    folder = tmp_path_factory.mktemp("scripts")
    for number, (name, rule) in enumerate(CASES):
        (folder / f"{number}.py").write_text(to_script(RECIPES[name], rule=rule), encoding="utf-8")
    loop = f"import runpy\nfor number in range({len(CASES)}):\n"
    loop += "    print('script', number)\n    runpy.run_path(f'{number}.py')\n"
    (folder / "all.py").write_text(f"import os, sys\nos.chdir({str(folder)!r})\n{loop}")
    outputs = run_python(folder / "all.py", home).split("script ")[1:]
    return dict(zip(CASES, outputs, strict=True))


@pytest.fixture(scope="module")
def images(home: Path) -> dict[DataSource, DeviceImages]:
    sources = {run.data for run in RECIPES.values()}
    return {source: place_images(*load_data(source, home), CPU) for source in sources}


class TestBitForBit:
    @pytest.mark.parametrize(("name", "rule"), CASES)
    def test_a_script_prints_the_evaluations_of_its_run(self, name, rule, printed, images):
        run = RECIPES[name]
        expected = measured(run, images[run.data], rule)
        assert parse(printed[name, rule]) == expected
        if name == "divergence":
            assert "diverged at step=" in printed[name, rule]
        else:
            assert len(expected) == 3

    def test_a_script_alone_prints_them_too(self, home, images, tmp_path):
        run = recipe(optimizer=Adam(lr=0.01), scheduler=CosineAnnealingLR(T_max=12), label_noise=0.2)
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        assert parse(run_python(tmp_path / "run.py", home)) == measured(run, images[run.data])

    def test_the_pictures_of_shapes_travel_with_the_script(self, tmp_path, drawn_shapes):
        run = recipe(dataset="Shapes", hidden_sizes=(16,), train_iter=3, eval_every=2, optimizer=Adam())
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        outside = "import sys; sys.modules['mlpcore'] = sys.modules['torchvision'] = None\n"
        (tmp_path / "alone.py").write_text(outside + "import runpy; runpy.run_path('run.py')\n")
        command = f"import os; os.chdir({str(tmp_path)!r}); import runpy; runpy.run_path('alone.py')"
        expected = measured(run, place_images(*load_data("Shapes", drawn_shapes), CPU))
        assert parse(run_python("-c", command)) == expected
        assert [row["step"] for row in expected] == [2, 3]

    def test_the_script_of_a_notebook_prints_them_too(self, home, images, tmp_path):
        run = recipe(dropout=0.5)
        cells = code_cells(to_notebook(run))
        again = "\n".join([*cells, cells[-1]])  # the last cell run twice trains the same again
        (tmp_path / "run.py").write_text(again, encoding="utf-8")
        assert parse(run_python(tmp_path / "run.py", home)) == 2 * measured(run, images[run.data])

    def test_without_the_operator_a_script_says_that_digits_may_differ_and_trains(self, home, images, tmp_path):
        run = RECIPES["the lecture's network"]
        (tmp_path / "run.py").write_text(to_script(run, rule=KernelRule.ONEDNN), encoding="utf-8")
        missing = "import torch; torch.ops.mkldnn = object()\nimport runpy; runpy.run_path('run.py')\n"
        (tmp_path / "alone.py").write_text(missing)
        command = f"import os; os.chdir({str(tmp_path)!r}); import runpy; runpy.run_path('alone.py')"
        output = run_python("-c", command, home)
        assert "This torch does not have the operator: the last digits may differ." in output
        assert parse(output) == measured(run, images[run.data])


class TestPublished:
    def test_grey_images_are_read_as_the_playground_reads_them(self, tmp_path):
        write_fashion(tmp_path / "FashionMNIST" / "raw")
        run = recipe(dataset="FashionMNIST", batch_size=5)
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        splits = load_data("FashionMNIST", tmp_path, archive_sets={"FashionMNIST": fashion_set()})
        assert parse(run_python(tmp_path / "run.py", tmp_path)) == measured(run, place_images(*splits, CPU))

    def test_cifar10_is_read_as_the_playground_reads_it(self, tmp_path):
        write_batches(tmp_path / "cifar-10-batches-py")
        run = recipe(dataset="CIFAR10", batch_size=20)
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        (tmp_path / "small.py").write_text(  # ten images a file have another md5 than the ten thousand
            "from mlpcore.data.torchvision_compat import import_torchvision_datasets\n"
            "import_torchvision_datasets().cifar.check_integrity = lambda *_: True\n"
            f"import runpy\nrunpy.run_path({str(tmp_path / 'run.py')!r})\n"
        )
        batches = [pickle.loads(cifar_batches()[name]) for name in (*TRAIN_BATCHES, "test_batch")]
        data = torch.stack([torch.from_numpy(batch["data"]).view(-1, 3, 32, 32) for batch in batches])
        targets = torch.tensor([batch["labels"] for batch in batches])
        train = ImageSplit(data[:5].flatten(0, 1), targets[:5].flatten(), tuple(CLASSES))
        images = place_images(train, ImageSplit(data[5], targets[5], tuple(CLASSES)), CPU)
        loop = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; runpy.run_path(sys.argv[1] + '/small.py')"
        assert parse(run_python("-c", loop, tmp_path)) == measured(run, images)
