"""Runs that leave as files and come back: nothing lost, nothing secret, and nothing let in that is not ours."""

import csv
import json
from dataclasses import replace
from io import StringIO

import pytest

from mlpcore.export.reading import MAX_BYTES
from mlpcore.export.tables import MAX_RUNS, from_json, to_csv, to_json
from mlpcore.messages import Sentence, SentenceError
from mlpcore.recipes.recipe import SGD, Adam, Change, MultiStepLR, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

RUN = Run(
    "a1",
    "first try",
    Recipe(optimizer=SGD(lr=0.1), scheduler=MultiStepLR(), changes=(Change(step=10, lr=1e-5),), seed=7),
    RunStatus.FINISHED,
    1_700_000_000.25,
    owner="the owner's secret",
    step=200,
    seconds=1.5,
    device="cpu",
    versions={"torch": "2.13.0"},
    message=Sentence("{step:,} — {word}.", {"step": 1234, "word": "한국어"}),
    traceback="Traceback, with what only the server's own may see",
    note="![a note](http://a.example/b.png)",
    starred=True,
    last_losses=(2.5, 1 / 3),
    evaluations=(
        Evaluation(100, 0.1 + 0.2, 5e-324, 0.0, 1.7976931348623157e308, 1 / 3, 0.1, 0.5, (3.0, 0.1), 1 / 7, 0.25),
        Evaluation(200, 2.0, 2.0, 0.5, 2.0, 0.5, 1e-5, 1.5),
    ),
)
FILE = json.loads(to_json([RUN]))
NEW = ("starred", "submission", "last_losses")  # in version 3


def altered(**values: object) -> bytes:
    return json.dumps({**FILE, "runs": [FILE["runs"][0] | values]}).encode()


def with_evaluation(**values: object) -> bytes:
    return altered(evaluations=[FILE["runs"][0]["evaluations"][0] | values])


