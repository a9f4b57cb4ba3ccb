"""An exported script, run by a Python of its own, prints the numbers of the run, bit for bit."""

import ast
import io
import json
import pickle
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paging import ROOT, is_over, shown, wait_for
from PIL import Image
from published import CLASSES, cifar_batches, fashion_set, write_batches, write_fashion
from recipes import EACH_OPTIMIZER, EACH_SCHEDULE

from mlpcore import manager
from mlpcore.batches import DeviceImages, place_images
from mlpcore.cohort import train_cohort
from mlpcore.data import ImageSplit, load_data
from mlpcore.messages import SentenceError
from mlpcore.recipe import (
    SGD,
    Adam,
    Constant,
    CosineAnnealingLR,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.script import MAX_BYTES, read_recipe, to_notebook, to_script
from tests.image_folders import write_images

CPU = torch.device("cpu")
TRAIN_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
BASE = Recipe(
    dataset="Tiny", hidden_sizes=(32, 16), batch_size=32, train_iter=12, eval_every=5, seed=3, scheduler=Constant()
)
EDITS = [{"step": 0, "weight_decay": 0.1}, {"step": 6, "lr": 0.02, "momentum": 0.5}, {"step": 9, "lr": 0.004}]
OTHERS = {
    "no dropout": {"dropout": 0.0},
    "little dropout": {"dropout": 0.2},
    "label noise": {"label_noise": 0.4},
    "a subset": {"train_size": 50},
    "validation": {"validation_size": 30},
    "all draws": {"train_size": 41, "validation_size": 20, "label_noise": 1.0},
    "sigmoid": {"activation": "sigmoid"},
    "tanh": {"activation": "tanh"},
    "batches of one": {"batch_size": 1},
    "odd batches": {"batch_size": 37},
    "full batches": {"batch_size": 80},
    "one odd layer": {"hidden_sizes": (7,), "batch_size": 9, "activation": "sigmoid"},
    "three layers": {"hidden_sizes": (50, 16, 5), "activation": "tanh"},
    "the lecture's network": {"hidden_sizes": (128, 64), "batch_size": 64},
    "edits": {"changes": EDITS},
    "edits under a schedule": {"changes": EDITS, "scheduler": StepLR(step_size=4, gamma=0.5)},
    "edits that leave lr": {"changes": EDITS[:1], "scheduler": StepLR(step_size=4, gamma=0.5)},
    "momentum that RMSprop had not": {"optimizer": RMSprop(), "changes": [{"step": 5, "momentum": 0.9}]},
    "a folder without test": {"dataset": "Uncut", "batch_size": 5},
    "images of every kind": {"dataset": "Mixed"},
    "divergence": {"optimizer": SGD(lr=10.0, momentum=0.99), "train_iter": 200, "dropout": 0.0},
}

Row = dict[str, float]


def recipe(**knobs: Any) -> Recipe:
    return Recipe.model_validate({name: getattr(BASE, name) for name in Recipe.model_fields} | knobs)


RECIPES = (
    {name: recipe(optimizer=knobs) for name, knobs in EACH_OPTIMIZER.items()}
    | {knobs.name: recipe(scheduler=knobs) for knobs in EACH_SCHEDULE}
    | {
        f"{knobs.name} after a warm-up": recipe(
            scheduler=knobs.model_copy(update={"warmup_iters": 3}), changes=EDITS, train_iter=14
        )
        for knobs in EACH_SCHEDULE
    }
    | {name: recipe(**knobs) for name, knobs in OTHERS.items()}
)


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


def measured(run: Recipe, images: DeviceImages) -> list[Row]:
    """What the playground measures of a run, by the names that scripts print."""
    names = ("step", "train_loss", "train_eval_loss", "train_acc", "test_loss", "test_acc", "lr")
    names += ("val_loss", "val_acc") if run.validation_size else ()
    items = train_cohort([run], images, device=CPU)
    evaluations = [evaluation for item in items for evaluation in item.evaluations.values()]
    return [{name: getattr(evaluation, name) for name in names} for evaluation in evaluations]


def parse(output: str) -> list[Row]:
    lines = [line for line in output.splitlines() if line.startswith("step=")]
    return [{name: float(value) for name, value in (word.split("=") for word in line.split())} for line in lines]


def run_python(*command: object) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def code_cells(notebook: str) -> list[str]:
    return [cell["source"] for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def printed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each script printed: all in one Python, since loading torch takes longer than the training."""
    folder = tmp_path_factory.mktemp("scripts")
    for number, run in enumerate(RECIPES.values()):
        (folder / f"{number}.py").write_text(to_script(run), encoding="utf-8")
    loop = f"import runpy\nfor number in range({len(RECIPES)}):\n"
    loop += "    print('script', number)\n    runpy.run_path(f'{number}.py')\n"
    (folder / "all.py").write_text(f"import os, sys\nos.chdir({str(folder)!r})\n{loop}")
    outputs = run_python(folder / "all.py", home).split("script ")[1:]
    return dict(zip(RECIPES, outputs, strict=True))


@pytest.fixture(scope="module")
def images(home: Path) -> dict[str, DeviceImages]:
    names = ("Tiny", "Uncut", "Mixed")
    return {name: place_images(*load_data(name, home), CPU) for name in names}


class TestBitForBit:
    @pytest.mark.parametrize("name", RECIPES)
    def test_a_script_prints_the_evaluations_of_its_run(self, name, printed, images):
        run = RECIPES[name]
        expected = measured(run, images[run.dataset])
        assert parse(printed[name]) == expected
        if name == "divergence":
            assert "diverged at step=" in printed[name]
        else:
            assert len(expected) == 3

    def test_a_script_alone_prints_them_too(self, home, images, tmp_path):
        run = recipe(optimizer=Adam(lr=0.01), scheduler=CosineAnnealingLR(T_max=12), label_noise=0.2)
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        assert parse(run_python(tmp_path / "run.py", home)) == measured(run, images["Tiny"])

    def test_the_pictures_of_shapes_travel_with_the_script(self, tmp_path):
        run = recipe(dataset="Shapes", hidden_sizes=(16,), train_iter=3, eval_every=2, optimizer=Adam())
        (tmp_path / "run.py").write_text(to_script(run), encoding="utf-8")
        outside = "import sys; sys.modules['mlpcore'] = sys.modules['torchvision'] = None\n"
        (tmp_path / "alone.py").write_text(outside + "import runpy; runpy.run_path('run.py')\n")
        command = f"import os; os.chdir({str(tmp_path)!r}); import runpy; runpy.run_path('alone.py')"
        expected = measured(run, place_images(*load_data("Shapes", tmp_path), CPU))
        assert parse(run_python("-c", command)) == expected
        assert [row["step"] for row in expected] == [2, 3]

    def test_the_script_of_a_notebook_prints_them_too(self, home, images, tmp_path):
        run = recipe(dropout=0.5)
        cells = code_cells(to_notebook(run))
        again = "\n".join([*cells, cells[-1]])  # the last cell run twice trains the same again
        (tmp_path / "run.py").write_text(again, encoding="utf-8")
        assert parse(run_python(tmp_path / "run.py", home)) == 2 * measured(run, images["Tiny"])


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
            "from mlpcore.torchvision_ops import import_torchvision_datasets\n"
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


PLAIN = recipe(dataset="Shapes", dropout=0.0)
ALL_KINDS = [*RECIPES.values(), PLAIN, recipe(dataset="CIFAR10"), recipe(dataset="MNIST")]


class TestScript:
    def test_it_imports_torch_torchvision_numpy_pillow_and_what_python_has(self):
        for run in ALL_KINDS:
            nodes = list(ast.walk(ast.parse(to_script(run))))
            names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
            packages = {name.split(".")[0] for name in names}
            assert packages - sys.stdlib_module_names <= {"torch", "torchvision", "numpy", "PIL"}
            assert ("torchvision" in packages) == (run.dataset in ("CIFAR10", "MNIST"))

    @pytest.mark.parametrize(
        ("word", "knobs"),
        [
            ("scheduler", {"scheduler": StepLR()}),
            ("Dropout", {"dropout": 0.5}),
            ("label_noise", {"label_noise": 0.1}),
            ("indices", {"train_size": 50}),
            ("validation_dataset", {"validation_size": 50}),
            ("changes", {"changes": [{"step": 1, "lr": 0.1}]}),
            ("LinearLR", {"scheduler": Constant(warmup_iters=5)}),
            ("initial_lr", {"scheduler": StepLR(), "changes": [{"step": 1, "lr": 0.1}]}),
            ("momentum_buffer", {"optimizer": RMSprop(), "changes": [{"step": 1, "momentum": 0.1}]}),
            ("torchvision", {"dataset": "CIFAR10"}),
            ("sys.argv", {"dataset": "Tiny"}),
        ],
    )
    def test_a_part_is_there_where_the_recipe_needs_it_and_only_there(self, word, knobs):
        assert word in to_script(
            PLAIN.model_copy(update=recipe(**{"dataset": "Shapes", "dropout": 0.0} | knobs).__dict__)
        )
        assert word not in to_script(PLAIN)

    def test_the_knobs_are_written_as_in_the_lecture(self):
        lines = to_script(Recipe(dataset="CIFAR10")).splitlines()
        for line in (
            "seed = 0",
            "        self.fc1 = nn.Linear(in_features=3 * 32 * 32, out_features=128)",
            "        self.dropout = Dropout(p=0.5)",
            "        self.fc3 = nn.Linear(in_features=64, out_features=10)",
            "optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005, nesterov=True, "
            "fused=True)",
            "scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1000, gamma=0.5)",
            "train_batch_size = 64",
            "train_iter = 3000",
            "train_samp = RandomSampler(len(train_dataset), train_batch_size)",
            "model = train(model, optimizer, scheduler, train_iter, train_samp, train_dataset)",
        ):
            assert line in lines

    def test_every_comment_goes_through_the_translation_and_nothing_else_does(self):
        for run in ALL_KINDS:
            comments, code = split_comments(to_script(run, translate=lambda sentence: f"§ {sentence[:5]}"))
            assert comments
            assert all(comment.removeprefix("# ").removeprefix("%% ").startswith("§ ") for comment in comments)
            assert code == split_comments(to_script(run))[1]

    def test_lines_fit_a_screen(self):
        for run in ALL_KINDS:
            assert [line for line in to_script(run).splitlines() if len(line) > 120 and "changes" not in line] == []


def split_comments(code: str) -> tuple[list[str], str]:
    """The comments of a script, and the script without them."""
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return comments, ast.unparse(ast.parse(code))


class TestNotebook:
    def test_its_code_is_the_scripts(self):
        for run in ALL_KINDS:
            script = to_script(run)
            cells = [cell.split("\n", 1)[1].strip("\n") for cell in script.split("# %% ")[1:]]
            assert code_cells(to_notebook(run)) == cells

    def test_it_has_the_form_of_nbformat_4_5(self):
        notebook = json.loads(to_notebook(BASE))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in ids)
        common = {"cell_type", "id", "metadata", "source"}
        for cell in notebook["cells"]:
            assert set(cell) == common | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())
            assert isinstance(cell["source"], str)
            assert cell["source"]

    def test_it_begins_with_a_title_and_each_cell_has_one(self):
        kinds = [(cell["cell_type"], cell["source"]) for cell in json.loads(to_notebook(Recipe()))["cells"]]
        assert kinds[0][1].startswith("# A run of the MLP playground: SGD with StepLR on Shapes, seed 0\n\n")
        titles = [source.removeprefix("## ") for kind, source in kinds[1:] if kind == "markdown"]
        assert titles == [
            "Set-up", "The drawing of Shapes", "Images", "Model", "Mini-batches", "Training and test", "Run",
        ]  # fmt: skip
        assert [kind for kind, _ in kinds[1:]] == ["markdown", "code"] * 7


class TestReadRecipe:
    @pytest.mark.parametrize("name", RECIPES)
    def test_a_recipe_comes_back_as_it_went_out(self, name):
        assert read_recipe(RECIPES[name].model_dump_json(indent=2).encode()) == RECIPES[name]

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b'{"optimizer": {"name": "Adam", "lr": 100}}', "lr is 100: it must be a number from 1e-6 to 10."),
            (b'{"batch_size": 0}', "batch_size is 0: it must be a whole number from 1 to 100,000."),
            (b'{"speed": 1}', "speed is no knob of a recipe."),
            (b"[1]", "A recipe is expected here, [1] is none."),
            (b"\xff", "This is not JSON: "),
            (b"[" * 100_000, "This is not JSON: "),
            (b" " * (MAX_BYTES + 1), "The file has 1.0 MB: a recipe has at most 1 MB."),
        ],
    )
    def test_one_sentence_says_what_is_wrong_with_one(self, data, sentence):
        with pytest.raises(SentenceError) as caught:
            read_recipe(data)
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)


class TestPage:
    def test_a_run_is_shown_as_its_script_and_a_recipe_from_a_file_sets_the_knobs(self, open_page):
        page = open_page(train_iter="3", eval_every="3", batch_size="8")
        page.button(key="start").click().run()
        run_id = page.session_state["run"]
        wait_for(page, is_over(run_id))
        page.session_state["insight"] = "script"
        shown(page.run())
        run = manager.shared_manager().get(run_id)
        assert [code.value for code in page.code] == [to_script(run.recipe).rstrip()]
        wanted = run.recipe.model_copy(update={"optimizer": Adam(lr=0.002), "batch_size": 16})
        page.file_uploader(key="script.file").upload("bad.json", b'{"batch_size": 0}').run()
        assert "⚠ batch_size is 0: it must be a whole number from 1 to 100,000." in [text.value for text in page.text]
        assert page.session_state["knob.batch_size"] == 8
        page.file_uploader(key="script.file").upload("recipe.json", wanted.model_dump_json().encode()).run()
        assert (page.session_state["knob.batch_size"], page.session_state["knob.Adam.lr"]) == (16, 0.002)
        assert page.query_params["optimizer"] == "Adam"
