"""The first half of the concepts page, as a visitor finds it: losses, the network, activations, schedules."""

import pytest
from streamlit.testing.v1 import AppTest

from mlpcore.concepts.plateau import follow_example
from mlpcore.recipes.recipe import SCHEDULERS, CosineAnnealingLR, MultiStepLR, Recipe, StepLR
from mlpcore.training.schedules import preview_rates
from pages.components.concepts.schedules import ANOTHER
from tests.support.app_tests import Open, figure, says, shown


def open_concept(open_page: Open, concept: str) -> AppTest:
    return open_page("concepts.py", concept=concept)


def formulas(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown if "$" in element.value)


def trace(page: AppTest, key: str, uid: str) -> dict:
    return next(trace for trace in figure(page, key)["data"] if trace["uid"] == uid)


def test_address_chooses_the_concept_and_says_which_one_is_shown(open_page: Open) -> None:
    page = open_concept(open_page, "activations")
    assert page.session_state["concept"] == "activations"
    page.button_group(key="concept").set_value("schedules")
    shown(page.run())
    assert page.query_params["concept"] == ["schedules"] or page.query_params["concept"] == "schedules"


def test_an_unknown_concept_in_the_address_shows_the_first(open_page: Open) -> None:
    page = open_concept(open_page, "sorcery")
    assert page.session_state["concept"] == "losses"


class TestLosses:
    def test_bars_are_the_probabilities_and_the_gradient(self, open_page: Open) -> None:
        page = open_concept(open_page, "losses")
        assert trace(page, "losses", "probabilities")["y"] == [0.64391, 0.23688, 0.087144, 0.032059]
        assert trace(page, "losses", "gradient")["y"] == [-0.35609, 0.23688, 0.087144, 0.032059]

    def test_true_class_moves_the_label_and_the_loss(self, open_page: Open) -> None:
        page = open_concept(open_page, "losses")
        page.button_group(key="losses.true").set_value(3)
        shown(page.run())
        assert trace(page, "losses", "labels")["y"] == [0, 0, 0, 1]
        assert r"\mathbf{3.44}" in formulas(page)

    def test_a_thousand_more_breaks_the_notes_softmax_and_not_the_shifted_one(self, open_page: Open) -> None:
        page = open_concept(open_page, "losses")
        assert says(page, "Both ways agree here.")
        shown(page.select_slider(key="losses.shift").set_value(1000).run())
        plain, shifted = (table.value for table in page.dataframe)
        assert plain["p"].tolist() == ["nan"] * 4 + ["", "nan"]
        assert shifted["p"].tolist() == ["0.6439", "0.2369", "0.08714", "0.03206", "", "1"]
        assert says(page, "infinity divided by infinity is not a number")

    def test_logits_far_below_0_show_what_the_epsilon_costs(self, open_page: Open) -> None:
        page = open_concept(open_page, "losses")
        shown(page.select_slider(key="losses.shift").set_value(-20).run())
        assert says(page, "the probabilities add up to 0.7028 instead of 1")


class TestNetwork:
    def test_values_and_gradients_appear_one_step_after_the_other(self, open_page: Open) -> None:
        page = open_concept(open_page, "network")
        counts = []
        for _step in range(13):
            drawn = [figure(page, f"network.{way}")["data"] for way in ("forward", "backward")]
            counts.append(tuple(sum(trace["type"] == "heatmap" for trace in traces) for traces in drawn))
            shown(page.button(key="network.next").click().run())
        assert counts == [(n, 0) for n in range(5, 11)] + [(10, n) for n in (1, 2, 4, 5, 6, 8, 8)]
        assert page.button(key="network.next").disabled
        assert r"\to" in formulas(page)

    def test_update_shows_the_new_weights_and_then_the_new_loss(self, open_page: Open) -> None:
        page = open_concept(open_page, "network")
        before = trace(page, "network.forward", "W₁")["z"]
        shown(page.slider(key="network.step").set_value(6).run())
        loss = trace(page, "network.forward", "L")["z"][0][0]
        shown(page.slider(key="network.step").set_value(13).run())
        assert trace(page, "network.forward", "W₁")["z"] != before
        assert trace(page, "network.forward", "L")["z"][0][0] == loss
        shown(page.slider(key="network.step").set_value(14).run())
        assert trace(page, "network.forward", "L")["z"][0][0] < loss

    def test_picture_of_the_network_follows_the_steps(self, open_page: Open) -> None:
        page = open_concept(open_page, "network")
        known = []
        for step in (1, 3, 5):
            shown(page.slider(key="network.step").set_value(step).run())
            nodes = [trace(page, "network.picture", f"nodes-{layer}") for layer in range(3)]
            known.append(["?" not in layer["text"][0] for layer in nodes])
        assert known == [[True, False, False], [True, True, False], [True, True, True]]
        assert [len(layer["y"]) for layer in nodes] == [10, 20, 1]

    def test_chosen_unit_and_input_are_written_out(self, open_page: Open) -> None:
        page = open_concept(open_page, "network")
        page.slider(key="network.step").set_value(12)
        page.slider(key="network.unit").set_value(3)
        shown(page.slider(key="network.feature").set_value(4).run())
        assert r"\partial W_{1,3,4}" in formulas(page)

    def test_back_goes_back(self, open_page: Open) -> None:
        page = open_concept(open_page, "network")
        assert page.button(key="network.back").disabled
        shown(page.button(key="network.next").click().run())
        shown(page.button(key="network.back").click().run())
        assert page.slider(key="network.step").value == 1


