"""What a schedule shows before training: drops marked where the rate falls, and the fixes of what looks wrong."""

import pytest
from hypothesis import given, strategies as st

from mlpcore.analysis.diagnoses.schedule_checks import Reduction, find_drops, find_reductions, find_warnings
from mlpcore.recipes.optimizers import Rprop
from mlpcore.recipes.recipe import (
    SGD,
    Adagrad,
    Adam,
    AnyScheduler,
    Change,
    CosineAnnealingLR,
    ExponentialLR,
    MultiStepLR,
    NoScheduler,
    OneCycleLR,
    Recipe,
    StepLR,
)
from mlpcore.recipes.schedulers import LinearLR, PolynomialLR, ReduceLROnPlateau, WarmupStableDecay
from mlpcore.training.schedules import preview_rates
from tests.support.histories import evaluation
from tests.support.recipes import schedulers


def plan(scheduler: AnyScheduler, train_iter: int) -> Recipe:
    return Recipe(optimizer=SGD(lr=1.0), scheduler=scheduler, train_iter=train_iter)


class TestDrops:
    @pytest.mark.parametrize(
        ("rates", "drops"),
        [
            ([], []),
            ([1.0], []),
            ([1.0, 1.0, 1.0], []),
            ([1.0, 1.0, 0.5, 0.5, 0.25], [3, 5]),
            ([1.0, 1.0, 0.9, 0.9], [3]),
            ([1.0, 1.0, 0.95, 0.95], []),
            ([0.1, 1.0, 0.1], [3]),
            ([0.0, 0.0, 0.0], []),
        ],
    )
    def test_a_drop_is_a_fall_by_a_tenth_or_more_at_once(self, rates, drops):
        assert find_drops(rates) == drops

    @pytest.mark.parametrize(
        ("scheduler", "drops"),
        [
            (StepLR(step_size=100, gamma=0.5), [101, 201]),
            (StepLR(step_size=100, gamma=0.9), [101, 201]),
            (MultiStepLR(milestones=(50, 270), gamma=0.1, warmup_iters=10), [61, 281]),
            (StepLR(step_size=300), []),
            (NoScheduler(warmup_iters=100), []),
            (CosineAnnealingLR(T_max=300), []),
            (ExponentialLR(gamma=0.999), []),
            (OneCycleLR(), []),
        ],
    )
    def test_drops_are_marked_where_a_schedule_steps_down_and_never_on_a_curve(self, scheduler, drops):
        assert find_drops(preview_rates(plan(scheduler, 300))) == drops


class TestReductions:
    SCHEDULER = ReduceLROnPlateau(factor=0.1, patience=0, warmup_iters=15)

    def find(
        self, losses: list[float], *, validated: bool = False, changes: list[Change] | None = None
    ) -> list[Reduction]:
        recipe = Recipe(
            optimizer=SGD(lr=1.0), scheduler=self.SCHEDULER, train_iter=80, eval_every=10, changes=tuple(changes or ())
        )
        rates = preview_rates(recipe, dict(zip(range(10, 81, 10), losses, strict=True)))
        name = "val_loss" if validated else "train_eval_loss"
        history = [
            evaluation(step, lr=rates[step - 1], **{name: loss})
            for step, loss in zip(range(10, 81, 10), losses, strict=True)
        ]
        return find_reductions(recipe, history)

    @pytest.mark.parametrize("validated", [True, False])
    def test_each_drop_has_the_evaluation_that_caused_it_and_its_loss(self, validated):
        found = self.find([1, 3, 2, 2.5, 1, 0.5, 0.6, 0.7], validated=validated)
        assert [(drop.step, drop.loss) for drop in found] == [(40, 2.5), (70, 0.6)]  # the last one changes nothing more
        assert [drop.before for drop in found] == pytest.approx([1.0, 0.1])
        assert [drop.after for drop in found] == pytest.approx([0.1, 0.01])

    def test_a_change_of_lr_is_no_such_drop(self):
        assert self.find([8, 7, 6, 5, 4, 3, 2, 1], changes=[Change(step=5, lr=0.5), Change(step=50, lr=0.1)]) == []
        (drop,) = self.find([9, 9, 8, 8, 4, 3, 2, 1], changes=[Change(step=40, lr=0.5), Change(step=65, lr=0.2)])
        assert (drop.step, drop.before, drop.after) == (40, 0.5, pytest.approx(0.05))
        (drop,) = self.find([9, 9, 8, 8, 4, 3, 2, 1], changes=[Change(step=45, lr=0.5)])  # after the drop
        assert (drop.step, drop.before, drop.after) == (40, 1.0, pytest.approx(0.1))


