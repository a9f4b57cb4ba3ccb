"""The admin's page: for those alone whom the server names, with the power to end, to delete and to set quotas."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.messages import BAD_ADMINS, StoreError
from mlpcore.runs.records import RunStatus, browser_owner, person_owner
from mlpcore.runs.store import RunStore
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps import manager as sweeps
from tests.support.app_tests import Open, is_over, shown, texts, wait_for
from tests.support.history_page import make_run
from tests.support.present import present
from tests.support.stores import list_runs
from tests.support.sweeps import define

ROOT = {"is_logged_in": True, "iss": "https://id.example", "sub": "42", "name": "Root"}
ANNA = ROOT | {"sub": "1", "name": "Anna"}
ANNAS, BENS = person_owner("https://id.example", "1"), browser_owner("ben")
ENDLESS = Recipe(dataset="Tiny", batch_size=8, hidden_sizes=(8,), train_iter=200_000, eval_every=200, device="cpu")


@pytest.fixture(autouse=True)
def admins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPCORE_ADMINS", "https://id.example 42")


def open_admin(open_page: Open, view: str = "runs", *, user: dict[str, object] = ROOT, **state: object) -> AppTest:
    page = open_page()
    page.user = user
    shown(page.run())
    page.query_params.clear()
    for name, value in ({"admin.view": view} | state).items():
        page.session_state[name] = value
    return shown(page.switch_page("admin.py").run())


def people(page: AppTest) -> list[str]:
    return list(page.dataframe[0].value["person"])


def choose_person(page: AppTest, owner: str) -> AppTest:
    return shown(page.selectbox(key="admin.person").set_value(owner).run())


class TestRight:
    @pytest.mark.parametrize(
        "user",
        [{}, ANNA, ROOT | {"iss": "https://other.example"}, ROOT | {"is_logged_in": False}, {"sub": "42"}],
    )
    def test_nobody_else_gets_the_page(self, open_page: Open, page_store: RunStore, user: dict[str, object]) -> None:
        page_store.create_many([make_run("a", owner=ANNAS)])
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            open_admin(open_page, user=user)

    def test_an_admin_without_accounts_is_nobody(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MLPCORE_ADMINS")
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            open_admin(open_page)

    def test_names_of_admins_that_cannot_be_read_are_said_where_runs_are_started(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLPCORE_ADMINS", "root@example.org")
        page = open_page()
        page.user = ROOT
        shown(page.run())
        assert [error.value for error in page.error] == [str(StoreError(BAD_ADMINS))]

    def test_everybody_reads_the_name_of_their_account_and_it_is_noted(
        self, open_page: Open, page_store: RunStore
    ) -> None:
        page = open_page()
        page.user = ANNA
        shown(page.run())
        assert "https://id.example 1" in [one.value for one in page.code]
        assert page_store.people.find_names() == {ANNAS: "Anna"}


class TestRuns:
    def test_runs_of_all_people_are_listed_with_whose_they_are(self, open_page: Open, page_store: RunStore) -> None:
        page_store.people.note_name(ANNAS, "Anna ![](http://a.example/x)")
        mine = [
            make_run("a", owner=ANNAS),
            make_run("b", owner=BENS, created=2.0),
            make_run("c", owner="", created=3.0),
        ]
        page_store.create_many([*mine, make_run("d", owner=person_owner("x", "y"), created=4.0)])
        page = open_admin(open_page)
        digits = BENS.removeprefix("browser:")[:6]
        first, *others = people(page)
        assert re.fullmatch("account [0-9a-f]{6}", first)
        assert others == ["command line", f"browser {digits}", "Anna ![](http://a.example/x)"]
        assert list(choose_person(page, ANNAS).dataframe[0].value["name"]) == ["run a"]
        assert list(choose_person(page, "").dataframe[0].value["name"]) == ["run c"]
        assert not [one for one in page.markdown if "a.example" in one.value]

    def test_an_admin_stops_and_deletes_a_run_of_somebody_else_and_takes_it_back(self, open_page: Open) -> None:
        page = open_admin(open_page)
        runs = manager.shared_manager()
        (run_id,) = runs.submit([ENDLESS], owner=ANNAS, names=["Annas"])
        page.session_state["history.chosen"] = [run_id]
        shown(page.run())
        assert page.button(key="history.delete").disabled
        shown(page.button(key="history.stop").click().run())
        wait_for(page, is_over(run_id))
        wait_for(page, lambda: runs.store.get(run_id).status is RunStatus.STOPPED)
        shown(page.button(key="history.delete").click().run())
        shown(page.button(key="history.confirm").click().run())
        assert runs.store.count() == 0
        shown(page.button(key="history.undo").click().run())
        assert runs.store.get(run_id).owner == ANNAS

    def test_who_may_not_end_a_run_has_no_way_to(self, open_page: Open, page_store: RunStore) -> None:
        running = make_run("a", owner=BENS, status=RunStatus.RUNNING)
        page_store.create_many([running, make_run("b", owner=BENS)])
        for user in ({}, ANNA):
            page = open_page("history.py")
            page.user = user
            page.session_state["history.chosen"] = ["a", "b"]
            shown(page.run())
            assert "history.stop" not in [button.key for button in page.button]
            assert page.button(key="history.delete").disabled

    def test_ones_own_run_that_goes_on_is_stopped_in_the_history(self, open_page: Open) -> None:
        page = open_page("history.py")
        page.session_state["owner"] = BENS
        (run_id,) = manager.shared_manager().submit([ENDLESS], owner=BENS, names=["Bens"])
        page.session_state["history.chosen"] = [run_id]
        shown(page.run())
        shown(page.button(key="history.stop").click().run())
        wait_for(page, is_over(run_id))


class TestPeople:
    def test_each_has_a_row_and_what_they_store(self, open_page: Open, page_store: RunStore) -> None:
        page_store.people.note_name(ANNAS, "Anna")
        page_store.people.set_quota(ANNAS, 2e9)
        page_store.create_many([make_run("a", owner=ANNAS), make_run("b", owner=ANNAS), make_run("c", owner="")])
        page = open_admin(open_page, "people")
        (frame,) = (element.value for element in page.dataframe)
        assert frame[["person", "runs", "quota, GB"]].fillna(0).to_numpy().tolist() == [
            ["command line", 1, 0.0],
            ["Anna", 2, 2.0],
        ]
        assert "2 runs stored, 0.0 MB." in texts(choose_person(page, ANNAS))
        assert not [one for one in choose_person(page, "").number_input if "admin.quota" in str(one.key)]

    def test_without_runs_there_is_nobody(self, open_page: Open) -> None:
        assert "Nobody has stored a run yet." in texts(open_admin(open_page, "people"))

    def test_quota_of_one_person_is_set_and_everybodys_again(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", owner=ANNAS)])
        page = choose_person(open_admin(open_page, "people"), ANNAS)
        page.number_input(key=f"admin.quota.{ANNAS}").set_value(0.5)
        shown(page.button(key="admin.set_quota").click().run())
        assert page_store.people.get_quota(ANNAS) == 5e8
        shown(page.button(key="admin.unset_quota").click().run())
        assert page_store.people.get_quota(ANNAS) is None

    def test_all_runs_of_a_person_are_deleted_after_a_question(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", owner=ANNAS), make_run("b", owner=ANNAS, starred=True)])
        page_store.create_many([make_run("c", owner=BENS)])
        page = choose_person(open_admin(open_page, "people"), ANNAS)
        shown(page.button(key="admin.delete_all").click().run())
        name = f"account {ANNAS.removeprefix('person:')[:6]}"
        question = f"1 run of {name} that is over and has no star will be deleted. {name} can undo it for a minute."
        assert question in texts(page)
        shown(page.button(key="admin.confirm_all").click().run())
        assert sorted(run.id for run in list_runs(page_store)) == ["b", "c"]

    def test_the_last_run_of_the_chosen_person_may_go(self, open_page: Open, page_store: RunStore) -> None:
        page_store.create_many([make_run("a", owner=ANNAS), make_run("c", owner=BENS)])
        page = choose_person(open_admin(open_page, "people"), ANNAS)
        page_store.delete(["a"])
        assert len(people(shown(page.run()))) == 1


def test_sweep_of_somebody_else_is_stopped(open_page: Open) -> None:
    page = open_admin(open_page, "sweeps")
    assert "No sweep is going on." in texts(page)
    running = sweeps.shared_sweeps()
    sweep_id = running.start(define(ENDLESS.replace(validation_size=8)), owner=ANNAS, name="Annas sweep")
    shown(page.run())
    shown(page.button(key=f"admin.stop.{sweep_id}").click().run())
    assert present(running.get(sweep_id)).status is SweepStatus.STOPPED
    wait_for(page, lambda: not manager.shared_manager().list_active())
    assert "No sweep is going on." in texts(page)


def test_tiles_tell_what_the_server_does(open_page: Open) -> None:
    page = open_admin(open_page)
    runs = manager.shared_manager()
    (run_id,) = runs.submit([ENDLESS], owner=ANNAS, names=["Annas"])
    wait_for(page, lambda: runs.store.count_by_status().get(RunStatus.RUNNING) == 1)
    wait_for(page, lambda: runs.measure_load().steps_per_second > 0)
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Running"] == "1"
    assert figures["Queued"] == "0"
    assert float(figures["Iterations per second"].replace(",", "")) > 0
    assert re.fullmatch(r"0\.\d / \d+\.\d GB", figures["Memory"])
    runs.stop(run_id, owner=ANNAS)
