"""The cells of an exported script that load its images and take the part of them that the run uses."""

import ast
import inspect
import io
import re
import tokenize
from functools import cache

from mlpcore.data import shapes
from mlpcore.data.catalog import BUILT_IN, CIFAR10, PUBLISHED, SHAPES
from mlpcore.data.folders import CUTTING
from mlpcore.export.script_text import Cell, Translate, fill, note, quote
from mlpcore.recipes.recipe import Recipe

TORCHVISION = """\
try:
    from torchvision import datasets
except RuntimeError:
    $why
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import datasets
"""

PUBLISHED_DATA = """\
def load_data(dataset_path):
    train_dataset = datasets.$name(dataset_path, train=True, download=True)
    test_dataset = datasets.$name(dataset_path, train=False, download=True)
    parts = []
    for dataset in (train_dataset, test_dataset):
        $read
        parts.append(TensorDataset(images, torch.as_tensor(dataset.targets)))
    return parts
"""

FOLDER_DATA = """\
def read_image(file):
    with Image.open(file) as image:
        if image.size != (32, 32):
            image.draft("RGB", (128, 128))
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        return np.asarray(image.convert("RGB").resize((32, 32))).transpose(2, 0, 1)


def list_files(folder):
    names = [file.name for file in folder.iterdir() if not file.name.startswith(".")]
    return [folder / name for name in sorted(names) if name.lower().endswith((".png", ".jpg", ".jpeg"))]


def load_data(folder):
    train_files, test_files = [], []
    folders = [each for each in (folder / "train").iterdir() if each.is_dir() and not each.name.startswith(".")]
    for label, name in enumerate(sorted(each.name for each in folders)):
        files = list_files(folder / "train" / name)
        if (folder / "test").is_dir():
            held_out = list_files(folder / "test" / name)
        else:
            $why_cut
            hashes = {file: hashlib.sha256(f"$cutting/{name}/{file.name}".encode()).digest() for file in files}
            held_out = sorted(sorted(files, key=hashes.get)[: max(len(files) // 6, 1)])
            files = sorted(set(files) - set(held_out))
        train_files += [(file, label) for file in files]
        test_files += [(file, label) for file in held_out]
    parts = []
    for files in (train_files, test_files):
        images = torch.from_numpy(np.stack([read_image(file) for file, label in files]))
        parts.append(TensorDataset(images, torch.tensor([label for file, label in files])))
    return parts
"""

SHAPES_DATA = """\
def load_data():
    return [TensorDataset(*map(torch.from_numpy, draw_shapes(split))) for split in ("train", "test")]
"""

NORMALISE = """\
$what
mean, std = [], []
for channel in all_images.unbind(1):
    counts, values = torch.bincount(channel.flatten(), minlength=256), torch.arange(256)
    number, total, squares = channel.numel(), (counts * values).sum().item(), (counts * values**2).sum().item()
    mean.append(total / number / 255)
    std.append(math.sqrt(number * squares - total * total) / number / 255)
mean, std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
std[std == 0] = 1 / 255


def normalise(images):
    return images.float().sub_(255 * mean).div_(255 * std)
"""

NOISE = """\
$what
generator = build_generator("label_noise")
hit = torch.rand(len(labels), generator=generator, dtype=torch.float64) < $label_noise
labels = torch.where(hit, torch.randint($classes, (len(labels),), generator=generator), labels)
"""

SAMPLE = """\
$what
train_sample = torch.randperm(len(train_dataset), generator=build_generator("sample"))[:2000]
train_sample = TensorDataset(*train_dataset[train_sample])
"""


def is_read_from_disk(recipe: Recipe) -> bool:
    """Whether the script is told where its images are: those of Shapes it draws."""
    return recipe.dataset != SHAPES


def data_cells(recipe: Recipe, translate: Translate) -> list[Cell]:
    """Write how the images are loaded, which of them the run uses, and how the network is shown them."""
    title = translate("Images")
    if recipe.dataset == SHAPES:
        drawing = Cell(translate("The drawing of Shapes"), _drawing())
        return [drawing, Cell(title, "\n\n".join([SHAPES_DATA, _use(recipe, translate)]))]
    load = _published(recipe, translate) if recipe.dataset in PUBLISHED else _folder(translate)
    return [Cell(title, "\n\n".join([load, _use(recipe, translate)]))]


