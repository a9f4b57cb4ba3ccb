"""Damaged, endless and foreign files: each is refused in one sentence, and none is executed."""

import ast
import gzip
import json
import pickle
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from mlpcore.data import catalog
from mlpcore.data.folders import decode_image, list_images
from mlpcore.export.tables import from_json, to_json
from mlpcore.messages import SentenceError
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.files import from_json as sweeps_from_json, to_json as sweeps_to_json
from mlpcore.sweeps.space import Range
from mlpcore.sweeps.trials import Sweep, Trial, TrialResult
from tests.support.bad_values import Field, containers, texts
from tests.support.paths import ROOT
from tests.support.refusals import check_sentences, wrong_fields

FILE = json.loads(to_json([Run("a1", "one", Recipe(), RunStatus.FINISHED, 1.0)]))


class TestImports:
    RUN = FILE["runs"][0]

    @staticmethod
    def check(data: bytes) -> None:
        with pytest.raises(SentenceError) as refusal:
            from_json(data, owner="")
        check_sentences([refusal.value])

    def altered(self, **values: object) -> bytes:
        return json.dumps({**FILE, "runs": [self.RUN | values]}).encode()

    @given(case=wrong_fields)
    def test_no_run_comes_in_with_a_wrong_recipe(self, case: tuple[Field, Any]) -> None:
        field, value = case
        self.check(self.altered(recipe=field.place(value)))

    @given(name=st.sampled_from(sorted(set(RUN) - {"recipe", "note", "evaluations"})), value=containers() | texts())
    def test_no_run_comes_in_with_another_wrong_value(self, name: str, value: Any) -> None:
        # a short text is a name, a device or a message; what is none of them is wrong
        allowed = {"name": 40, "device": 40, "message": 500, "submission": 64}
        try:
            (run,) = from_json(self.altered(**{name: value}), owner="")
        except SentenceError as refusal:
            check_sentences([refusal])
        else:
            assert (
                (isinstance(value, str) and len(value) <= allowed.get(name, -1))
                or (name, value) == ("versions", {})
                or (name == "versions" and all(isinstance(text, str) for text in value.values()))
            )
            assert run.message is None or isinstance(str(run.message), str)

    @given(
        template=st.text("{}[]:.,!0afx%+c ", max_size=12),
        values=st.dictionaries(st.text("0af.x[]", max_size=4), st.integers() | st.sampled_from(["x", 10**400, 1e308])),
    )
    def test_message_that_came_in_can_be_said_and_is_short(self, template: str, values: dict[str, Any]) -> None:
        try:
            (run,) = from_json(self.altered(message={"template": template, "values": values}), owner="")
        except SentenceError as refusal:
            check_sentences([refusal])
        else:
            assert len(str(run.message)) <= 5000

    @pytest.mark.parametrize(
        ("template", "values"),
        [
            ("{0}", {"0": 1}),
            ("{}", {"": 1}),
            ("{a.b}", {"a.b": 1}),
            ("{a.__class__}", {"a": 1, "a.__class__": 1}),
            ("{a[0]}", {"a": "x", "a[0]": 1}),
            ("{a:c}", {"a": 0xD800}),
            ("{a:e}", {"a": 10**400}),
            ("{a}" * 300, {"a": "x" * 1_000_000}),
            ("{a}" * 300, {"a": "x" * 900}),
        ],
    )
    def test_message_that_reaches_into_its_values_or_has_no_end_is_refused(
        self, template: str, values: dict[str, Any]
    ) -> None:
        self.check(self.altered(message={"template": template, "values": values}))

    @pytest.mark.parametrize(
        "data",
        [
            pickle.dumps(FILE),
            gzip.compress(json.dumps(FILE).encode()),
            json.dumps(FILE).encode()[:-30],
            json.dumps(FILE).encode("utf-16"),
            json.dumps({**FILE, "version": 9}).encode(),
            b'{"format":"mlp-playground-runs","version":2,"runs":' + b"[" * 200_000,
            b'{"format":"mlp-playground-runs","version":2,"runs":' + b'{"a":' * 200_000,
            b'{"format":"mlp-playground-runs","version":2,"runs":' + b"[" * 150 + b"]" * 150 + b"}",
            b'{"format":"mlp-playground-runs","version":2,"runs":[1' + b"0" * 5000 + b"]}",
            b'{"format":"mlp-playground-runs","version":2,"runs":[NaN]}',
            b'{"format":"mlp-playground-runs","version":2,"runs":[{"' + b"k" * 1_000_000 + b'":1}]}',
            json.dumps({**FILE, "runs": [{f"k{number}": 1 for number in range(200_000)}]}).encode(),
            json.dumps({**FILE, "runs": [{"recipe": {"hidden_sizes": [""] * 500_000}}]}).encode(),
            json.dumps({**FILE, "runs": [{"recipe": {"changes": [{}] * 500_000}}]}).encode(),
            json.dumps({**FILE, "runs": [RUN | {"evaluations": [{}] * 5_000}] * 200}).encode(),
            json.dumps({**FILE, "runs": [RUN | {"evaluations": [{"weight_norms": [""] * 500_000}]}]}).encode(),
        ],
        ids=lambda data: f"{len(data)}",
    )
    def test_file_of_another_kind_or_without_measure_is_refused_at_once(self, data: bytes) -> None:
        self.check(data)


