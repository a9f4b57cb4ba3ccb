"""The sweep page: recipes at many learning rates, the search of a space, links, and who may do what."""

import pytest

from mlpcore.jobs import manager
from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import RunStatus
from mlpcore.runs.sweeps import SweepStatus
from mlpcore.sweeps.files import to_json
from mlpcore.sweeps.manager import shared_sweeps
from mlpcore.sweeps.sensitivity import define_sensitivity
from mlpcore.sweeps.trials import Sweep, Trial, TrialResult
from tests.support.app_tests import Open, figure, shown, texts, wait_for
from tests.support.sweep_pages import find_sweep, finish, open_sweep, reads, set_space

LABELS = ["SGD", "SGD momentum=0.9", "SGD momentum=0.9 nesterov=on", "Adam"]


class TestLearningRates:
    def test_it_opens_with_the_lectures_four_and_says_how_many_runs_there_will_be(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        assert reads(page, "4 rows × 9 learning rates × 1 seed: 36 runs in lockstep.")
        assert reads(page, "8 held-out images choose the rates; the test images are for the verdict.")
        assert [trace["name"] for trace in figure(page, "sweep.rates")["data"]][::2] == LABELS

    def test_every_row_is_compared_at_its_own_best_rate_with_fresh_seeds(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        sweep = finish(page, "sweep.start")
        assert len([trial for trial in sweep.trials if not trial.is_fresh]) == 36
        fresh = [trial for trial in sweep.trials if trial.is_fresh]
        seeds = [manager.shared_manager().get(run_id).recipe.seed for run_id in fresh[0].run_ids]
        assert (len(fresh), seeds) == (4, [1, 2, 3, 4, 5])
        assert reads(page, "Each at its own best learning rate, ")
        table = next(frame.value for frame in page.dataframe if "best lr" in frame.value.columns)
        assert list(table["recipe"]) == LABELS
        assert table["test accuracy"].notna().all()
        assert dict(page.query_params) == {"sweep": sweep.id}

    def test_rows_of_a_comparison_that_differ_only_in_lr_are_one_row(self, open_page: Open) -> None:
        page = open_page(
            "compare.py", dataset="Tiny", train_iter="20", rows="3", **{"2.lr": "0.1", "3.weight_decay": "0"}
        )
        shown(page.button(key="compare.tune").click().run())
        assert reads(page, "2 rows × 9 learning rates × 1 seed: 18 runs in lockstep.")
        page.switch_page("sweep.py").run()
        shown(page.button(key="sweep.forget").click().run())
        assert reads(page, "4 rows × 9 learning rates × 1 seed: 36 runs in lockstep.")

    def test_rows_of_different_data_sets_are_refused_in_a_sentence_and_start_waits(self, open_page: Open) -> None:
        page = open_page("compare.py", dataset="Tiny", train_iter="20", rows="2", **{"2.dataset": "Shapes"})
        shown(page.button(key="compare.tune").click().run())
        refused = "⚠ The rows of a sweep must agree in dataset, so that their accuracies can be compared."
        assert refused in texts(page)
        assert page.button(key="sweep.start").disabled

    def test_grid_is_widened_where_a_best_rate_lies_at_its_edge_and_keeps_its_trials(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        row = Recipe(dataset="Tiny", train_iter=1, eval_every=1, batch_size=8, validation_size=8)
        definition = define_sensitivity([row], seeds=1, low=1e-2, high=1e-1)  # one step is enough at any of these
        sweeps, owner = shared_sweeps(), page.session_state["owner"]
        sweep_id = sweeps.start(definition, owner=owner, name="short")
        page.query_params["sweep"] = sweep_id
        shown(page.run())
        wait_for(page, lambda: find_sweep(page).status.is_over)
        before = find_sweep(page)
        assert reads(page, "the best rate is the lowest one tried (0.01), so a lower one may be better.")
        shown(page.button(key="sweep.widen").click().run())
        wait_for(page, lambda: find_sweep(page).status.is_over)
        after = find_sweep(page)
        assert after.trials[: len(before.trials)] == before.trials
        assert [one.point["lr"] for one in after.trials[len(before.trials) :]][:2] == [0.001, 0.003162]


class TestLinks:
    def test_link_opens_the_sweep_and_only_its_owner_can_stop_it(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        page.number_input(key="sweep.train_iter").set_value(200_000).run()
        shown(page.button(key="sweep.start").click().run())
        wait_for(page, lambda: bool(find_sweep(page).trials))
        assert f"sweep.stop.{find_sweep(page).id}" in [button.key for button in page.button]
        stranger = open_page("sweep.py", sweep=find_sweep(page).id)
        assert stranger.session_state["sweep.shown"] == find_sweep(page).id
        assert f"sweep.stop.{find_sweep(page).id}" not in [button.key for button in stranger.button]
        shown(page.button(key=f"sweep.pause.{find_sweep(page).id}").click().run())
        assert find_sweep(page).status is SweepStatus.PAUSED
        shown(page.button(key=f"sweep.stop.{find_sweep(page).id}").click().run())
        assert find_sweep(page).status is SweepStatus.STOPPED

    def test_sweep_that_is_not_here_is_said_to_be_missing(self, open_page: Open) -> None:
        page = open_page("sweep.py", sweep="0123456789ab")
        assert reads(page, "The sweep that this address names is not kept here.")
        assert "sweep.start" in [button.key for button in page.button]


class TestDeletion:
    def test_sweep_is_deleted_by_its_owner_alone_and_its_runs_stay(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        page.number_input(key="sweep.seeds").set_value(1).run()
        sweep = finish(page, "sweep.start")
        stranger = open_page("sweep.py", sweep=sweep.id)
        assert "sweep.delete.now" not in [button.key for button in stranger.button]
        with pytest.raises(SentenceError, match="Only the person who started this sweep can do that"):
            shared_sweeps().delete(sweep.id, owner=stranger.session_state["owner"])
        shown(page.button(key="sweep.delete.now").click().run())
        assert shared_sweeps().get(sweep.id) is None
        assert "sweep.start" in [button.key for button in page.button]
        assert manager.shared_manager().get(sweep.trials[0].run_ids[0]).status is RunStatus.FINISHED


class TestSearch:
    def test_space_stays_as_it_was_left_when_the_set_up_is_folded_and_on_another_page(self, open_page: Open) -> None:
        page = set_space(open_page("sweep.py"), {"name": "lr", "values": "0.1, 0.2"})
        shown(page.switch_page("history.py").run())
        page.query_params.clear()
        shown(page.switch_page("sweep.py").run())
        assert [row["values"] for row in page.session_state["sweep.space"]] == ["0.1, 0.2"]

    def test_hyperparameter_that_is_named_twice_is_refused_rather_than_overwritten(self, open_page: Open) -> None:
        page = set_space(open_page("sweep.py"), {"name": "lr", "values": "0.1"}, {"name": "lr", "values": "0.2"})
        assert "⚠ space lists lr twice." in texts(page)
        assert page.button(key="sweep.start_search").disabled

    def test_what_is_wrong_with_a_space_is_said_and_start_waits(self, open_page: Open) -> None:
        page = set_space(open_page("sweep.py"), {"name": "lr", "low": 0.5, "high": 0.1, "log": True})
        assert "⚠ lr ranges from 0.5 to 0.1: the first must be below the second." in texts(page)
        assert page.button(key="sweep.start_search").disabled

    def test_trials_are_pruned_only_if_asked_and_never_those_of_a_grid(self, open_page: Open) -> None:
        first = open_page(dataset="Tiny", train_iter="20", eval_every="10", batch_size="8")
        page = set_space(first.switch_page("sweep.py").run(), {"name": "lr", "values": "0.01, 0.1"})
        page.number_input(key="sweep.trials").set_value(2).run()
        assert not page.toggle(key="sweep.prune").value
        shown(page.toggle(key="sweep.prune").set_value(True).run())
        page.segmented_control(key="sweep.sampler").set_value("grid").run()
        assert page.toggle(key="sweep.prune").disabled
        assert not finish(page, "sweep.start_search").definition.prune

    def test_search_names_its_best_trial_and_opens_it_in_the_playground(self, open_page: Open) -> None:
        first = open_page(dataset="Tiny", train_iter="20", eval_every="10", batch_size="8")
        page = shown(first.switch_page("sweep.py").run())
        optimizers: dict[str, object] = {"name": "optimizer", "values": "SGD, Adam"}
        set_space(page, optimizers, {"name": "lr", "low": 1e-3, "high": 1e-1, "log": True})
        page.segmented_control(key="sweep.sampler").set_value("sobol").run()
        page.number_input(key="sweep.trials").set_value(6).run()
        assert reads(page, "6 trials, 1 seed each. All of them can train together, 16 at a time.")
        sweep = finish(page, "sweep.start_search")
        assert len(sweep.trials) == 6
        for view in ("best", "parallel", "slice", "importance", "map"):
            shown(page.segmented_control(key="sweep.view").set_value(view).run())
        best = max(sweep.trials, key=lambda trial: trial.score)
        assert reads(page, f"**Best: {best.score:.1%}** of 8 held-out images")
        shown(page.button(key="sweep.best").click().run())
        assert page.query_params["optimizer"] == best.point["optimizer"]
        assert float(page.query_params["lr"]) == best.point["lr"]


class TestEqualBudgets:
    def test_rows_get_the_same_trials_and_the_fastest_is_seen_in_the_profile(self, open_page: Open) -> None:
        page = open_sweep(open_page)
        page.segmented_control(key="sweep.kind").set_value("budget").run()
        shown(page.multiselect(key="sweep.budget.datasets").set_value(["Tiny"]).run())
        sweep = finish(page, "sweep.start_budget")
        rates = [[trial.point["lr"] for trial in sweep.trials if trial.point["row"] == row] for row in range(4)]
        assert [len(own) for own in rates] == [15] * 4
        assert rates[0] == rates[1] == rates[2] == rates[3]
        shown(page.number_input(key=f"sweep.target.{sweep.id}").set_value(50.0).run())
        table = next(frame.value for frame in page.dataframe if "Tiny" in frame.value.columns)
        profile = {trace["name"]: trace["y"] for trace in figure(page, "sweep.profile")["data"]}
        fastest = table["Tiny"].min()
        assert fastest in (2, 4, 6, 8, 10)  # evaluations are two steps apart
        for label, steps in zip(table["recipe"], table["Tiny"], strict=True):
            assert profile[label][0] == (1.0 if steps == fastest else 0.0)


class TestFiles:
    def test_sweep_that_was_saved_is_shown_again_to_the_one_who_imports_it(self, open_page: Open) -> None:
        definition = define_sensitivity([Recipe(dataset="Tiny", validation_size=8)], seeds=1, low=0.01, high=0.1)
        measured = TrialResult(("finished",), (4,), ((0.75,),), (0.75,), (0.5,), (4,))
        trials = tuple(Trial(n, {"lr": lr}, (f"{n}",), False, measured) for n, lr in enumerate((0.01, 0.03162, 0.1)))
        sweep = Sweep("1", "from elsewhere", "somebody", 1.7e9, SweepStatus.FINISHED, definition, trials)
        page = open_page("sweep.py")
        file = ("sweep.json", to_json([sweep]).encode(), "application/json")
        shown(page.file_uploader(key="sweep.file").set_value(file).run())
        imported = find_sweep(page)
        assert (imported.name, imported.trials) == ("from elsewhere", trials)
        assert imported.belongs_to(page.session_state["owner"])
        (table,) = (frame.value for frame in page.dataframe if "best lr" in frame.value.columns)
        assert list(table["validation accuracy"]) == [75.0]
        assert "sweep.widen" in [button.key for button in page.button]
        assert {"sweep.csv", "sweep.json"} <= {button.key for button in page.get("download_button")}

    def test_file_that_is_no_sweep_is_refused_and_what_is_shown_stays(self, open_page: Open) -> None:
        page = open_page("sweep.py")
        shown(page.file_uploader(key="sweep.file").set_value(("x.json", b"{}", "application/json")).run())
        assert reads(page, "This file does not contain a sweep that this program saved")
        assert "sweep" not in page.query_params
