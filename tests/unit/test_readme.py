"""The README, held true: its commands, its names, its scripts."""

import re
import shlex

import pytest
import torch

from mlpcore.cli import main as command_line
from mlpcore.cli.flags import read_recipe
from mlpcore.cli.main import main
from tests.support.image_folders import write_colours
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_COMMAND = "pip install -r tests/requirements.txt && pytest"


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for found, text in fenced if found == language]


def test_it_starts_and_tests_with_one_command_each():
    assert "\n    pip install -r requirements.txt && streamlit run app.py\n" in README
    assert f"\n    {TEST_COMMAND}\n" in README


def test_continuous_integration_runs_the_same_test_command():
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").split("\n")[-2] == TEST_COMMAND


def test_every_environment_variable_it_names_is_read_somewhere():
    named = set(re.findall(r"\bMLPCORE_\w+", README))
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "mlpcore").rglob("*.py"))
    assert named == {"MLPCORE_DATA", "MLPCORE_HOME"}
    assert [name for name in named if f'environ.get("{name}")' not in code] == []


def test_every_picture_and_every_file_it_links_is_there():
    targets = re.findall(r'(?:src|srcset)="([^"]+)"', README) + re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(targets) >= 4
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_every_name_in_code_letters_is_in_the_code():
    code = "".join(
        file.read_text(encoding="utf-8") for folder in ("mlpcore", "pages") for file in (ROOT / folder).rglob("*.py")
    )
    for name in ("OPTIMIZERS", "AnyOptimizer", "SCHEDULERS", "AnyScheduler"):
        assert f"`{name}`" in README
        assert f"\n{name} = " in code
    for name in ("optimizer_form", "scheduler_form"):
        assert f"`{name}`" in README
        assert f"\ndef {name}(" in code


def test_its_command_lines_are_understood():
    parser = command_line._build_parser()
    lines = re.findall(r"^    python -m mlpcore (.+)$", README, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        parser.parse_args(shlex.split(line))


@pytest.mark.parametrize("text", blocks("python"))
def test_its_scripts_are_python(text):
    compile(text, "README.md", "exec")


def test_its_recipe_is_one(tmp_path):
    (text,) = blocks("json")
    (tmp_path / "recipe.json").write_text(text)
    recipe = read_recipe(str(tmp_path / "recipe.json"), {})
    assert (recipe.dataset, recipe.optimizer.name, recipe.train_iter) == ("Shapes", "Adam", 3000)


def test_the_lectures_script_runs_from_top_to_bottom(tmp_path):
    (script,) = [text for text in blocks("python") if "load_data" in text]
    write_colours(tmp_path, train=40, test=40)
    replaced = {'"CIFAR10"': '"colours"', '"./cifar10_data/"': repr(str(tmp_path)), "3000": "3"}
    for old, new in replaced.items():
        assert script.count(old) == 1
        script = script.replace(old, new)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        exec(script, names)
    assert names["scheduler"].last_epoch == 3


def test_the_exit_codes_are_as_it_says(capsys):
    assert "2 for an error, said in one sentence" in README
    assert main(["train", "--lr", "99"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


class TestKorean:
    """README.ko.md says the same: its commands, its code, its pictures and its figures are README.md's."""

    KOREAN = (ROOT / "README.ko.md").read_text(encoding="utf-8")

    @staticmethod
    def code(text: str) -> tuple[list[str], list[str]]:
        """Indented lines, which are commands, and fenced blocks."""
        fenced = re.findall(r"^```\w+\n.*?^```$", text, re.MULTILINE | re.DOTALL)
        return re.findall(r"^    .*$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.M), fenced

    @staticmethod
    def figures(text: str, section: str) -> list[list[str]]:
        """The numbers of each row of a section's table, sorted: words stand in another order."""
        (table,) = re.findall(rf"^## {section}\n.*?(^\|.*?)\n\n", text, re.MULTILINE | re.DOTALL)
        return [sorted(re.findall(r"\d[\d,.]*(?:e-\d+)?", row.replace(", ", " "))) for row in table.split("\n")]

    def test_its_commands_and_code_are_the_same(self):
        commands, fenced = self.code(README)
        assert self.code(self.KOREAN) == (commands, fenced)
        assert (len(commands) > 10, len(fenced)) == (True, 3)

    def test_its_figures_are_the_same(self):
        figures = self.figures(README, "Measured")
        assert len(figures) > 10
        assert self.figures(self.KOREAN, "측정") == figures

    def test_its_pictures_and_links_are_there(self):
        targets = re.findall(r'(?:src|srcset)="([^"]+)"|\]\(([^)#:]+)', self.KOREAN)
        assert len(targets) >= 5
        assert [target for pair in targets for target in pair if target and not (ROOT / target).is_file()] == []