class TestSweeps:
    DEFINITION = Definition(rows=(Recipe(validation_size=8),), space={"lr": Range(low=1e-4, high=1.0)}, trials=4)
    MEASURED = TrialResult(("finished",), (4,), ((0.75,),), (0.75,), (0.5,), (4,))
    FILE = json.loads(
        sweeps_to_json(
            [
                Sweep("a1", "one", "", 1.0, SweepStatus.FINISHED, DEFINITION, (Trial(0, {"lr": 1.0}, ("b",)),)),
                Sweep(
                    "a2",
                    "two",
                    "",
                    1.0,
                    SweepStatus.FINISHED,
                    DEFINITION,
                    (Trial(0, {"lr": 1e-4}, ("c",), False, MEASURED),),
                ),
            ]
        )
    )

    def altered(self, *path: str | int, value: object) -> bytes:
        file = json.loads(json.dumps(self.FILE))
        place = file["sweeps"][1]
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        return json.dumps(file).encode()

    @staticmethod
    def check(data: bytes) -> None:
        with pytest.raises(SentenceError) as refusal:
            sweeps_from_json(data, owner="")
        check_sentences([refusal.value])

    def test_what_is_altered_below_came_in_before(self) -> None:
        assert [one.name for one in sweeps_from_json(json.dumps(self.FILE).encode(), owner="")] == ["one", "two"]

    @given(case=wrong_fields)
    def test_no_sweep_comes_in_with_a_wrong_row(self, case: tuple[Field, Any]) -> None:
        field, value = case
        self.check(self.altered("definition", "rows", value=[field.place(value)]))

    @given(name=st.sampled_from(sorted(FILE["sweeps"][1]["trials"][0])), value=containers() | texts())
    def test_no_trial_comes_in_with_a_wrong_value(self, name: str, value: Any) -> None:
        self.check(self.altered("trials", 0, name, value=value))

    @given(name=st.sampled_from(sorted(FILE["sweeps"][1]["trials"][0]["result"])), value=containers() | texts())
    def test_no_result_comes_in_with_a_wrong_value(self, name: str, value: Any) -> None:
        try:
            _one, two = sweeps_from_json(self.altered("trials", 0, "result", name, value=value), owner="")
        except SentenceError as refusal:
            check_sentences([refusal])
        else:
            assert (name, value) in (("chosen_steps", []), ("val_curves", []))  # nothing was measured on the way
            assert json.loads(two.trials[0].result)["val_accs"] == [0.75]

    @pytest.mark.parametrize(
        "data",
        [
            pickle.dumps(FILE),
            gzip.compress(json.dumps(FILE).encode()),
            json.dumps(FILE).encode()[:-30],
            json.dumps({**FILE, "version": 9}).encode(),
            b'{"format":"mlp-playground-sweep","version":1,"sweeps":' + b"[" * 200_000,
            b'{"format":"mlp-playground-sweep","version":1,"sweeps":[NaN]}',
            b'{"format":"mlp-playground-sweep","version":1,"sweeps":[]}',
            json.dumps({**FILE, "sweeps": FILE["sweeps"] * 500}).encode(),
            json.dumps({**FILE, "sweeps": [FILE["sweeps"][1] | {"trials": [{}] * 500_000}]}).encode(),
            json.dumps(
                {**FILE, "sweeps": [FILE["sweeps"][1] | {"definition": {"space": {"lr": [1] * 10**6}}}]}
            ).encode(),
        ],
        ids=lambda data: f"{len(data)}",
    )
    def test_file_of_another_kind_or_without_measure_is_refused_at_once(self, data: bytes) -> None:
        self.check(data)


