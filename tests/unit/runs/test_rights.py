"""What an admin may do beyond everybody else: end what others started, see who stores what, set quotas."""

from collections.abc import Callable

import pytest

from mlpcore.messages import SentenceError
from mlpcore.runs.people.accounts import Person
from mlpcore.runs.people.rights import Rights, read_rights
from mlpcore.runs.quota import SNAPSHOT_BYTES
from mlpcore.runs.records import Run, RunStatus, person_owner
from mlpcore.runs.store import RunStore, StoreError
from mlpcore.runs.stored_runs import StoredRuns
from tests.support.managers import SHORT
from tests.support.stores import age_deletions, list_runs, run

ANN, BEN, ADMIN = "browser:ann", "browser:ben", person_owner("https://id.example", "42")
NOT_YOURS = r"^Only the person who started this run can do that\.$"
NOT_ADMIN = r"^Only an admin of this server can do that\.$"


def over(run_id: str, *, owner: str = ANN, **values: object) -> Run:
    return run(run_id, owner=owner, status=RunStatus.FINISHED, **values)


@pytest.fixture
def runs(open_store: Callable[[], RunStore]) -> StoredRuns:
    return StoredRuns(open_store(), rights=Rights([ADMIN]))


class TestAdmins:
    def test_are_the_accounts_that_the_environment_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLPCORE_ADMINS", " https://id.example  42, https://other.example anna@example.org ,")
        rights = read_rights()
        assert rights.is_admin(person_owner("https://id.example", "42"))
        assert rights.is_admin(person_owner("https://other.example", "anna@example.org"))
        for owner in (person_owner("https://other.example", "42"), ANN, "", "42", "https://id.example 42"):
            assert not rights.is_admin(owner)

    @pytest.mark.parametrize("text", ["", " ", ","])
    def test_are_nobody_by_default(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLPCORE_ADMINS", text)
        assert not any(read_rights().is_admin(owner) for owner in (ADMIN, ANN, ""))

    @pytest.mark.parametrize("text", ["anna@example.org", "https://id.example 42 43", "https://id.example 42;x y z"])
    def test_that_are_no_accounts_are_refused_without_a_word_of_them(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLPCORE_ADMINS", text)
        with pytest.raises(StoreError, match=r"^MLPCORE_ADMINS must be accounts separated by commas") as caught:
            read_rights()
        assert "example" not in str(caught.value)


class TestEnding:
    def test_an_admin_deletes_anybodys_runs_and_nobody_else_does(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a"), over("b", owner=BEN), over("c", owner="")])
        with pytest.raises(SentenceError, match=NOT_YOURS):
            runs.delete(["a", "b"], owner=ANN)
        runs.delete(["a", "b", "c"], owner=ADMIN)
        assert list_runs(runs.store) == []

    def test_an_admin_deletes_no_run_that_goes_on(self, runs: StoredRuns) -> None:
        runs.store.create_many([run("a", owner=ANN)])
        with pytest.raises(SentenceError, match=r"^A run must be stopped before it can be deleted\.$"):
            runs.delete(["a"], owner=ADMIN)

    def test_what_an_admin_deleted_comes_back_for_a_minute(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a"), over("b"), over("mine", owner=ADMIN)])
        runs.delete(["b"], owner=ANN)
        runs.delete(["a", "mine"], owner=ADMIN)
        assert runs.undo_deletion(owner=ADMIN, also=["a"]) == 2
        assert {kept.id for kept in list_runs(runs.store)} == {"a", "mine"}
        with pytest.raises(SentenceError, match=NOT_YOURS):
            runs.undo_deletion(owner=BEN, also=["b"])
        age_deletions(runs.store, minutes=1.1)
        assert runs.undo_deletion(owner=ADMIN, also=["b"]) == 0

    def test_an_admin_deletes_all_runs_of_somebody_but_what_is_starred(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a"), over("star", starred=True), over("b", owner=BEN), over("c", owner=ADMIN)])
        with pytest.raises(SentenceError, match=NOT_YOURS):
            runs.delete_all(owner=BEN, of=ANN)
        assert runs.delete_all(owner=ADMIN, of=ANN) == 1
        assert {kept.id for kept in list_runs(runs.store)} == {"star", "b", "c"}

    def test_an_admin_renames_notes_and_stars_nothing_of_others(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a")])
        with pytest.raises(SentenceError, match=NOT_YOURS):
            runs.annotate("a", owner=ADMIN, name="theirs", note="theirs", starred=True)


class TestPeople:
    def test_are_listed_for_an_admin_with_their_runs_and_names_the_latest_first(self, runs: StoredRuns) -> None:
        runs.store.create_many([over("a", created=1.0), over("b", created=3.0), over("c", owner=BEN, created=2.0)])
        runs.store.create_many([over("gone", owner=BEN, created=9.0)])
        runs.delete(["gone"], owner=BEN)
        runs.store.people.note_name(BEN, "Ben")
        runs.store.people.note_name(BEN, "Ben B.")
        runs.set_quota(ANN, 5e8, owner=ADMIN)
        assert runs.list_people(owner=ADMIN) == [Person(ANN, "", 2, 3.0, 5e8), Person(BEN, "Ben B.", 1, 2.0, None)]
        assert runs.store.people.find_names() == {BEN: "Ben B."}
        with pytest.raises(SentenceError, match=NOT_ADMIN):
            runs.list_people(owner=ANN)

    def test_quota_that_an_admin_sets_is_theirs_until_it_is_everybodys_again(self, runs: StoredRuns) -> None:
        recipes = [SHORT] * 3
        assert (runs.quota_of(ANN), runs.quota_of(BEN)) == (10e9, 10e9)
        runs.set_quota(ANN, 2 * SNAPSHOT_BYTES, owner=ADMIN)
        assert (runs.quota_of(ANN), runs.quota_of(BEN)) == (2 * SNAPSHOT_BYTES, 10e9)
        runs.check_room(recipes, owner=BEN)
        with pytest.raises(SentenceError, match=r"^Your runs take 0\.00 GB of the 0\.0021 GB that each person may"):
            runs.check_room(recipes, owner=ANN)
        with pytest.raises(SentenceError, match=r"^Your runs take"):
            runs.import_runs(lambda: [over(f"{n}", note="x" * 500) for n in range(2000)], owner=ANN)
        runs.set_quota(ANN, None, owner=ADMIN)
        runs.check_room(recipes, owner=ANN)

    def test_quota_of_nothing_stores_nothing(self, runs: StoredRuns) -> None:
        runs.set_quota(ANN, 0.0, owner=ADMIN)
        with pytest.raises(SentenceError, match="of the 0 GB"):
            runs.check_room([SHORT], owner=ANN)

    @pytest.mark.parametrize("quota", [-1.0, 2e15, float("nan"), float("inf")])
    def test_quota_that_is_none_is_refused(self, runs: StoredRuns, quota: float) -> None:
        with pytest.raises(SentenceError, match=r"^A quota is a number of GB from 0 to 1,000,000\.$"):
            runs.set_quota(ANN, quota, owner=ADMIN)

    @pytest.mark.parametrize("owner", [ANN, BEN, ""])
    def test_nobody_else_sets_a_quota(self, runs: StoredRuns, owner: str) -> None:
        with pytest.raises(SentenceError, match=NOT_ADMIN):
            runs.set_quota(ANN, 1e12, owner=owner)
        assert runs.quota_of(ANN) == 10e9

    def test_name_is_kept_up_to_a_hundred_characters(self, runs: StoredRuns) -> None:
        runs.store.people.note_name(BEN, "é" * 300)
        assert runs.store.people.find_names() == {BEN: "é" * 100}
