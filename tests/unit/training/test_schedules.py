"""The preview is the schedule: literal tables, and changes while a run goes on."""

import inspect
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, example, given, settings, strategies as st

from mlpcore.recipes.recipe import (
    SGD,
    AnyScheduler,
    Change,
    CosineAnnealingLR,
    ExponentialLR,
    MultiStepLR,
    NoScheduler,
    OneCycleLR,
    Recipe,
    RMSprop,
    StepLR,
)
from mlpcore.recipes.schedulers import (
    ConstantLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LinearLR,
    PolynomialLR,
    ReduceLROnPlateau,
    WarmupStableDecay,
)
from mlpcore.recipes.stages import count_known_rates
from mlpcore.training.optimizers import build_optimizer
from mlpcore.training.schedules import Schedule, preview_rates
from tests.support.recipes import recipes


def plan(scheduler: AnyScheduler, train_iter: int, *, lr: float = 1.0, changes: tuple[Change, ...] = ()) -> Recipe:
    optimizer = SGD(lr=lr)
    return Recipe(optimizer=optimizer, scheduler=scheduler, train_iter=train_iter, changes=changes)


class TestPreview:
    @pytest.mark.parametrize(
        ("scheduler", "rates"),
        [
            (NoScheduler(), [1, 1, 1, 1, 1, 1]),
            (StepLR(step_size=2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
            (StepLR(step_size=6, gamma=0.5), [1, 1, 1, 1, 1, 1]),
            (MultiStepLR(milestones=(1, 4), gamma=0.1), [1, 0.1, 0.1, 0.1, 0.01, 0.01]),
            (ExponentialLR(gamma=0.9), [1, 0.9, 0.81, 0.729, 0.6561, 0.59049]),
            (CosineAnnealingLR(T_max=4), [1, 0.853553, 0.5, 0.146447, 0, 0.146447]),
            (CosineAnnealingLR(T_max=4, eta_min=0.2), [1, 0.882843, 0.6, 0.317157, 0.2, 0.317157]),
            (NoScheduler(warmup_iters=4, start_factor=0.2), [0.2, 0.4, 0.6, 0.8, 1, 1]),
            (StepLR(step_size=2, gamma=0.5, warmup_iters=2, start_factor=0.5), [0.5, 0.75, 1, 1, 0.5, 0.5]),
            (MultiStepLR(milestones=(1,), gamma=0.1, warmup_iters=3, start_factor=0.1), [0.1, 0.4, 0.7, 1, 0.1, 0.1]),
            (CosineAnnealingLR(T_max=4, warmup_iters=2, start_factor=0.5), [0.5, 0.75, 1, 0.853553, 0.5, 0.146447]),
            (ExponentialLR(gamma=0.9, warmup_iters=2, start_factor=0.5), [0.5, 0.75, 1, 0.9, 0.81, 0.729]),
            (NoScheduler(warmup_iters=12, start_factor=0.04), [0.04, 0.12, 0.2, 0.28, 0.36, 0.44]),
            (LinearLR(start_factor=0.5, end_factor=0.1, total_iters=4), [0.5, 0.4, 0.3, 0.2, 0.1, 0.1]),
            (PolynomialLR(total_iters=4), [1, 0.75, 0.5, 0.25, 0, 0]),
            (
                PolynomialLR(total_iters=4, power=2.0, warmup_iters=1, start_factor=0.5),
                [0.5, 1, 0.5625, 0.25, 0.0625, 0],
            ),
            (ConstantLR(factor=0.2, total_iters=3), [0.2, 0.2, 0.2, 1, 1, 1]),
            (ConstantLR(factor=0.2, total_iters=2, warmup_iters=1), [0.01, 0.2, 0.2, 1, 1, 1]),
            (CosineAnnealingWarmRestarts(T_0=2), [1, 0.5, 1, 0.5, 1, 0.5]),
            (CosineAnnealingWarmRestarts(T_0=1, T_mult=2, eta_min=0.2), [1, 1, 0.6, 1, 0.882843, 0.6]),
            (CyclicLR(div_factor=5.0, step_size_up=2), [0.2, 0.6, 1, 0.6, 0.2, 0.6]),
            (CyclicLR(div_factor=5.0, step_size_up=1, step_size_down=2), [0.2, 1, 0.6, 0.2, 1, 0.6]),
            (CyclicLR(div_factor=5.0, step_size_up=1, mode="triangular2"), [0.2, 1, 0.2, 0.6, 0.2, 0.4]),
            (
                CyclicLR(div_factor=5.0, step_size_up=1, mode="exp_range", gamma=0.9),
                [0.2, 0.92, 0.2, 0.7832, 0.2, 0.672392],
            ),
            (CyclicLR(step_size_up=1, warmup_iters=2, start_factor=0.5), [0.05, 0.075, 0.1, 1, 0.1, 1]),
            (
                WarmupStableDecay(warmup_iters=2, start_factor=0.5, stable_iters=1, decay_iters=2),
                [0.5, 0.75, 1, 1, 0.5, 0],
            ),
            (
                WarmupStableDecay(warmup_iters=0, stable_iters=2, decay_iters=2, end_factor=0.5),
                [1, 1, 1, 0.75, 0.5, 0.5],
            ),
            (
                OneCycleLR(pct_start=0.5, div_factor=10.0, final_div_factor=100.0),
                [0.1, 0.55, 1, 0.75025, 0.25075, 1e-3],
            ),
        ],
    )
    def test_the_preview_is_the_table(self, scheduler, rates):
        assert preview_rates(plan(scheduler, 6)) == pytest.approx(rates, abs=1e-6)

    def test_the_preview_of_the_lectures_schedule_halves_the_rate_every_thousand_iterations(self):
        rates = preview_rates(plan(StepLR(step_size=1000, gamma=0.5), 3000, lr=0.01))
        assert len(rates) == 3000
        assert [rates[step] for step in (0, 999, 1000, 1999, 2000, 2999)] == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]

    @pytest.mark.parametrize(
        ("scheduler", "rates"),
        [
            (NoScheduler(), [1, 1, 1, 0.2, 0.2, 0.2]),
            (StepLR(step_size=2, gamma=0.5), [1, 1, 0.5, 0.1, 0.05, 0.05]),
            (CosineAnnealingLR(T_max=4), [1, 0.853553, 0.5, 0.0292893, 0, 0.0292893]),
            (NoScheduler(warmup_iters=4, start_factor=0.2), [0.2, 0.4, 0.6, 0.16, 0.2, 0.2]),
        ],
    )
    def test_from_a_change_on_the_rate_is_that_of_a_schedule_that_began_with_the_new_lr(self, scheduler, rates):
        assert preview_rates(plan(scheduler, 6, changes=(Change(step=3, lr=0.2),))) == pytest.approx(rates, abs=1e-6)

    def test_a_change_of_another_knob_leaves_the_rates_as_they_were(self):
        recipe = plan(StepLR(step_size=2), 6, changes=(Change(step=3, momentum=0.5),))
        assert preview_rates(recipe) == preview_rates(recipe.model_copy(update={"changes": ()}))

    @pytest.mark.parametrize(
        ("knobs", "losses", "rates"),
        [  # of 8 iterations, each evaluated
            ({"patience": 1}, [3, 2, 2, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]),
            ({"patience": 0}, [3, 2, 2, 1, 1, 1, 1, 1], [1, 1, 1, 0.5, 0.5, 0.25, 0.125, 0.0625]),
            ({"patience": 0, "cooldown": 2}, [2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
            (
                {"patience": 0, "threshold": 0.5},
                [4, 2.1, 2.1, 1, 1, 1, 1, 1],
                [1, 1, 0.5, 0.25, 0.25, 0.125, 0.0625, 0.03125],
            ),
            (
                {"patience": 0, "threshold": 0.5, "threshold_mode": "abs"},
                [4, 3, 2.6, 2.4, 1, 0, 0, 0],
                [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25],
            ),
            ({"patience": 0, "min_lr": 0.4}, [2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4]),
            ({"patience": 0, "eps": 0.1}, [2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 0.5, 0.25, 0.125, 0.125, 0.125, 0.125]),
            # losses of the warm-up do not count; that at its end is the first that does
            (
                {"patience": 0, "warmup_iters": 4, "start_factor": 0.2},
                [1, 1, 1, 3, 3, 3, 3, 3],
                [0.2, 0.4, 0.6, 0.8, 1, 0.5, 0.25, 0.125],
            ),
        ],
    )
    def test_the_rate_drops_where_the_losses_stop_falling(self, knobs, losses, rates):
        recipe = plan(ReduceLROnPlateau(factor=0.5, **knobs), 8)
        found = preview_rates(recipe, dict(enumerate(map(float, losses), start=1)))
        assert found == pytest.approx(rates, abs=1e-9)

    @pytest.mark.parametrize(
        ("step", "rates"),
        [
            (1, [0.2, 0.933333, 1.466667, 2, 2, 1, 0.5, 0.25]),  # the warm-up climbs to the new lr
            (4, [0.2, 0.466667, 0.733333, 1, 2, 1, 0.5, 0.25]),
            (6, [0.2, 0.466667, 0.733333, 1, 1, 0.5, 0.5, 0.25]),  # half of the new lr: it has dropped once
        ],
    )
    def test_a_change_of_lr_scales_the_rate_that_follows_the_losses(self, step, rates):
        scheduler = ReduceLROnPlateau(factor=0.5, patience=0, warmup_iters=3, start_factor=0.2)
        recipe = plan(scheduler, 8, changes=(Change(step=step, lr=2.0),))
        losses = dict.fromkeys(range(4, 9), 1.0)
        assert preview_rates(recipe, losses) == pytest.approx(rates, abs=1e-6)

    @pytest.mark.parametrize(
        ("knobs", "train_iter", "known"),
        [
            ({}, 3000, 2400),
            ({}, 2000, 2000),
            ({"patience": 0}, 3000, 400),
            ({"patience": 0, "warmup_iters": 401}, 3000, 800),
        ],
    )
    def test_before_training_the_rates_are_known_up_to_the_first_possible_drop(self, knobs, train_iter, known):
        recipe = plan(ReduceLROnPlateau(**knobs), train_iter)
        rates = preview_rates(recipe)
        assert len(rates) == known
        worst = preview_rates(recipe, dict.fromkeys(range(200, train_iter + 1, 200), 1.0))
        assert worst[:known] == rates
        assert known == train_iter or worst[known] < rates[-1]

    @settings(max_examples=60, deadline=None)
    @given(recipe=recipes(max_iter=60))
    @example(recipe=plan(LinearLR(start_factor=0.4400056065230487, end_factor=0.0, total_iters=4), 5))
    def test_every_valid_recipe_has_a_finite_rate_for_every_iteration(self, recipe):
        rates = preview_rates(recipe, {})
        assert len(rates) == recipe.train_iter
        assert preview_rates(recipe) == rates[: count_known_rates(recipe)]
        # LinearLR multiplies the rate before: where it ends at 0, torch's rounding leaves -2e-17 of lr
        assert all(math.isfinite(rate) and rate >= -1e-12 * recipe.optimizer.lr for rate in rates)

    @settings(max_examples=200, deadline=None)
    @given(
        data=st.data(), train_iter=st.integers(1, 40), pct_start=st.floats(0.01, 0.99), warmup_iters=st.integers(0, 40)
    )
    def test_every_valid_one_cycle_climbs_to_lr_and_comes_down_again(self, data, train_iter, pct_start, warmup_iters):
        div_factor = data.draw(st.floats(1.0, 1e4))
        knobs = OneCycleLR(pct_start=pct_start, warmup_iters=warmup_iters, div_factor=div_factor)
        try:
            recipe = plan(knobs, train_iter)
        except ValueError:
            assume(False)
        rates = preview_rates(recipe)[warmup_iters:]
        assert max(rates) <= 1.0 + 1e-12
        peak = rates.index(max(rates))
        assert all(before <= after + 1e-12 for before, after in pairwise(rates[: peak + 1]))
        assert all(before >= after - 1e-12 for before, after in pairwise(rates[peak:]))

    def test_a_preview_touches_no_random_state(self):
        before = torch.get_rng_state()
        preview_rates(plan(OneCycleLR(), 50))
        assert torch.equal(torch.get_rng_state(), before)


def test_torchs_reduce_lr_on_plateau_has_the_recipes_values_and_the_recipe_torchs_defaults():
    knobs = ReduceLROnPlateau(
        factor=0.3, patience=4, threshold=0.02, threshold_mode="abs", cooldown=2, min_lr=0.001, eps=1e-6
    )
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    built = Schedule(plan(knobs, 100), optimizer).plateau
    assert built is not None
    assert (built.factor, built.patience, built.threshold, built.threshold_mode) == (0.3, 4, 0.02, "abs")
    assert (built.cooldown, built.min_lrs, built.eps, built.mode) == (2, [0.001], 1e-6, "min")
    defaults = inspect.signature(torch.optim.lr_scheduler.ReduceLROnPlateau).parameters
    for name, value in ReduceLROnPlateau().model_dump(exclude={"name", "warmup_iters", "start_factor"}).items():
        assert value == defaults[name].default
    assert Schedule(plan(NoScheduler(), 100), optimizer).plateau is None


class TestChanges:
    def test_a_change_sets_its_knobs_and_leaves_the_others_and_the_state(self):
        weight = torch.ones(2, requires_grad=True)
        recipe = Recipe(optimizer=SGD(lr=0.1, momentum=0.9), scheduler=NoScheduler())
        optimizer = build_optimizer(recipe.optimizer, [weight])
        schedule = Schedule(recipe, optimizer)
        weight.grad = torch.ones(2)
        optimizer.step()
        schedule.step()
        momentum = optimizer.state[weight]["momentum_buffer"].clone()
        schedule.apply(Change(step=1, lr=0.5, weight_decay=0.25))
        (group,) = optimizer.param_groups
        assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.5, 0.25, 0.9)
        assert torch.equal(optimizer.state[weight]["momentum_buffer"], momentum)

    @pytest.mark.parametrize("knobs", [RMSprop(momentum=0.0), SGD(momentum=0.0, nesterov=False)])
    def test_a_momentum_that_was_0_can_be_turned_on(self, knobs):
        weight = torch.ones(2, requires_grad=True)
        recipe = Recipe(optimizer=knobs, scheduler=NoScheduler())
        optimizer = build_optimizer(knobs, [weight])
        schedule = Schedule(recipe, optimizer)
        for step in range(3):
            weight.grad = torch.ones(2)
            if step == 1:
                schedule.apply(Change(step=1, momentum=0.9))
            optimizer.step()
            schedule.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9
        assert weight.isfinite().all()
