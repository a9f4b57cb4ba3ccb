"""The claims as a visitor finds them: a button, its runs, the outcome, and the way to Compare; and the update rules."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mlpcore.analysis.claims.experiments import CLAIMS
from mlpcore.analysis.claims.wording import describe_claim
from mlpcore.data.download.sources import ARCHIVES
from mlpcore.jobs import manager, submission
from mlpcore.recipes.points import DataSource
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus, browser_owner
from pages.components.shared.state import count_test_images
from tests.support.app_tests import Open, figure, get_runs, says, shown, texts, wait_for

FULL = "⚠ 2 runs and comparisons are already waiting or training on this server. Try again when some are over."

FAST = "memorising"  # one image, 400 iterations, then 80


@pytest.fixture
def open_claims(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open the claims on Tiny, in a browser that keeps its cookie, or in another one."""

    def open_claims(owner: str = "ann") -> AppTest:
        monkeypatch.setattr(type(st.context), "cookies", {"mlp_owner": owner})
        page = open_page("concepts.py", concept="claims")
        return shown(page.selectbox(key="claims.dataset").select("Tiny").run())

    return open_claims


@pytest.fixture(scope="module")
def kept_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the runs of one experiment are kept, once a test has trained it."""
    return tmp_path_factory.mktemp("kept") / "home"


@pytest.fixture
def open_tried(open_claims: Callable[..., AppTest], kept_home: Path, tmp_path: Path) -> Callable[..., AppTest]:
    """Open the claims after ann has tried one of them; its runs are trained once for all tests."""
    if kept_home.exists():
        shutil.copytree(kept_home, tmp_path / "home", dirs_exist_ok=True)
    else:
        finish(open_claims())
        manager.shutdown()
        shutil.copytree(tmp_path / "home", kept_home)
    return open_claims


def try_it(page: AppTest, key: str = FAST) -> list[str]:
    shown(page.button(key=f"claims.try.{key}").click().run())
    return known(page)[-1]


def known(page: AppTest) -> list[list[str]]:
    """The runs of every experiment that this session knows some of, the newest last."""
    return sorted(
        (ids for ids in page.session_state["claims.runs"].values() if ids), key=lambda ids: get_runs(ids)[0].created
    )


def finish(page: AppTest, key: str = FAST) -> list[Run]:
    ids = try_it(page, key)
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    return get_runs(ids)


def results(page: AppTest) -> list[list[str]]:
    """The rows of the tables in which outcomes are told."""
    return [row for table in page.dataframe for row in table.value.values.tolist()]


def buttons(page: AppTest) -> list[str]:
    return [button.key for button in page.button if button.key and button.key.startswith("claims.")]


def test_every_claim_says_what_is_tried_and_by_which_rule_and_has_a_button(open_claims) -> None:
    page = open_claims()
    assert buttons(page) == [f"claims.try.{claim.key}" for claim in CLAIMS]
    for claim in CLAIMS:
        texts = describe_claim(claim, test_images=count_test_images(DataSource("Tiny")))
        assert any(str(texts.statement) in element.value for element in page.markdown)
        assert says(page, str(texts.experiment))
        assert says(page, str(texts.rule))
    assert says(page, "18 runs on Tiny, about")


def test_click_trains_the_experiment_and_states_what_was_measured(open_claims) -> None:
    page = open_claims()
    few, whole = finish(page)
    after_few, after_whole = few.evaluations[-1], whole.evaluations[-1]
    assert (few.recipe.train_size, whole.recipe.train_size) == (1, 80)
    assert [run.status for run in (few, whole)] == [RunStatus.FINISHED] * 2
    assert few.belongs_to(browser_owner("ann"))
    assert results(page) == [
        ["1", f"{after_few.train_eval_loss:.3f}", f"{after_few.test_acc:.1%}"],
        ["80", f"{after_whole.train_eval_loss:.3f}", f"{after_whole.test_acc:.1%}"],
    ]
    verdicts = [element.value for element in page.markdown if "-badge[" in element.value]
    assert len(verdicts) == 1
    panels = {(trace["name"], trace["yaxis"]) for trace in figure(page, f"claims.chart.{FAST}")["data"]}
    assert panels == {(f"train_size={size}", axis) for size in (1, 80) for axis in ("y", "y2")}


def test_outcome_is_found_again_after_a_reload_by_the_one_who_ran_it_only(open_tried) -> None:
    page = open_tried()
    (ids,) = known(page)
    assert [run.recipe.train_size for run in get_runs(ids)] == [1, 80]
    assert results(page)
    assert buttons(page).count(f"claims.compare.{FAST}") == 1
    assert known(open_tried("ben")) == []


def test_data_set_has_outcomes_of_its_own(open_tried) -> None:
    page = open_tried()
    assert results(page)
    shown(page.selectbox(key="claims.dataset").select("Shapes").run())
    assert not results(page)
    shown(page.selectbox(key="claims.dataset").select("Tiny").run())
    assert results(page)


@pytest.mark.parametrize("reloads", [False, True])
def test_outcome_on_a_folder_that_has_changed_since_is_not_shown_under_the_new_one(
    open_tried, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reloads: bool
) -> None:
    changing = tmp_path / "data"
    shutil.copytree(data, changing, symlinks=True)
    monkeypatch.setenv("MLPCORE_DATA", str(changing))
    page = open_tried()
    assert results(page)
    folder = changing / "Tiny" / "train" / "dark"
    (folder / "0.png").rename(folder / "other.png")  # as many images as before: the recipes are the same
    page = open_tried() if reloads else shown(page.run())
    assert not results(page)
    finish(page)
    assert results(page)


def test_second_data_set_makes_another_experiment_of_the_claim_that_takes_two(
    open_claims, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, archives in ARCHIVES.items():
        monkeypatch.setitem(ARCHIVES, name, replace(archives, installed=()))
    page = open_claims()
    assert says(page, "runs on Tiny, Shapes, about")
    ids = try_it(page, "adam_not_always")
    both = tmp_path / "data"
    shutil.copytree(data, both, symlinks=True)
    shutil.copytree(data / "Tiny", both / "Aaa")  # stands before Shapes
    monkeypatch.setenv("MLPCORE_DATA", str(both))
    shown(page.run())
    assert says(page, "runs on Tiny, Aaa, about")
    assert "claims.stop.adam_not_always" not in buttons(page)
    for run_id in ids:
        manager.shared_manager().stop(run_id, owner=browser_owner("ann"))


def test_while_it_goes_on_there_is_a_stop_and_then_nothing_is_decided(open_claims) -> None:
    page = open_claims()
    ids = try_it(page, "rates")
    assert "claims.try.rates" not in buttons(page)
    shown(page.button(key="claims.stop.rates").click().run())
    wait_for(page, lambda: all(run.status.is_over for run in get_runs(ids)))
    stopped = sum(run.status is RunStatus.STOPPED for run in get_runs(ids))
    assert stopped
    assert f"{stopped} of the 18 runs did not finish, so nothing is decided." in texts(page)
    assert any("Not decided here" in element.value for element in page.markdown)
    assert "claims.try.rates" in buttons(page)


def test_runs_that_were_deleted_are_said_to_be_gone(open_tried) -> None:
    page = open_tried()
    manager.shared_manager().store.delete(known(page)[-1][:1])
    shown(page.run())
    assert says(page, "Some of its runs were deleted. Try it again to decide the claim.")


def test_experiment_opens_in_compare(open_tried) -> None:
    page = open_tried()
    (ids,) = known(page)
    shown(page.button(key=f"claims.compare.{FAST}").click().run())
    assert page.session_state["compare.runs"] == ids


def test_start_that_is_refused_is_answered_with_a_sentence(open_claims, monkeypatch) -> None:
    page = open_claims()
    waiting = Recipe(dataset="Tiny", train_iter=200_000, eval_every=200, batch_size=8, hidden_sizes=(8,))
    monkeypatch.setattr(submission, "MAX_SUBMISSIONS", 2)
    for owner in ("ann", "ben"):
        manager.shared_manager().submit([waiting], owner=owner, names=["SGD"])
    shown(page.button(key=f"claims.try.{FAST}").click().run())
    assert FULL in texts(page)
    assert known(page) == []


class TestUpdateRules:
    def open(self, open_page: Open) -> AppTest:
        return open_page("concepts.py", concept="updates")

    @pytest.mark.parametrize(
        ("rule", "lines", "one", "two"),
        [
            ("SGD", 2, "0.985", "0.97"),
            ("momentum", 3, "0.985", "0.9565"),
            ("Nesterov", 4, "0.9715", "0.93085"),
            ("Adam", 6, "0.900000002", "0.800000004"),
        ],
    )
    def test_both_steps_are_written_out_and_torchs_are_the_same(
        self, open_page: Open, rule: str, lines: int, one: str, two: str
    ) -> None:
        page = self.open(open_page)
        shown(page.segmented_control(key="updates.rule").set_value(rule).run())
        first, second, surface = (element.value for element in page.latex)
        assert first.count("mathbf") == second.count("mathbf") == lines
        assert "f(x, y) = " in surface
        assert says(page, f"θ₁ = {one}, θ₂ = {two}. Written out: {one}, {two}.")

    def test_knobs_are_put_into_the_rule_and_the_race(self, open_page: Open) -> None:
        page = self.open(open_page)
        before = figure(page, "updates.race")
        shown(page.select_slider(key="updates.sgd_lr").set_value(0.01).run())
        assert any("0.01 \\cdot 0.5" in element.value for element in page.latex)
        after = figure(page, "updates.race")
        assert after["data"][1]["y"] != before["data"][1]["y"]
        assert after["data"][4]["y"] == before["data"][4]["y"]  # Adam has a rate of its own

    def test_momentum_of_0_makes_momentum_and_nesterov_plain_sgd(self, open_page: Open) -> None:
        page = self.open(open_page)
        shown(page.slider(key="updates.momentum").set_value(0.0).run())
        sgd, momentum, nesterov = figure(page, "updates.race")["data"][1:4]
        assert sgd["x"] == momentum["x"] == nesterov["x"]

    def test_steps_are_as_many_as_the_slider_says(self, open_page: Open) -> None:
        page = self.open(open_page)
        shown(page.slider(key="updates.steps").set_value(7).run())
        assert [len(trace["x"]) for trace in figure(page, "updates.race")["data"][1:5]] == [8] * 4

    @pytest.mark.parametrize("surface", ["valley", "Rosenbrock", "saddle"])
    def test_who_diverges_is_said_to_have_left(self, open_page: Open, surface: str) -> None:
        page = self.open(open_page)
        shown(page.selectbox(key="updates.surface").select(surface).run())
        assert not says(page, "left the frame")
        shown(page.select_slider(key="updates.sgd_lr").set_value(10.0).run())
        assert says(page, "SGD left the frame at step 1 and is not back")
        (frame,) = (element.value for element in page.dataframe)
        assert list(frame["f(x, y)"])[1:] == ["diverged"] * 3

    def test_start_is_each_surfaces_own(self, open_page: Open) -> None:
        page = self.open(open_page)
        shown(page.slider(key="updates.valley.x").set_value(-5.0).run())
        assert figure(page, "updates.race")["data"][1]["x"][0] == -5.0
        shown(page.selectbox(key="updates.surface").select("saddle").run())
        assert figure(page, "updates.race")["data"][1]["x"][0] == -2.5

    def test_a_rule_that_is_added_is_written_out_and_runs_in_the_race(self, open_page: Open) -> None:
        page = self.open(open_page)
        shown(page.multiselect(key="updates.added").select("NAdam").run())
        shown(page.segmented_control(key="updates.rule").set_value("NAdam").run())
        first, _second, _surface = (element.value for element in page.latex)
        assert first.count("mathbf") == 7
        assert says(page, "torch.optim.NAdam with these numbers: θ₁ = 0.894354823, θ₂ = 0.8159863886")
        paths = [trace["name"] for trace in figure(page, "updates.race")["data"] if "path" in trace["uid"]]
        assert paths == ["SGD", "Momentum", "Nesterov", "Adam", "NAdam"]
        shown(page.multiselect(key="updates.added").unselect("NAdam").run())
        assert says(page, "torch.optim.SGD with these numbers")

    def test_muon_is_written_out_and_raced_on_matrices_and_the_page_says_which(self, open_page: Open) -> None:
        page = self.open(open_page)
        shown(page.multiselect(key="updates.added").select("Muon").run())
        assert not says(page, "Muon takes matrices")
        shown(page.segmented_control(key="updates.rule").set_value("Muon").run())
        first, _second, _surface = (element.value for element in page.latex)
        assert r"O_1 &= \operatorname{NS}_5(d_1 / \max(|d_1|,\; \varepsilon))" in first
        assert r"\mathbf{0.6875}" in first
        assert says(page, "torch.optim.Muon with these numbers: θ₁ = 0.8625, θ₂ = 0.725. Written out: 0.8625, 0.725.")
        assert says(page, "Muon takes matrices: here θ is one of A × B = 1 × 1.")
        paths = [trace["name"] for trace in figure(page, "updates.race")["data"] if "path" in trace["uid"]]
        assert paths == ["SGD", "Momentum", "Nesterov", "Adam", "Muon"]
        assert says(page, "Muon needs a matrix, so it takes (x, y) as one with a single row.")

    @pytest.mark.parametrize("rule", ["Muon", "RMSprop"])
    def test_rule_that_is_added_shares_the_momentum(self, open_page: Open, rule: str) -> None:
        page = self.open(open_page)
        page.multiselect(key="updates.added").select(rule)
        page.slider(key="updates.momentum").set_value(0.8)
        shown(page.run())
        shown(page.segmented_control(key="updates.rule").set_value(rule).run())
        _first, second, _surface = (element.value for element in page.latex)
        assert r"0.8 \cdot " in second.split("b_2", 1)[1]
        shown(page.slider(key="updates.momentum").set_value(0.0).run())
