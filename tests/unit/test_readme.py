"""The README in both languages, held true: its commands, its recipe, its scripts, its length."""

import re
from pathlib import Path

import pytest

from mlpcore.cli.flags import build_recipe
from mlpcore.cli.main import main
from tests.support.documents import KOREAN, README, blocks, run_script, without_blocks
from tests.support.paths import ROOT

TEST_COMMAND = "pip install -r tests/requirements.txt && pytest tests"


class TestReadme:
    @pytest.mark.parametrize("text", [README, KOREAN])
    def test_it_has_at_most_180_lines(self, text: str) -> None:
        assert text.count("\n") <= 180

    def test_it_starts_and_tests_with_one_command_each(self) -> None:
        assert "\n    pip install -r requirements.txt && streamlit run app.py\n" in README
        assert f"\n    {TEST_COMMAND}\n" in README

    def test_continuous_integration_runs_the_same_test_command(self) -> None:
        assert (ROOT / ".ci/run").read_text(encoding="utf-8").split("\n")[-2] == TEST_COMMAND

    def test_it_names_the_folders_variables(self) -> None:
        assert set(re.findall(r"\bMLPCORE_\w+", README)) == {"MLPCORE_DATA", "MLPCORE_HOME"}

    def test_it_has_six_command_lines(self) -> None:
        assert len(re.findall(r"^    python -m mlpcore (.+)$", README, re.MULTILINE)) == 6

    def test_its_recipe_is_one(self, tmp_path: Path) -> None:
        (text,) = blocks(README, "json")
        (tmp_path / "recipe.json").write_text(text)
        recipe = build_recipe(str(tmp_path / "recipe.json"), {})
        assert (recipe.dataset, recipe.optimizer.name, recipe.train_iter) == ("Shapes", "Adam", 3000)

    def test_the_lectures_script_runs_from_top_to_bottom(self, tmp_path: Path) -> None:
        (script,) = [text for text in blocks(README, "python") if "RandomSampler" in text]
        names = run_script(script, tmp_path, {'"CIFAR10"': 1, '"./cifar10_data/"': 1, "3000": 1})
        assert names["scheduler"].last_epoch == 3

    def test_the_recipes_script_trains_both_recipes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (script,) = [text for text in blocks(README, "python") if "train_cohort" in text]
        run_script(script, tmp_path, {'"Shapes"': 1, '"./data/"': 1, "600": 2})
        rates, *lines = capsys.readouterr().out.splitlines()
        assert rates == "[0.01, 0.01, 0.01]"
        assert [line.split()[:2] for line in lines] == [["SGD", "3"], ["Adam", "3"]]

    def test_the_exit_codes_are_as_it_says(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "2 for an error, explained in one\nsentence" in README
        assert main(["train", "--lr", "99"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


class TestKorean:
    """README.ko.md says the same: its commands, its code, its links and its figures are README.md's."""

    @staticmethod
    def code(text: str) -> tuple[list[str], list[str]]:
        """Indented lines, which are commands, and fenced blocks."""
        fenced = re.findall(r"^```\w+\n.*?^```$", text, re.MULTILINE | re.DOTALL)
        return re.findall(r"^    .*$", without_blocks(text), re.MULTILINE), fenced

    @staticmethod
    def figures(text: str) -> list[list[str]]:
        """The numbers of each section, sorted: words stand in another order."""
        sections = without_blocks(text).split("\n## ")
        return [
            sorted(re.findall(r"\d[\d,.]*(?:e-\d+)?", section.replace(", ", " ").replace(". ", " ")))
            for section in sections
        ]

    def test_its_commands_and_code_are_the_same(self) -> None:
        commands, fenced = self.code(README)
        assert self.code(KOREAN) == (commands, fenced)
        assert (len(commands), len(fenced)) == (8, 3)

    def test_its_figures_are_the_same(self) -> None:
        figures = self.figures(README)
        assert sum(map(len, figures)) > 20
        assert self.figures(KOREAN) == figures

    def test_its_pictures_and_links_are_the_same(self) -> None:
        def targets(text: str) -> list[str]:
            found = re.findall(r'(?:src|srcset)="([^"]+)"|\]\(([^)]+)\)', without_blocks(text))
            return sorted({one or other for one, other in found} - {"README.md", "README.ko.md"})

        assert targets(KOREAN) == targets(README)
        assert len(targets(README)) > 8

    def test_it_names_the_same_things_in_code_letters(self) -> None:
        assert sorted(re.findall(r"`([^`]+)`", without_blocks(KOREAN))) == sorted(
            re.findall(r"`([^`]+)`", without_blocks(README))
        )