class TestWarnings:
    @pytest.mark.parametrize(
        "scheduler",
        [
            NoScheduler(),
            NoScheduler(warmup_iters=99),
            StepLR(step_size=99),
            StepLR(step_size=89, warmup_iters=10),
            MultiStepLR(milestones=(1, 99)),
            CosineAnnealingLR(T_max=100),
            CosineAnnealingLR(T_max=90, warmup_iters=10),
            ExponentialLR(),
            OneCycleLR(warmup_iters=50),
            LinearLR(total_iters=100),
            PolynomialLR(total_iters=90, warmup_iters=10),
            WarmupStableDecay(warmup_iters=10, stable_iters=60, decay_iters=30),
            ReduceLROnPlateau(patience=0, warmup_iters=99),
        ],
    )
    def test_a_schedule_that_the_run_follows_to_its_end_has_no_warning(self, scheduler):
        assert find_warnings(plan(scheduler, 100)) == []

    @pytest.mark.parametrize(
        ("scheduler", "sentence", "fix_label", "fix"),
        [
            (
                NoScheduler(warmup_iters=100),
                "The warm-up takes 100 iterations, but the run has only 100: the learning rate never reaches lr.",
                "Warm up for 10",
                {"warmup_iters": 10},
            ),
            (
                StepLR(step_size=100),
                "step_size is 100, but the run has 100 iterations: the learning rate never drops.",
                "Set step_size to 33",
                {"step_size": 33},
            ),
            (
                StepLR(step_size=1000, warmup_iters=40),
                "step_size is 1,000, but the run has 60 iterations: the learning rate never drops.",
                "Set step_size to 20",
                {"step_size": 20},
            ),
            (
                MultiStepLR(milestones=(50, 100, 2000)),
                "The run ends after 100 iterations, before the milestone 100: the rate never drops there.",
                "Set milestones to 50",
                {"milestones": (50,)},
            ),
            (
                LinearLR(total_iters=1000),
                "The line takes 1,000 iterations, but the run has 100: the rate does not reach its end.",
                "Set total_iters to 100",
                {"total_iters": 100},
            ),
            (
                WarmupStableDecay(warmup_iters=10),
                "The run ends after 90 iterations, before the decay begins: the rate never comes down.",
                "Set stable_iters to 60, decay_iters to 30",
                {"stable_iters": 60, "decay_iters": 30},
            ),
            (
                WarmupStableDecay(warmup_iters=10, stable_iters=60),
                "The run ends 870 iterations before the decay does: the rate does not come down to its end.",
                "Set decay_iters to 30",
                {"decay_iters": 30},
            ),
            (
                MultiStepLR(milestones=(1500, 2500)),
                "The run ends after 100 iterations, before the milestone 1,500: the rate never drops there.",
                "Set milestones to 50, 83",
                {"milestones": (50, 83)},
            ),
            (
                CosineAnnealingLR(T_max=60),
                "T_max is 60: the learning rate rises again in the last 39 of 100 iterations.",
                "Set T_max to 100",
                {"T_max": 100},
            ),
            (
                CosineAnnealingLR(T_max=3000, warmup_iters=20),
                "T_max is 3,000, but the run has 80 iterations: the rate never reaches eta_min.",
                "Set T_max to 80",
                {"T_max": 80},
            ),
        ],
    )
    def test_what_the_run_never_reaches_is_said_and_fixed(self, scheduler, sentence, fix_label, fix):
        recipe = plan(scheduler, 100)
        (warning,) = find_warnings(recipe)
        assert str(warning.sentence) == sentence
        assert str(warning.fix_label) == fix_label
        expected = recipe.model_dump() | {"scheduler": scheduler.model_dump() | fix}
        assert warning.fixed_recipe == Recipe.model_validate(expected)
        assert find_warnings(warning.fixed_recipe) == []

    def test_a_run_of_two_iterations_is_stable_for_one_and_decays_for_one(self):
        (warning,) = find_warnings(plan(WarmupStableDecay(warmup_iters=0), 2))
        assert warning.fixed_recipe.scheduler == WarmupStableDecay(warmup_iters=0, stable_iters=1, decay_iters=1)

    @pytest.mark.parametrize(
        ("patience", "eval_every", "count", "fix_label", "fixed"),
        [
            (8, 10, 9, "Set patience to 3", (3, 10)),
            (100, 1, 99, "Set patience to 48", (48, 1)),
            (2, 60, 1, "Set eval_every to 4, patience to 2", (2, 4)),
            (30, 200, 0, "Set eval_every to 4, patience to 11", (11, 4)),
        ],
    )
    def test_a_patience_that_the_run_does_not_outlast_is_said_and_fixed(
        self, patience, eval_every, count, fix_label, fixed
    ):
        recipe = plan(ReduceLROnPlateau(patience=patience), 100).replace(eval_every=eval_every)
        (warning,) = find_warnings(recipe)
        assert str(warning.sentence) == (
            f"With patience {patience}, the rate drops after {patience + 2} evaluations at the earliest, but the "
            f"run has only {count} before its end: the rate never drops."
        )
        assert str(warning.fix_label) == fix_label
        scheduler = ReduceLROnPlateau(patience=fixed[0])
        assert warning.fixed_recipe == recipe.replace(scheduler=scheduler, eval_every=fixed[1])
        assert find_warnings(warning.fixed_recipe) == []

    @given(data=st.data(), train_iter=st.integers(1, 300))
    def test_every_fix_is_a_valid_recipe_and_two_leave_nothing_to_warn_of(self, data, train_iter):
        scheduler = data.draw(schedulers(train_iter, iterations=st.integers(1, 1000)))
        recipe = plan(scheduler, train_iter)
        for _ in range(2):
            for warning in find_warnings(recipe):
                assert str(warning.sentence)
                assert str(warning.fix_label)
                assert warning.fixed_recipe != recipe
                recipe = Recipe.model_validate(warning.fixed_recipe.model_dump())
                assert recipe == warning.fixed_recipe
        assert find_warnings(recipe) == []

    @pytest.mark.parametrize("optimizer", [Adam(), Adagrad()])
    def test_a_warning_is_about_the_schedule_whatever_the_optimizer(self, optimizer):
        assert len(find_warnings(Recipe(optimizer=optimizer, train_iter=100))) == 1


def test_a_schedule_that_rprop_does_not_read_is_left_out_with_a_click():
    recipe = Recipe(optimizer=Rprop(), scheduler=StepLR(step_size=5000), train_size=64)
    (warning,) = find_warnings(recipe)
    assert str(warning.sentence) == "Rprop reads lr at its first iteration only: the schedule does nothing after it."
    assert warning.fixed_recipe == recipe.replace(scheduler=NoScheduler())
    assert find_warnings(warning.fixed_recipe) == []


def test_a_cosine_that_is_lowest_at_the_last_iteration_climbs_nowhere():
    assert find_warnings(Recipe(scheduler=CosineAnnealingLR(T_max=99), train_iter=100)) == []