def _published(recipe: Recipe, translate: Translate) -> str:
    why = translate("Beside a torch without CUDA, torchvision misses two operators that reading images does not need.")
    if recipe.dataset == CIFAR10:
        read = "images = torch.tensor(dataset.data).permute(0, 3, 1, 2).contiguous()"
    else:
        read = "images = dataset.data.unsqueeze(1)"
    load = fill(PUBLISHED_DATA, name=recipe.dataset, read=read)
    return "\n\n".join([fill(TORCHVISION, why=note(why, 4)), load])


def _folder(translate: Translate) -> str:
    why = translate("Without a folder for testing, a sixth of each class is set aside, the same on every machine.")
    imports = "from pathlib import Path\n\nimport numpy as np\nfrom PIL import Image, ImageOps\n"
    return "\n\n".join([imports, fill(FOLDER_DATA, why_cut=note(why, 12), cutting=CUTTING)])


def _use(recipe: Recipe, translate: Translate) -> str:
    what = translate("Each channel of what the network is shown has mean 0 and deviation 1 over the training images.")
    sample = translate("The training images that train_eval_loss and train_acc are measured on.")
    return "\n".join(
        [
            _call_load(recipe, translate),
            *_draws(recipe, translate),
            fill(SAMPLE, what=note(sample)),
            fill(NORMALISE, what=note(what)),
        ]
    )


def _call_load(recipe: Recipe, translate: Translate) -> str:
    """Write the call that loads the images, and what tells it where they are."""
    if recipe.dataset == SHAPES:
        return "train_dataset, test_dataset = load_data()\nall_images, labels = train_dataset.tensors\n"
    if recipe.dataset in PUBLISHED:
        where = translate(
            "The folder of the data set, which is downloaded if it is not there: name yours after the script."
        )
        argument = "dataset_path"
    else:
        where = translate(
            "The folder that holds {dataset}/train/<class>/ and {dataset}/test/<class>/ with PNG or JPEG files: name "
            "yours after the script."
        ).format(dataset=recipe.dataset)
        argument = f"Path(dataset_path) / {quote(recipe.dataset)}"
    lines = [
        note(where),
        'dataset_path = sys.argv[1] if sys.argv[1:] and not sys.argv[1].startswith("-") else "./data"',
        f"train_dataset, test_dataset = load_data({argument})",
        "all_images, labels = train_dataset.tensors",
        *([] if recipe.dataset in BUILT_IN else ["num_classes = labels.max().item() + 1"]),
        "",
    ]
    return "\n".join(lines)


def _draws(recipe: Recipe, translate: Translate) -> list[str]:
    """Write what is drawn from the training images: wrong labels, a subset, and those held out."""
    drawn = []
    if recipe.label_noise:
        what = translate("A share of {share:g} of the training labels is drawn at random.")
        classes = "10" if recipe.dataset in BUILT_IN else "num_classes"
        what = note(what.format(share=recipe.label_noise))
        drawn.append(fill(NOISE, what=what, label_noise=repr(recipe.label_noise), classes=classes))
    lines = []
    if recipe.train_size is not None or recipe.validation_size:
        what = translate("In one random order, the first images train and the last ones validate.")
        end = -recipe.validation_size if recipe.train_size is None else recipe.train_size
        lines += [
            note(what),
            'order = torch.randperm(len(labels), generator=build_generator("subset"))',
            f"indices = order[:{end}].sort().values",
            "train_dataset = TensorDataset(all_images[indices], labels[indices])",
        ]
        if recipe.validation_size:
            lines += [
                f"held_out = order[-{recipe.validation_size}:].sort().values",
                "validation_dataset = TensorDataset(all_images[held_out], labels[held_out])",
            ]
    elif recipe.label_noise:
        lines.append("train_dataset = TensorDataset(all_images, labels)")
    return [*drawn, *(["\n".join([*lines, ""])] if lines else [])]


@cache
def _drawing() -> str:
    """The source of `mlpcore.data.shapes` without docstrings and comments, which are in one language only."""
    source = inspect.getsource(shapes)
    lines: list[str | None] = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() or None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            lines[first.lineno - 1 : first.end_lineno] = [None] * (first.end_lineno - first.lineno + 1)
    code = "\n".join(line for line in lines if line is not None)
    return re.sub(r"\n{4,}", "\n\n\n", code).strip("\n") + "\n"