def test_values_stay_when_another_concept_was_looked_at(open_page: Open) -> None:
    page = open_concept(open_page, "activations")
    page.slider(key="activations.x").set_value(-2.0)
    shown(page.slider(key="activations.depth").set_value(9).run())
    for concept in ("network", "activations"):
        page.button_group(key="concept").set_value(concept)
        shown(page.run())
    assert (page.slider(key="activations.x").value, page.slider(key="activations.depth").value) == (-2.0, 9)


def test_activations_are_read_off_at_x(open_page: Open) -> None:
    page = open_concept(open_page, "activations")
    shown(page.slider(key="activations.x").set_value(0.0).run())
    table = page.dataframe[0].value
    assert table.iloc[:, 0].tolist() == ["sigmoid", "tanh", "ReLU"]
    assert table["value"].tolist() == ["0.5", "0", "0"]
    assert table["derivative"].tolist() == ["0.25", "1", "0"]
    assert table["derivative ^ 5"].tolist() == ["9.77e-4", "1", "0"]
    assert says(page, "5 layers pass on at most 0.25^5 = 9.77e-4 of it")


class TestSchedules:
    @pytest.mark.parametrize(
        "scheduler",
        [
            StepLR(step_size=40, gamma=0.1),
            MultiStepLR(milestones=(30, 80), gamma=0.1),
            CosineAnnealingLR(T_max=20),
        ],
        ids=lambda scheduler: scheduler.name,
    )
    def test_curves_are_torchs_with_the_notes_numbers(self, open_page: Open, scheduler) -> None:
        page = open_concept(open_page, "schedules")
        curve = trace(page, f"schedules.{scheduler.name}", "schedule")
        assert curve["x"] == list(range(1, 101))
        expected = preview_rates(Recipe(scheduler=scheduler, train_iter=100))
        assert curve["y"] == pytest.approx(expected, rel=1e-4, abs=1e-9)

    def test_every_other_scheduler_can_be_chosen_and_opened(self, open_page: Open) -> None:
        page = open_concept(open_page, "schedules")
        lecture = {"none", "StepLR", "MultiStepLR", "CosineAnnealingLR"}
        assert set(page.selectbox(key="schedules.another").options) == SCHEDULERS.keys() - lecture
        for name, example in ANOTHER.items():
            shown(page.selectbox(key="schedules.another").select(name).run())
            recipe = Recipe(scheduler=example, train_iter=100, eval_every=1)
            follows = name == "ReduceLROnPlateau"
            expected = follow_example(recipe).rates if follows else preview_rates(recipe)
            assert trace(page, f"schedules.{name}", "schedule")["y"] == pytest.approx(expected, rel=1e-4, abs=1e-9)
        page.slider(key="schedules.ReduceLROnPlateau.patience").set_value(3)
        shown(page.button(key="schedules.open.ReduceLROnPlateau").click().run())
        assert page.number_input(key="knob.ReduceLROnPlateau.patience").value == 3

    def test_the_rule_of_a_plateau_counts_the_losses_before_its_first_drop(self, open_page: Open) -> None:
        page = open_concept(open_page, "schedules")
        shown(page.selectbox(key="schedules.another").select("ReduceLROnPlateau").run())
        for patience, said in (
            (5, "At step 27, the last 6 losses are not below b: the rate drops from η to η′."),
            (0, "At step 14, the last 1 loss is not below b: the rate drops from η to η′."),
            (30, "At step 52, the last 31 losses are not below b: the rate drops from η to η′."),
        ):
            shown(page.slider(key="schedules.ReduceLROnPlateau.patience").set_value(patience).run())
            assert says(page, said)
            assert r"\text{best} \cdot (1 - \text{threshold})" in page.latex[0].value
        shown(page.slider(key="schedules.train_iter").set_value(20).run())
        assert says(page, "The rate does not drop here: the loss still falls, or too few iterations are left.")

    def test_equal_milestones_are_one(self, open_page: Open) -> None:
        page = open_concept(open_page, "schedules")
        shown(page.slider(key="schedules.milestones").set_value((50, 50)).run())
        rates = trace(page, "schedules.MultiStepLR", "schedule")["y"]
        assert (rates[49], rates[50], rates[99]) == (0.01, 0.001, 0.001)

    def test_a_schedule_opens_in_the_playground(self, open_page: Open) -> None:
        page = open_concept(open_page, "schedules")
        page.slider(key="schedules.T_max").set_value(25)
        page.select_slider(key="schedules.lr").set_value(0.1)
        shown(page.button(key="schedules.open.CosineAnnealingLR").click().run())
        assert page.selectbox(key="knob.scheduler").value == "CosineAnnealingLR"
        assert page.number_input(key="knob.CosineAnnealingLR.T_max").value == 25
        rates = trace(page, "preview", "schedule")
        assert rates["x"] == list(range(1, 101))
        assert (rates["y"][0], rates["y"][25]) == (0.1, 0)

    def test_what_the_visitor_chose_on_the_playground_is_kept(self, open_page: Open) -> None:
        page = open_page(optimizer="Adam", batch_size="32")
        page.switch_page("concepts.py")
        page.query_params["concept"] = "schedules"
        shown(page.run())
        shown(page.button(key="schedules.open.StepLR").click().run())
        assert page.selectbox(key="knob.optimizer").value == "Adam"
        assert page.number_input(key="knob.batch_size").value == 32
        assert page.selectbox(key="knob.dataset").value == "Tiny"
        assert page.number_input(key="knob.StepLR.step_size").value == 40
