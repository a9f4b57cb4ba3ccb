"""An exported script says what the recipe says, as the lecture would write it, and so does a notebook."""

import ast
import io
import json
import re
import sys
import tokenize

import pytest

from mlpcore.export.script import MAX_BYTES, read_recipe, to_notebook, to_script
from mlpcore.jobs import manager
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Adam, NoScheduler, Recipe, RMSprop, StepLR
from mlpcore.runs.kernel_rule import recorded_rule
from tests.support.app_tests import is_over, key_of, shown, wait_for
from tests.support.present import present
from tests.support.scripts import BASE, RECIPES, code_cells, recipe

PLAIN = recipe(dataset="Shapes", dropout=0.0)
ALL_KINDS = [*RECIPES.values(), PLAIN, recipe(dataset="CIFAR10"), recipe(dataset="MNIST")]


class TestScript:
    def test_it_imports_torch_torchvision_numpy_pillow_and_what_python_has(self):
        for run in ALL_KINDS:
            nodes = list(ast.walk(ast.parse(to_script(run))))
            names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            names |= {present(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
            packages = {name.split(".")[0] for name in names}
            assert packages - sys.stdlib_module_names <= {"torch", "torchvision", "numpy", "PIL"}
            assert ("torchvision" in packages) == (run.dataset in ("CIFAR10", "MNIST"))

    @pytest.mark.parametrize(
        ("word", "values"),
        [
            ("scheduler", {"scheduler": StepLR()}),
            ("Dropout", {"dropout": 0.5}),
            ("label_noise", {"label_noise": 0.1}),
            ("indices", {"train_size": 50}),
            ("validation_dataset", {"validation_size": 50}),
            ("changes", {"changes": [{"step": 1, "lr": 0.1}]}),
            ("LinearLR", {"scheduler": NoScheduler(warmup_iters=5)}),
            ("initial_lr", {"scheduler": StepLR(), "changes": [{"step": 1, "lr": 0.1}]}),
            ("momentum_buffer", {"optimizer": RMSprop(), "changes": [{"step": 1, "momentum": 0.1}]}),
            ("torchvision", {"dataset": "CIFAR10"}),
            ("sys.argv", {"dataset": "Tiny"}),
        ],
    )
    def test_a_part_is_there_where_the_recipe_needs_it_and_only_there(self, word, values):
        assert word in to_script(
            PLAIN.model_copy(update=recipe(**{"dataset": "Shapes", "dropout": 0.0} | values).__dict__)
        )
        assert word not in to_script(PLAIN)

    def test_the_hyperparameters_are_written_as_in_the_lecture(self):
        lines = to_script(Recipe(dataset="CIFAR10")).splitlines()
        for line in (
            "seed = 0",
            "        self.fc1 = nn.Linear(in_features=3 * 32 * 32, out_features=128)",
            '        self.dropout = Dropout(p=0.5, generator=build_generator("dropout"))',
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
            (b'{"speed": 1}', "speed is not a hyperparameter of a recipe."),
            (b"[1]", "[1] is not a recipe: a recipe is a JSON object whose keys are hyperparameters."),
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
    def test_a_run_is_shown_as_its_script_and_a_recipe_from_a_file_sets_the_widgets(self, open_page):
        page = open_page(train_iter="3", eval_every="3", batch_size="8")
        page.button(key="start").click().run()
        run_id = page.session_state["run"]
        wait_for(page, is_over(run_id))
        page.session_state["insight"] = "script"
        shown(page.run())
        run = manager.shared_manager().get(run_id)
        assert [code.value for code in page.code] == [
            to_script(run.recipe, rule=present(recorded_rule(run.versions))).rstrip()
        ]
        wanted = run.recipe.model_copy(update={"optimizer": Adam(lr=0.002), "batch_size": 16})
        page.file_uploader(key="script.file").upload("bad.json", b'{"batch_size": 0}').run()
        assert "⚠ batch_size is 0: it must be a whole number from 1 to 100,000." in [text.value for text in page.text]
        assert page.session_state[key_of(page, "knob.batch_size")] == 8
        page.file_uploader(key="script.file").upload("recipe.json", wanted.model_dump_json().encode()).run()
        assert (page.session_state[key_of(page, "knob.batch_size")], page.session_state["knob.Adam.lr"]) == (16, 0.002)
        assert page.query_params["optimizer"] == "Adam"