class TestJson:
    def test_runs_come_back_bit_for_bit_as_the_visitors_own_under_new_ids(self) -> None:
        (back,) = from_json(to_json([RUN]).encode(), owner="ann")
        assert back == replace(RUN, id=back.id, owner="ann", traceback="")
        assert repr(back.evaluations) == repr(RUN.evaluations)
        assert back.id != RUN.id

    def test_no_owner_and_no_traceback_leaves(self) -> None:
        assert "secret" not in to_json([RUN])
        assert "Traceback" not in to_json([RUN])

    @pytest.mark.parametrize("status", RunStatus)
    def test_run_of_every_status_comes_back_over(self, status: RunStatus) -> None:
        (back,) = from_json(to_json([replace(RUN, status=status)]).encode(), owner="")
        assert back.status is (status if status.is_over else RunStatus.INTERRUPTED)

    @pytest.mark.parametrize(("text", "message"), [("At {step}: 50 %.", "At {step}: 50 %."), ("", None)])
    def test_file_of_version_1_is_read_with_its_finished_sentence(self, text: str, message: str | None) -> None:
        (back,) = from_json(json.dumps({**json.loads(altered(message=text)), "version": 1}).encode(), owner="")
        assert (back.message and str(back.message)) == message
        assert from_json(to_json([back]).encode(), owner="")[0].message == back.message

    def test_file_of_version_2_has_no_stars(self) -> None:
        old = {name: value for name, value in FILE["runs"][0].items() if name not in NEW}
        (back,) = from_json(json.dumps({**FILE, "version": 2, "runs": [old]}).encode(), owner="ann")
        assert back == replace(RUN, id=back.id, owner="ann", traceback="", starred=False, last_losses=())

    def test_runs_that_were_started_together_stay_together_under_a_new_name(self) -> None:
        together = [replace(RUN, submission="1"), replace(RUN, submission="1"), replace(RUN, submission="2"), RUN]
        data = to_json(together).encode()
        one, other, third, alone = (run.submission for run in from_json(data, owner=""))
        assert one == other
        assert len({one, third, alone, "1", "2"}) == 5
        assert alone == ""
        assert from_json(data, owner="")[0].submission != one

    def test_no_runs_are_no_runs(self) -> None:
        assert from_json(to_json([]).encode(), owner="") == []

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"\xff\xfe", b"[]", b'{"a": 1}', b"null", b"[" * 100_000, b"run,name,status\na,b,c\n"]
    )
    def test_file_that_is_not_ours_gets_a_sentence(self, data: bytes) -> None:
        with pytest.raises(SentenceError, match=r"^This file does not contain runs that this program saved: choose "):
            from_json(data, owner="")

    def test_file_of_another_version_gets_a_sentence(self) -> None:
        with pytest.raises(SentenceError, match=r"and this one reads files up to version 3: update this program\."):
            from_json(json.dumps({**FILE, "version": 4}).encode(), owner="")

    def test_file_that_is_too_large_gets_a_sentence(self) -> None:
        with pytest.raises(SentenceError, match=r"^The file has 31 MB: at most 30 MB are read\.$"):
            from_json(b" " * (MAX_BYTES + 1_000_000), owner="")

    @pytest.mark.parametrize(
        ("data", "where"),
        [
            (altered(name="<script>"), "name"),
            (altered(name=""), "name"),
            (altered(status="running"), "status"),
            (altered(owner="somebody"), "owner"),
            (altered(starred="yes"), "starred"),
            (altered(submission="<b>"), "submission"),
            (altered(last_losses=[0.5] * 1_001), "last_losses"),
            (altered(lesson="1a2b somebody else's class"), "lesson"),
            (altered(message={"template": "{step}", "values": {}}), "message"),
            (altered(message={"template": "{step", "values": {"step": 1}}), "message"),
            (altered(message={"template": "{step.real}", "values": {"step": 1}}), "message"),
            (altered(message={"template": "{step!r}", "values": {"step": 1}}), "message"),
            (altered(message={"template": "{step:999999999}", "values": {"step": 1}}), "message"),
            (altered(message={"template": "{step:.1f}", "values": {"step": "one"}}), "message"),
            (altered(message={"template": "", "values": {}}), "message"),
            (altered(message={"template": "x", "values": {"step": [1]}}), "message"),
            (altered(id="a1"), "id"),
            (altered(step=-1), "step"),
            (altered(step=3001), "more steps than its recipe"),
            (altered(recipe=FILE["runs"][0]["recipe"] | {"batch_size": 0}), "batch_size"),
            (altered(recipe=FILE["runs"][0]["recipe"] | {"dataset": "../../etc"}), "dataset"),
            (with_evaluation(test_acc=1.5), "test_acc"),
            (with_evaluation(step=4000), "more steps than its recipe"),
            (with_evaluation(train_loss="low"), "train_loss"),
            (with_evaluation(train_loss=None), "train_loss"),
            (altered(evaluations=FILE["runs"][0]["evaluations"][:1] * 2), "not in ascending order"),
            (altered(evaluations=FILE["runs"][0]["evaluations"][::-1]), "not in ascending order"),
        ],
    )
    def test_damaged_file_gets_a_sentence_that_says_where(self, data: bytes, where: str) -> None:
        with pytest.raises(SentenceError, match=rf"^The file is damaged at runs\.0.*{where}"):
            from_json(data, owner="")

    @pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
    def test_number_that_is_none_is_refused(self, number: bytes) -> None:
        with pytest.raises(SentenceError):
            from_json(with_evaluation(train_loss=-12345.0).replace(b"-12345.0", number), owner="")

    def test_too_many_runs_are_refused(self) -> None:
        few = FILE["runs"][0] | {"evaluations": []}
        with pytest.raises(SentenceError, match="runs"):
            from_json(json.dumps({**FILE, "runs": [few] * (MAX_RUNS + 1)}).encode(), owner="")


class TestCsv:
    def test_every_evaluation_is_a_row_with_its_runs_hyperparameters(self) -> None:
        other = replace(RUN, id="b2", recipe=Recipe(optimizer=Adam()), evaluations=RUN.evaluations[1:])
        first, second, third = csv.DictReader(StringIO(to_csv([RUN, other])))
        assert [row["run"] for row in (first, second, third)] == ["a1", "a1", "b2"]
        assert (first["recipe.optimizer"], first["recipe.momentum"], first["recipe.betas"]) == ("SGD", "0.9", "")
        assert (third["recipe.optimizer"], third["recipe.momentum"], third["recipe.betas"]) == ("Adam", "", "0.9 0.999")
        assert float(first["test_acc"]) == 1 / 3
        assert (first["weight_norms"], first["val_acc"], second["val_acc"]) == ("3.0 0.1", "0.25", "")

    def test_it_holds_no_owner_and_runs_without_evaluations_no_row(self) -> None:
        assert "secret" not in to_csv([RUN])
        assert to_csv([replace(RUN, evaluations=())]).count("\n") == 1
        assert to_csv([]).startswith("run,name,status,step,train_loss")
