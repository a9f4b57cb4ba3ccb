"""A folder of images whose name became that of a data set of points keeps its images, its runs and its links."""

from contextlib import closing
from pathlib import Path

import pytest

from mlpcore.data.catalog import count_images, fingerprint, known_datasets
from mlpcore.data.datasets import load_data
from mlpcore.export.tables import from_json, to_json
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.url import drop_unknown_datasets
from mlpcore.runs.records import RunStatus
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from tests.support.image_folders import write_colours
from tests.support.present import present
from tests.support.stores import execute, run

FOLDER = DataSource("Spiral folder")
OLD = '{"dataset": "Spiral", "batch_size": 32, "optimizer": {"name": "SGD"}, "scheduler": {"name": "none"}}'
LATER_COLUMNS = (
    "evaluations.gradient_norms",
    "evaluations.update_ratios",
    "evaluations.stuck_units",
    "evaluations.avg_test_loss",
    "evaluations.avg_test_acc",
    "runs.forked_from",
)


class TestImages:
    def test_the_folder_is_listed_under_a_name_that_says_what_it_is(self, tmp_path: Path) -> None:
        write_colours(tmp_path, "Spiral")
        assert known_datasets(tmp_path)[:2] == ["Spiral folder", "Shapes"]
        assert known_datasets(tmp_path).count("Spiral") == 1

    def test_it_has_the_images_that_it_had_and_the_points_are_drawn(self, tmp_path: Path) -> None:
        write_colours(tmp_path, "Spiral", train=5, test=2)
        train, test = load_data(FOLDER, tmp_path)
        assert (train.data.shape, train.classes, len(test)) == ((10, 3, 32, 32), ("blue", "red"), 4)
        assert load_data("Spiral", tmp_path)[0].data.shape == (500, 2)
        counts = count_images(tmp_path, FOLDER)
        assert (counts.train, counts.test, counts.classes, counts.inputs.shape) == (10, 4, 2, (3, 32, 32))
        assert fingerprint(tmp_path, FOLDER) != fingerprint(tmp_path / "elsewhere", FOLDER)

    def test_a_folder_of_the_new_name_is_itself(self, tmp_path: Path) -> None:
        write_colours(tmp_path, "Spiral", train=5)
        write_colours(tmp_path, "Spiral folder", train=3)
        assert known_datasets(tmp_path).count("Spiral folder") == 1
        assert len(load_data(FOLDER, tmp_path)[0]) == 6


class TestRuns:
    @pytest.fixture
    def store(self, store_url: str) -> RunStore:
        """A database from before there were points, with two runs and a sweep on folders, opened again."""
        with closing(RunStore(store_url)) as store:
            store.create_many([run("old", status=RunStatus.FINISHED), run("other", status=RunStatus.FINISHED)])
            definition = '{"rows": [' + OLD + '], "space": {"lr": [0.1]}}'
            store.sweeps.create(StoredSweep("s", "sweep", "me", 1.0, SweepStatus.FINISHED, definition))
            execute(store, f"UPDATE runs SET recipe = '{OLD}', dataset = 'Spiral' WHERE id = 'old'")
            for column in LATER_COLUMNS:
                execute(store, f"ALTER TABLE {column.replace('.', ' DROP COLUMN ')}")
            execute(store, "DROP TABLE foreign_runs")
            execute(store, "UPDATE alembic_version SET version_num = '12'")
        return RunStore(store_url)

    def test_runs_and_sweeps_mean_the_folder(self, store: RunStore) -> None:
        with closing(store):
            kept = store.get("old").recipe
            assert (kept.data, kept.batch_size) == (FOLDER, 32)
            assert [listed.run.id for listed in store.search(dataset="Spiral folder")[0]] == ["old"]
            assert store.get("other").recipe == run().recipe
            assert '"dataset": "Spiral folder"' in present(store.sweeps.get("s")).definition

    def test_new_runs_on_points_are_found_by_their_name(self, store: RunStore) -> None:
        with closing(store):
            store.create_many([run("new", recipe=Recipe(dataset="Spiral"))])
            assert [listed.run.id for listed in store.search(dataset="Spiral")[0]] == ["new"]
            assert store.get("new").recipe == Recipe(dataset="Spiral")


def test_a_file_of_runs_from_before_means_the_folder_and_one_with_points_the_points() -> None:
    one = run(status=RunStatus.FINISHED, recipe=Recipe(dataset="Spiral"), step=3000)
    text = to_json([one])
    assert from_json(text.encode(), owner="me")[0].recipe == one.recipe
    points = text[text.index('"points"') : text.index('"train_size"')]
    assert from_json(text.replace(points, "").encode(), owner="me")[0].recipe.data == FOLDER


@pytest.mark.parametrize(
    ("query", "datasets", "kept"),
    [
        ({"dataset": "Spiral", "lr": "0.1"}, ["Spiral folder", "Spiral"], "Spiral folder"),
        ({"dataset": "Spiral", "data_seed": "0"}, ["Spiral folder", "Spiral"], "Spiral"),
        ({"dataset": "Spiral", "lr": "0.1"}, ["Spiral"], "Spiral"),
    ],
)
def test_a_link_from_before_means_the_folder_where_there_is_one(
    query: dict[str, str], datasets: list[str], kept: str
) -> None:
    assert drop_unknown_datasets(query, datasets) == (query | {"dataset": kept}, [])