class TestImages:
    @staticmethod
    def draw(kind: str) -> bytes:
        file = BytesIO()
        Image.effect_noise((40, 40), 50).convert("RGB").save(file, kind)
        return file.getvalue()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(
        kind=st.sampled_from(["png", "jpeg"]),
        cut=st.floats(0, 1),
        flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    )
    def test_damaged_file_is_named_or_an_image(
        self, tmp_path: Path, kind: str, cut: float, flips: list[tuple[float, int]]
    ) -> None:
        data = bytearray(self.draw(kind))
        for place, byte in flips:
            data[int(place * (len(data) - 1))] = byte
        (tmp_path / "x.png").write_bytes(data[: round(cut * len(data))])
        try:
            assert decode_image(tmp_path / "x.png").shape == (32, 32, 3)
        except SentenceError as refusal:
            check_sentences([refusal], Field("", "x.png"))

    @pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "[a](javascript:x)", "a\nb", "😀", ":red[x]"])
    def test_class_of_any_name_is_loaded_or_named(self, tmp_path: Path, name: str) -> None:
        for each in (name, "other"):
            (tmp_path / "set" / "train" / each).mkdir(parents=True)
            for number in range(2):
                (tmp_path / "set" / "train" / each / f"{number}.png").write_bytes(self.draw("png"))
        assert name in list_images(tmp_path / "set").classes
        (tmp_path / "set" / "train" / name / "0.png").write_bytes(b"")
        with pytest.raises(SentenceError) as refusal:
            list_images(tmp_path / "set")
        assert name in str(refusal.value)

    def test_very_many_classes_are_not_looked_at_one_by_one(self, tmp_path: Path) -> None:
        train = tmp_path / "many" / "train"
        train.mkdir(parents=True)
        for number in range(3_000):
            (train / str(number)).mkdir()
        with pytest.raises(SentenceError, match=r"^many/train needs 2 to 1,000 folders .*: it has 3,000\.$"):
            list_images(tmp_path / "many")
        assert sum(1 for _path in catalog._watched_paths(tmp_path, "many")) <= catalog.MAX_CLASSES + 3
        mark = catalog.fingerprint(tmp_path, DataSource("many"))
        (train / "one more").mkdir()
        assert catalog.fingerprint(tmp_path, DataSource("many")) != mark

    @pytest.mark.parametrize("name", ["../outside", "..", ".", "", "a\0b", "x" * 5000, "/etc", "one/train"])
    def test_name_that_leads_elsewhere_is_not_looked_at(self, tmp_path: Path, name: str) -> None:
        for folder in ("outside", "home/one", "home", "."):
            (tmp_path / folder / "train" / "class").mkdir(parents=True)
            for number in range(3):
                (tmp_path / folder / "train" / "class" / f"{number}.png").write_bytes(b"-")
        source = DataSource(name)
        assert catalog.count_training_images(tmp_path / "home", source) == 1
        assert catalog.count_classes(tmp_path / "home", source) == catalog.BUILT_IN_CLASSES
        assert len(catalog.fingerprint(tmp_path / "home", source)) in (0, 16)

    @pytest.mark.parametrize("target", ["/etc", "/dev/zero", "/etc/passwd"])
    def test_link_out_of_the_data_set_is_not_followed(self, tmp_path: Path, target: str) -> None:
        for each in ("one", "other"):
            (tmp_path / "set" / "train" / each).mkdir(parents=True)
        (tmp_path / "set" / "train" / "one" / "0.png").symlink_to(target)
        with pytest.raises(SentenceError, match=r"leads out of|no images"):
            list_images(tmp_path / "set")


def calls(file: Path) -> Iterator[str]:
    """Yield the dotted names that a file calls and imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            yield from (f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in node.keywords)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_program_unpickles_and_evaluates_nothing() -> None:
    """Only torchvision unpickles, namely CIFAR-10's batches, after checking their md5; and Ray what its nodes send."""
    forbidden = re.compile(
        r"(^|\.)(pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)(\.|$)|(^|\.)yaml\.load|^torch\.(load|jit\.load|hub)|"
        r"^(eval|exec|compile|__import__)$|^allow_pickle=True$|^weights_only=False$|^shell=True$|^os\.(system|popen)$"
    )
    files = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "mlpcore").rglob("*.py")]
    found = {(file.name, call) for file in files for call in calls(file) if forbidden.search(call)}
    assert {name for name, _call in found} <= {"ray_actor.py", "ray_executor.py"}
    loads = [(file.name, call) for file in files for call in calls(file) if call in ("np.load", "numpy.load")]
    assert all(name in ("cache.py", "snapshots.py") for name, _call in loads)
