"""What a search does next, on its page: more trials, and wider ranges where the best lies at an edge."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.jobs import manager
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.sweeps import StoredSweep, SweepStatus
from mlpcore.sweeps.definition import read_definition
from mlpcore.sweeps.space import Range
from mlpcore.sweeps.trials import Trial, write_trial
from tests.support.app_tests import Open, says, shown, texts, wait_for
from tests.support.sweep_pages import find_sweep, finish, set_space
from tests.support.sweeps import result


class TestMoreTrials:
    def search(self, open_page: Open, sampler: str = "sobol", train_iter: int = 20) -> AppTest:
        """A search of four trials over lr, begun but not waited for."""
        first = open_page(dataset="Tiny", train_iter=str(train_iter), eval_every="10", batch_size="8", optimizer="SGD")
        page = set_space(shown(first.switch_page("sweep.py").run()), {"name": "lr", "values": "0.01, 0.1, 0.001"})
        page.number_input(key="sweep.trials").set_value(4).run()
        page.segmented_control(key="sweep.sampler").set_value(sampler).run()
        return shown(page.button(key="sweep.start_search").click().run())

    def test_search_that_is_over_goes_on_with_as_many_trials_as_are_asked_for(self, open_page: Open) -> None:
        page = self.search(open_page)
        wait_for(page, lambda: find_sweep(page).status.is_over)
        before = find_sweep(page).trials
        page.number_input(key="sweep.more").set_value(3).run()
        shown(page.button(key="sweep.add").click().run())
        wait_for(page, lambda: find_sweep(page).status.is_over)
        assert (find_sweep(page).trials[:4], len(find_sweep(page).trials)) == (before, 7)
        assert "7 of 7 trials · finished" in texts(page)

    def test_search_that_goes_on_is_made_longer(self, open_page: Open) -> None:
        page = self.search(open_page, "tpe", train_iter=200_000)
        shown(page.button(key="sweep.add").click().run())
        assert (find_sweep(page).definition.trials, find_sweep(page).status) == (20, SweepStatus.RUNNING)
        stranger = open_page("sweep.py", sweep=find_sweep(page).id)
        assert "sweep.add" not in [button.key for button in stranger.button]
        shown(page.button(key=f"sweep.stop.{find_sweep(page).id}").click().run())

    def test_more_trials_than_a_sweep_may_have_are_refused_in_a_sentence(self, open_page: Open) -> None:
        page = self.search(open_page)
        wait_for(page, lambda: find_sweep(page).status.is_over)
        page.number_input(key="sweep.more").set_value(1000).run()
        shown(page.button(key="sweep.add").click().run())
        assert "⚠ trials is 1004: it must be a whole number from 1 to 1,000." in texts(page)
        assert len(find_sweep(page).trials) == 4

    def test_grid_says_why_it_has_no_more(self, open_page: Open) -> None:
        page = self.search(open_page, "grid")
        wait_for(page, lambda: find_sweep(page).status.is_over)
        assert says(page, "A grid has a trial at each of its points: widen a range to get more.")
        assert "sweep.add" not in [button.key for button in page.button]

    @pytest.mark.parametrize(
        ("ends", "said"),
        [
            ([], "The sweep ended before its first trial."),
            (["diverged"], "Every trial diverged. Search lower learning rates."),
            (["diverged", "failed"], "No trial came to anything."),
        ],
    )
    def test_grid_that_came_to_nothing_says_so_and_trains_what_it_has_not_drawn(
        self, open_page: Open, ends: list[str], said: str
    ) -> None:
        page = open_page("sweep.py")
        row = Recipe(dataset="Tiny", train_iter=1, eval_every=1, batch_size=8, validation_size=8)
        definition = read_definition({"rows": [row], "space": {"lr": [0.1, 1.0, 10.0]}})
        kept = [
            write_trial(Trial(n, {"lr": lr}, (f"{n}",), False, result(None, status=end)))
            for n, (lr, end) in enumerate(zip((0.1, 1.0), ends, strict=False))
        ]
        about = ("0123456789ab", "a search", page.session_state["owner"], 1.7e9, SweepStatus.STOPPED)
        manager.shared_manager().store.sweeps.create(StoredSweep(*about, definition.model_dump_json(), tuple(kept)))
        page.query_params["sweep"] = "0123456789ab"
        assert said in texts(shown(page.run()))
        shown(page.button(key="sweep.rest").click().run())
        wait_for(page, lambda: find_sweep(page).status.is_over)
        assert [trial.point["lr"] for trial in find_sweep(page).trials] == [0.1, 1.0, 10.0]


class TestEdges:
    def show(self, open_page: Open, sampler: str, *rates: float) -> AppTest:
        """The page of a search over lr from 0.001 to 0.1, which is over and whose first trial is the best."""
        page = open_page("sweep.py")
        row = Recipe(dataset="Tiny", train_iter=1, eval_every=1, batch_size=8, validation_size=8)
        space = {"lr": [0.001, 0.01, 0.1] if sampler == "grid" else {"low": 0.001, "high": 0.1, "log": True}}
        definition = read_definition({"rows": [row], "space": space, "sampler": sampler, "trials": len(rates)})
        trials = [write_trial(Trial(n, {"lr": lr}, (f"{n}",), False, result(1 - n / 4))) for n, lr in enumerate(rates)]
        about = ("0123456789ab", "a search", page.session_state["owner"], 1.7e9, SweepStatus.FINISHED)
        manager.shared_manager().store.sweeps.create(StoredSweep(*about, definition.model_dump_json(), tuple(trials)))
        page.query_params["sweep"] = "0123456789ab"
        return shown(page.run())

    def test_range_is_widened_in_the_set_up_where_the_best_lies_at_its_edge(self, open_page: Open) -> None:
        page = self.show(open_page, "sobol", 0.095, 0.01)
        warning = "⚠ lr: the best trial has 0.095, at the upper end of what was tried (0.001 to 0.1). "
        assert f"{warning}A larger value may be better." in texts(page)
        shown(page.button(key="sweep.widen").click().run())
        assert [toast.value for toast in page.toast] == ["The set-up above now has the wider range. Press Start there."]
        (row,) = page.session_state["sweep.space"]
        assert (row["name"], row["low"], row["high"], row["log"]) == ("lr", 0.001, 0.3, True)
        assert page.segmented_control(key="sweep.sampler").value == "sobol"
        assert page.number_input(key="sweep.trials").value == 2
        sweep = finish(page, "sweep.start_search")
        assert sweep.id != "0123456789ab"
        assert sweep.definition.space["lr"] == Range(low=0.001, high=0.3, log=True)

    def test_grid_is_widened_in_place_and_keeps_its_trials(self, open_page: Open) -> None:
        page = self.show(open_page, "grid", 0.001, 0.01, 0.1)
        shown(page.button(key="sweep.widen").click().run())
        wait_for(page, lambda: find_sweep(page).status.is_over)
        assert [trial.point["lr"] for trial in find_sweep(page).trials] == [0.001, 0.01, 0.1, 1e-05, 1e-4]

    def test_best_within_the_range_has_no_warning(self, open_page: Open) -> None:
        page = self.show(open_page, "sobol", 0.01, 0.095)
        assert not [text for text in texts(page) if "may be better" in text]
        assert "sweep.widen" not in [button.key for button in page.button]
