"""Runs as other trackers read them: TensorBoard's own loader and a CSV reader get every number back."""

import csv
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from mlpcore.export.logs import to_csv_per_run, to_tensorboard
from mlpcore.recipes.recipe import SGD, MultiStepLR, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

RUN = Run(
    "a1",
    "..",  # a name that must not leave the folder it is unpacked in
    Recipe(optimizer=SGD(lr=0.1), scheduler=MultiStepLR(milestones=(50, 90)), hidden_sizes=(8,)),
    RunStatus.FINISHED,
    1_700_000_000.0,
    owner="the owner's secret",
    evaluations=(
        Evaluation(100, 1.5, 1.25, 0.5, 1.75, 0.375, 0.1, 0.5, (3.0, 0.25), 1.5, 0.25),
        Evaluation(200, 1.0, 0.75, 0.75, 1.5, 0.5, 0.01, 1.5, (4.0, 0.5)),
    ),
)


@pytest.fixture
def events(tmp_path: Path) -> EventAccumulator:
    with ZipFile(BytesIO(to_tensorboard([RUN, replace(RUN, id="b2")]))) as archive:
        archive.extractall(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".. a1", ".. b2"]
    return EventAccumulator(str(tmp_path / ".. a1")).Reload()


class TestTensorBoard:
    def test_every_measure_is_a_scalar_at_its_step_and_time(self, events: EventAccumulator) -> None:
        assert set(events.Tags()["scalars"]) == {
            *("train_loss", "train_eval_loss", "train_acc", "test_loss", "test_acc", "lr", "seconds"),
            *("weight_norms/1", "weight_norms/2", "val_loss", "val_acc"),
        }
        accuracies = [(event.step, event.value, event.wall_time) for event in events.Scalars("test_acc")]
        assert accuracies == [(100, 0.375, 1_700_000_000.5), (200, 0.5, 1_700_000_001.5)]
        assert [(event.step, event.value) for event in events.Scalars("weight_norms/2")] == [(100, 0.25), (200, 0.5)]
        assert [(event.step, event.value) for event in events.Scalars("val_acc")] == [(100, 0.25)]

    def test_the_recipe_is_there_as_hparams_beside_what_came_of_it(self, events: EventAccumulator) -> None:
        contents = events.summary_metadata
        start = plugin_data_pb2.HParamsPluginData.FromString(
            contents["_hparams_/session_start_info"].plugin_data.content
        ).session_start_info
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
        assert (values["optimizer"], values["lr"], values["nesterov"]) == ("SGD", 0.1, True)
        assert (values["scheduler"], values["milestones"], values["hidden_sizes"]) == ("MultiStepLR", "50 90", "8")
        experiment = plugin_data_pb2.HParamsPluginData.FromString(
            contents["_hparams_/experiment"].plugin_data.content
        ).experiment
        assert [metric.name.tag for metric in experiment.metric_infos] == ["train_loss", "test_acc"]

    def test_a_run_without_an_evaluation_has_its_recipe_only(self, tmp_path: Path) -> None:
        with ZipFile(BytesIO(to_tensorboard([replace(RUN, evaluations=())]))) as archive:
            archive.extractall(tmp_path)
        events = EventAccumulator(str(tmp_path / ".. a1")).Reload()
        assert events.Tags()["scalars"] == []
        assert "_hparams_/session_start_info" in events.summary_metadata


class TestCsvPerRun:
    def test_each_run_has_a_file_with_step_time_and_measures(self) -> None:
        with ZipFile(BytesIO(to_csv_per_run([RUN, replace(RUN, id="b2")]))) as archive:
            assert archive.namelist() == [".. a1.csv", ".. b2.csv"]
            first, second = csv.DictReader(StringIO(archive.read(".. a1.csv").decode()))
        assert list(first)[:3] == ["step", "timestamp", "train_loss"]
        assert (first["step"], first["timestamp"]) == ("100", "2023-11-14T22:13:20.500000+00:00")
        assert (first["test_acc"], first["weight_norms/2"], first["val_acc"]) == ("0.375", "0.25", "0.25")
        assert (second["test_acc"], second["val_acc"]) == ("0.5", "")

    def test_no_owner_leaves(self) -> None:
        for data in (to_csv_per_run([RUN]), to_tensorboard([RUN])):
            with ZipFile(BytesIO(data)) as archive:
                (name,) = archive.namelist()
                assert b"secret" not in archive.read(name)
