"""Sweeps as files: what comes back, and what is refused."""

import csv
import json
from io import StringIO
from typing import Any

import pytest

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import SGD, Adam
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from mlpcore.sweeps.files import from_json, to_csv, to_json
from mlpcore.sweeps.manager import read_sweep
from mlpcore.sweeps.trials import Sweep, Trial, TrialResult, come_to_nothing
from tests.support.managers import ME
from tests.support.present import present
from tests.support.sweeps import BASE, define, result, trial

ROWS = (BASE.replace(optimizer=SGD()), BASE.replace(optimizer=Adam()))
SPACE = {"optimizer": ["SGD", "Adam"], "lr": {"low": 1e-4, "high": 1.0}, "momentum": {"low": 0.1, "high": 0.9}}
CURVES = TrialResult(("finished",), (2, 4), ((0.25, 0.5),), (0.5,), (0.375,), (4,))


def make(**values: Any) -> Sweep:
    """A search of two optimizers with three trials, one of which diverged."""
    definition = define(space=SPACE, sampler="sobol", trials=4)
    trials = (
        Trial(0, {"optimizer": "SGD", "lr": 0.1, "momentum": 0.5}, ("aa",), False, CURVES),
        Trial(1, {"optimizer": "Adam", "lr": 0.0123}, ("bb",), False, result(None, status="diverged")),
        Trial(2, {"optimizer": "Adam", "lr": 0.5}, ("cc",)),
    )
    given: dict[str, Any] = {"id": "s", "name": "a search", "owner": "somebody", "created": 1.7e9}
    given |= {"status": SweepStatus.FINISHED, "definition": definition, "trials": trials}
    return Sweep(**given | values)


def read(text: str) -> Sweep:
    (stored,) = from_json(text.encode(), owner=ME)
    return present(read_sweep(stored))


def alter(*path: str | int, value: object) -> bytes:
    file = json.loads(to_json([make()]))
    place = file["sweeps"][0]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return json.dumps(file).encode()


class TestRoundTrip:
    def test_sweep_comes_back_as_a_sweep_of_the_one_who_imports_it_that_is_over(self):
        sweep = make(status=SweepStatus.RUNNING)
        read_back = read(to_json([sweep]))
        assert read_back.definition == sweep.definition
        assert read_back.trials[:2] == sweep.trials[:2]
        assert present(read_back.trials[2].result).status == "interrupted"  # it was training when it was saved
        assert (read_back.name, read_back.owner, read_back.status) == ("a search", ME, SweepStatus.STOPPED)
        assert read_back.id != "s"

    def test_rows_with_fresh_seeds_and_values_that_do_not_fit_come_back(self):
        definition = define(*ROWS, names=["one", "two"], fresh_seeds=2)
        trials = (
            trial(0, {"row": 0, "lr": 0.01}, 0.5),
            Trial(1, {"row": 1, "lr": 0.1}, ("gone",), False, come_to_nothing("deleted")),
            trial(2, {"row": 0, "lr": 0.01}, 0.25, 0.75, is_fresh=True),
        )
        sweep = make(definition=definition, trials=trials)
        assert read(to_json([sweep])).trials == trials

        nesterov = BASE.replace(optimizer=SGD(momentum=0.9, nesterov=True))
        refused = define(nesterov, space={"momentum": [0.0, 0.9]})
        nothing = Trial(0, {"momentum": 0.0}, (), False, come_to_nothing("refused"))
        assert read(to_json([make(definition=refused, trials=(nothing,))])).trials == (nothing,)

    def test_sweeps_of_equal_budgets_are_one_file(self):
        stored = from_json(to_json([make(name="one"), make(name="two")]).encode(), owner=ME)
        assert [one.name for one in stored] == ["one", "two"]
        assert all(isinstance(one, StoredSweep) for one in stored)

    def test_each_trial_names_its_recipe_and_its_seeds(self):
        sweep = make()
        first = json.loads(to_json([sweep]))["sweeps"][0]["trials"][0]
        assert first["recipe"] == sweep.definition.build_recipe(sweep.trials[0].point, 0).model_dump(mode="json")
        assert first["seeds"] == [0]

    def test_table_has_a_row_per_trial(self):
        rows = list(csv.DictReader(StringIO(to_csv([make()]))))
        assert [(row["trial"], row["optimizer"], row["lr"], row["val_acc"], row["status"]) for row in rows] == [
            ("0", "SGD", "0.1", "0.5", "finished"),
            ("1", "Adam", "0.0123", "", "diverged"),
            ("2", "Adam", "0.5", "", ""),
        ]
        assert (rows[0]["dataset"], rows[0]["seeds"], rows[0]["runs"]) == (BASE.dataset, "0", "aa")


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "value", "where"),
        [
            (("trials", 0, "point", "lr"), 2.0, "sweeps.0.trials.0"),  # outside the space
            (("trials", 0, "point", "lr"), 0.2, "sweeps.0.trials.0"),  # not the recipe's
            (("trials", 0, "point", "optimizer"), "RMSprop", "sweeps.0.trials.0"),
            (("trials", 0, "point"), {"lr": 0.1, "momentum": 0.5}, "sweeps.0.trials.0"),
            (("trials", 1, "point"), {"optimizer": "Adam", "lr": 0.0123, "momentum": 0.5}, "sweeps.0.trials.1"),
            (("trials", 0, "recipe"), None, "sweeps.0.trials.0"),
            (("trials", 0, "runs"), [], "sweeps.0.trials.0"),
            (("trials", 0, "seeds"), [1], "sweeps.0.trials.0"),
            (("trials", 0, "is_fresh"), True, "sweeps.0.trials.0"),  # the definition has none
            (("trials", 0, "result", "val_accs"), [1.5], "sweeps.0.trials.0.result.val_accs"),
            (("trials", 0, "result", "statuses"), ["running"], "sweeps.0.trials.0.result"),
            (("trials", 0, "result", "val_curves"), [[0.5]], "sweeps.0.trials.0.result"),
            (("trials", 0, "result", "steps"), [4, 2], "sweeps.0.trials.0.result"),
            (("definition", "trials"), 2, "sweeps.0.trials"),
            (("definition", "sampler"), "random", "sweeps.0.definition.sampler"),
            (("definition", "space"), {"device": ["cpu"]}, "sweeps.0.definition.space"),
            (("status",), "running", "sweeps.0.status"),
            (("name",), "<b>", "sweeps.0.name"),
        ],
    )
    def test_what_the_sweep_could_not_have_drawn_or_measured_is_named(self, path, value, where):
        with pytest.raises(SentenceError) as refusal:
            from_json(alter(*path, value=value), owner=ME)
        assert str(refusal.value).startswith(f"The file is damaged at {where}")

    def test_file_of_runs_is_no_sweep(self):
        with pytest.raises(SentenceError, match=r"^This file does not contain a sweep that this program saved"):
            from_json(b'{"format": "mlp-playground-runs", "version": 3, "runs": []}', owner=ME)

    def test_file_of_a_later_version_says_so(self):
        file = json.loads(to_json([make()])) | {"version": 2}
        with pytest.raises(SentenceError, match="reads files up to version 1"):
            from_json(json.dumps(file).encode(), owner=ME)
