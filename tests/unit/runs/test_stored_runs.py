"""What people may do with stored runs: their own ones only, and no more than their quota."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.quota import SNAPSHOT_BYTES, Usage, estimate_recipe, estimate_run, estimate_sweep, read_quota
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.snapshots import MAX_FIRST_LAYERS, MAX_UNITS, TOP_K, FirstLayer, Snapshot
from mlpcore.runs.store import RunStore, StoreError
from mlpcore.runs.stored_runs import DELETED_AT_ONCE, HOUR, MAX_IMPORTS, StoredRuns
from mlpcore.runs.sweeps import StoredSweep, StoredTrial, SweepStatus
from tests.support.managers import SHORT, submit
from tests.support.stores import evaluation, execute, list_runs, run

if TYPE_CHECKING:
    from mlpcore.jobs.manager import RunManager

ANN, BEN = "browser:ann", "browser:ben"


def over(run_id: str, *, owner: str = ANN, **values: object) -> Run:
    return run(run_id, owner=owner, status=RunStatus.FINISHED, **values)


@pytest.fixture
def store(open_store: Callable[[], RunStore]) -> RunStore:
    return open_store()


@pytest.fixture
def runs(store: RunStore) -> StoredRuns:
    return StoredRuns(store)


class TestOwnership:
    def test_only_its_owner_renames_notes_or_stars_a_run(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a")])
        with pytest.raises(SentenceError, match=r"^Only the person who started this run can do that\.$"):
            runs.annotate("a", owner=BEN, name="mine", note="mine", starred=True)
        assert runs.store.get("a") == over("a")
        runs.annotate("a", owner=ANN, name="second", note="good", starred=True)
        assert runs.store.get("a") == over("a", name="second", note="good", starred=True)
        with pytest.raises(ValueError, match="There is no run 'b'"):
            runs.annotate("b", owner=ANN, starred=True)

    @pytest.mark.parametrize("name", ["", "<b>", "a/b", "x" * 41, "a\n"])
    def test_name_that_is_not_allowed_is_refused(self, runs: StoredRuns, name: str) -> None:
        runs.store.create_many([over("a")])
        with pytest.raises(SentenceError, match=r"(?s)^name is .*it must be 1 to 40 letters"):
            runs.annotate("a", owner=ANN, name=name)
        assert runs.store.get("a").name == "first try"

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            (over("b", owner=BEN), "Only the person who started this run can do that."),
            (run("b", owner=ANN), "A run must be stopped before it can be deleted."),
        ],
    )
    def test_runs_are_deleted_only_if_all_are_the_owners_and_over(
        self, runs: StoredRuns, other: Run, sentence: str
    ) -> None:
        runs.store.create_many([over("a"), other])
        with pytest.raises(SentenceError) as caught:
            runs.delete(["a", "b"], owner=ANN)
        assert str(caught.value) == sentence
        assert runs.store.count() == 2
        runs.delete(["a", "never there"], owner=ANN)
        assert [kept.id for kept in list_runs(runs.store)] == ["b"]

    def test_all_runs_of_an_owner_are_deleted_but_starred_and_active_ones(self, runs: StoredRuns) -> None:
        many = [over(f"{number}") for number in range(2 * DELETED_AT_ONCE + 1)]
        kept = [over("starred", starred=True), over("bens", owner=BEN), run("active", owner=ANN)]
        runs.store.create_many([*many, *kept])
        for owner in (ANN, BEN):
            runs.store.foreign.put(ForeignRun("theirs", [1]), owner=owner)
        assert runs.delete_all(owner=ANN) == len(many)
        assert [len(runs.store.foreign.list_own(owner)) for owner in (ANN, BEN)] == [0, 1]
        assert {stored.id for stored in list_runs(runs.store)} == {stored.id for stored in kept}
        assert runs.delete_all(owner=ANN) == 0

    def test_run_that_this_version_cannot_read_is_deleted_with_the_others(
        self, runs: StoredRuns, store: RunStore
    ) -> None:
        store.create_many([over("a")])
        execute(store, "UPDATE runs SET recipe = 'of another form'")
        assert runs.delete_all(owner=ANN) == 1
        assert store.count() == 0


class TestQuota:
    def test_import_beyond_the_quota_is_refused_whole_and_says_how_to_free_space(self, store: RunStore) -> None:
        small = StoredRuns(store, quota=16_500)
        long = tuple(evaluation(step) for step in range(1, 41))
        assert small.import_runs(lambda: [over("a", evaluations=long)], owner=ANN) == 1
        with pytest.raises(
            SentenceError, match=r"of the 1.65e-05 GB .*To free space, delete runs on the History page\.$"
        ):
            small.import_runs(lambda: [over("b"), over("c", evaluations=long)], owner=ANN)
        assert store.count() == 1
        assert small.import_runs(lambda: [over("d", owner=BEN)], owner=BEN) == 1
        small.delete(["a"], owner=ANN)
        assert small.import_runs(lambda: [over("c", evaluations=long)], owner=ANN) == 1

    def test_runs_beyond_the_quota_are_not_started(self, runs: StoredRuns) -> None:
        recipe = Recipe()
        count = int(runs.quota // estimate_recipe(recipe))
        assert count > 5_000  # a sweep of 1,000 trials with 5 seeds
        runs.check_room([recipe] * count, owner=ANN)
        with pytest.raises(SentenceError, match="To free space, delete runs on the History page"):
            runs.check_room([recipe] * (count + 1), owner=ANN)
        runs.check_room([recipe] * (count + 1), owner="")  # the command line has none

    def test_files_beyond_the_limit_are_not_even_read_until_an_hour_has_passed(self, store: RunStore) -> None:
        now = [0.0]
        runs = StoredRuns(store, clock=lambda: now[0])
        for number in range(MAX_IMPORTS):
            runs.import_runs([over(f"{number}")].copy, owner=ANN)

        def read() -> list[Run]:
            raise AssertionError("the file is read")

        with pytest.raises(SentenceError, match=r"^You imported 20 files within an hour\. Try again later\.$"):
            runs.import_runs(read, owner=ANN)
        runs.import_runs(lambda: [over("bens", owner=BEN)], owner=BEN)
        now[0] = HOUR
        assert runs.import_runs(lambda: [over("later")], owner=ANN) == 1

    def test_sweep_that_is_imported_takes_what_was_estimated_and_counts_as_a_file(self, store: RunStore) -> None:
        runs = StoredRuns(store, clock=lambda: 0.0)
        trials = (StoredTrial(0, '{"lr":0.1}', ("a", "b"), result='{"val_accs":[0.5]}'),)
        sweep = StoredSweep("s", "a sweep", ANN, 1.5, SweepStatus.FINISHED, '{"space":{}}', trials)
        assert runs.import_sweeps(lambda: [sweep], owner=ANN) == ["s"]
        assert store.sweeps.get("s") == sweep
        assert runs.measure_usage(ANN) == Usage(0, estimate_sweep(sweep))
        assert runs.measure_usage(BEN) == Usage(0, 0)
        with pytest.raises(SentenceError, match="To free space, delete runs on the History page"):
            StoredRuns(store, quota=estimate_sweep(sweep)).import_sweeps(lambda: [replace(sweep, id="t")], owner=ANN)
        for number in range(1, MAX_IMPORTS):
            runs.import_runs([over(f"{number}")].copy, owner=ANN)
        with pytest.raises(SentenceError, match=r"^You imported 20 files within an hour\."):
            runs.import_sweeps(lambda: [replace(sweep, id="t")], owner=ANN)

    @pytest.mark.parametrize("brought", [over("a", owner=BEN), run("a", owner=ANN)])
    def test_runs_of_others_and_active_runs_do_not_come_in(self, runs: StoredRuns, brought: Run) -> None:
        with pytest.raises(ValueError, match="read returned a run of another owner, or one that is not over"):
            runs.import_runs(lambda: [brought], owner=ANN)
        assert runs.store.count() == 0

    def test_usage_is_what_the_file_grows_by(self, sqlite_url: str, tmp_path: Path) -> None:
        store, file = RunStore(sqlite_url), tmp_path / "runs.sqlite3"
        assert store.measure_usage(ANN) == Usage(0, 0)
        norms = (1.25, 2.5, 3.75)
        evaluations = tuple(Evaluation(step, 2.1, 1.9, 0.2, 2.1, 0.1, 0.01, 0.5, norms) for step in range(1, 61))
        health: dict[str, Any] = {
            "gradient_norms": norms,
            "update_ratios": (0.001312, 0.0045),
            "stuck_units": (0.0, 0.0625),
        }
        evaluations = tuple(replace(evaluation, **health) for evaluation in evaluations)
        before = file.stat().st_size
        store.create_many([over(f"{number:012}", evaluations=evaluations) for number in range(200)])
        usage = store.measure_usage(ANN)
        store.close()  # which writes everything into the file
        assert usage.runs == 200
        assert usage.bytes / (file.stat().st_size - before) == pytest.approx(1.0, abs=0.15)

    def test_a_run_is_estimated_as_it_is_counted_from_a_file_and_its_snapshot(self) -> None:
        recipe = run("a").recipe
        evaluations = tuple(evaluation(step) for step in range(1, recipe.evaluation_count + 1))
        assert estimate_recipe(recipe) == estimate_run(over("a", note="", evaluations=evaluations)) + SNAPSHOT_BYTES

    def test_snapshot_is_counted_and_at_most_as_large_as_estimated(self, store: RunStore) -> None:
        store.create_many([over("a")])
        before = store.measure_usage(ANN).bytes
        store.snapshots.write("a", largest_snapshot())
        size = store.measure_usage(ANN).bytes - before
        assert 0.9 * SNAPSHOT_BYTES < size <= SNAPSHOT_BYTES
        assert store.measure_usage(BEN).bytes == 0

    @pytest.mark.parametrize(("text", "quota"), [(None, 1e10), ("0.5", 5e8), ("20", 2e10)])
    def test_quota_is_what_the_environment_says(
        self, monkeypatch: pytest.MonkeyPatch, text: str | None, quota: float
    ) -> None:
        monkeypatch.delenv("MLPCORE_QUOTA_GB", raising=False)
        if text:
            monkeypatch.setenv("MLPCORE_QUOTA_GB", text)
        assert read_quota() == quota

    @pytest.mark.parametrize("text", ["much", "0", "-1", "nan", ""])
    def test_quota_that_is_no_number_above_0_gets_a_sentence(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("MLPCORE_QUOTA_GB", text)
        with pytest.raises(StoreError, match=r"^MLPCORE_QUOTA_GB is .*: it must be a number of GB above 0"):
            read_quota()


def test_manager_starts_no_run_of_a_person_whose_quota_is_full(
    manager: "RunManager", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager._stored_runs, "quota", 1.5 * SNAPSHOT_BYTES)
    submit(manager, SHORT, owner=ANN)
    with pytest.raises(SentenceError, match="To free space, delete runs on the History page"):
        submit(manager, SHORT, SHORT, owner=BEN)
    assert {stored.owner for stored in list_runs(manager.store)} == {ANN}


def largest_snapshot() -> Snapshot:
    units = np.zeros((MAX_UNITS, 3, 32, 32), np.uint8)
    return Snapshot(
        step=8,
        classes=tuple("abcdefghij"),
        labels=np.zeros(10_000, np.uint8),
        top_classes=np.zeros((10_000, TOP_K), np.uint8),
        top_probabilities=np.zeros((10_000, TOP_K), np.float16),
        first_layers=tuple(FirstLayer(number, number, units) for number in range(MAX_FIRST_LAYERS)),
    )
