"""Every number of a recipe has bounds: a value at one is kept, and one beyond it is refused with the range."""

import math

import pytest
from pydantic import ValidationError

from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.recipe import OPTIMIZERS, SCHEDULERS, Change, Recipe
from mlpcore.recipes.validation import PAIRS, find_limits, find_problems

BOUNDS = [
    ("Recipe", "train_size", 1, 10_000_000),
    ("Recipe", "validation_size", 0, 1_000_000),
    ("Recipe", "label_noise", 0.0, 1.0),
    ("Recipe", "dropout", 0.0, 0.95),
    ("Recipe", "label_smoothing", 0.0, 0.9),
    ("Recipe", "l1_penalty", 0.0, 1.0),
    ("Recipe", "max_norm", 1e-3, 1e3),
    ("Recipe", "batch_size", 1, 100_000),
    ("Recipe", "train_iter", 1, 200_000),
    ("Recipe", "eval_every", 1, 1_000_000),
    ("Recipe", "seed", 0, 2**32 - 1),
    ("Recipe", "ema_decay", 0.0, 0.99999),
    ("Recipe", "swa_start", 0.0, 0.99),
    *((name, "lr", 1e-6, 10.0) for name in OPTIMIZERS),
    *((name, "weight_decay", 0.0, 1.0) for name in OPTIMIZERS if name != "Rprop"),
    *((name, "eps", 1e-12, 0.1) for name in OPTIMIZERS if "eps" in OPTIMIZERS[name].model_fields),
    *((name, "momentum", 0.0, 0.999) for name in ("SGD", "RMSprop", "Muon")),
    ("RMSprop", "alpha", 0.0, 0.9999),
    ("Adagrad", "lr_decay", 0.0, 1.0),
    ("NAdam", "momentum_decay", 0.0, 1.0),
    ("Adadelta", "rho", 0.0, 0.9999),
    ("Adafactor", "beta2_decay", -1.0, 0.0),
    ("Adafactor", "d", 1.0, 100.0),
    ("Muon", "adamw_scale", 1e-3, 1e3),
    ("ASGD", "lambd", 0.0, 1.0),
    ("ASGD", "alpha", 0.0, 1.0),
    ("ASGD", "t0", 0, 10_000_000),
    *((name, "warmup_iters", 0, 100_000) for name in SCHEDULERS if name != "LinearLR"),
    *((name, "start_factor", 1e-4, 1.0) for name in SCHEDULERS),
    ("StepLR", "step_size", 1, 1_000_000),
    ("StepLR", "gamma", 1e-4, 1.0),
    ("MultiStepLR", "gamma", 1e-4, 1.0),
    ("CosineAnnealingLR", "T_max", 1, 1_000_000),
    ("CosineAnnealingLR", "eta_min", 0.0, 1.0),
    ("ExponentialLR", "gamma", 0.9, 1.0),
    ("OneCycleLR", "pct_start", 0.01, 0.99),
    ("OneCycleLR", "div_factor", 1.0, 1e4),
    ("OneCycleLR", "final_div_factor", 1.0, 1e6),
    *((name, "end_factor", 0.0, 1.0) for name in ("LinearLR", "WarmupStableDecay")),
    *((name, "total_iters", 1, 1_000_000) for name in ("LinearLR", "PolynomialLR", "ConstantLR")),
    ("PolynomialLR", "power", 0.0, 10.0),
    ("ConstantLR", "factor", 1e-4, 1.0),
    ("CosineAnnealingWarmRestarts", "T_0", 1, 1_000_000),
    ("CosineAnnealingWarmRestarts", "T_mult", 1, 100),
    ("CosineAnnealingWarmRestarts", "eta_min", 0.0, 1.0),
    ("CyclicLR", "div_factor", 1.0, 1e4),
    *(("CyclicLR", name, 1, 1_000_000) for name in ("step_size_up", "step_size_down")),
    ("CyclicLR", "gamma", 0.9, 1.0),
    *(("CyclicLR", name, 0.01, 0.999) for name in ("base_momentum", "max_momentum")),
    *(("WarmupStableDecay", name, 1, 1_000_000) for name in ("stable_iters", "decay_iters")),
    ("ReduceLROnPlateau", "factor", 1e-4, 0.999),
    *(("ReduceLROnPlateau", name, 0, 5_000) for name in ("patience", "cooldown")),
    ("ReduceLROnPlateau", "threshold", 0.0, 0.9),
    ("ReduceLROnPlateau", "min_lr", 0.0, 1.0),
    ("ReduceLROnPlateau", "eps", 0.0, 0.1),
    ("Change", "lr", 1e-6, 10.0),
    ("Change", "momentum", 0.0, 0.999),
    ("Change", "weight_decay", 0.0, 1.0),
]
KINDS: dict[str, type[Hyperparameters]] = {"Recipe": Recipe, "Change": Change, **OPTIMIZERS, **SCHEDULERS}


def place(kind: str, field: str, value: object) -> dict[str, object]:
    """A recipe, as a dict, in which one field has this value and everything else fits it."""
    recipe: dict[str, object] = {"train_iter": 200_000, "eval_every": 1000}
    recipe |= {"train_size": 64} if kind == "Rprop" else {}
    if kind == "Recipe":
        return recipe | {"train_iter": {"train_iter": value}.get(field, 1000)} | {field: value}
    if kind == "Change":
        return recipe | {"optimizer": {"name": "SGD", "nesterov": False}, "changes": [{"step": 1, field: value}]}
    if kind in OPTIMIZERS:
        off = {"nesterov": False} if kind == "SGD" else {}
        return recipe | {"optimizer": {"name": kind, field: value} | off}
    return recipe | {"scheduler": {"name": kind, field: value}}


def held(recipe: Recipe, kind: str, field: str) -> object:
    """What the recipe of `place` holds there."""
    parts = {"Recipe": recipe, recipe.optimizer.name: recipe.optimizer, recipe.scheduler.name: recipe.scheduler}
    return getattr(recipe.changes[0] if kind == "Change" else parts[kind], field)


def called(kind: str, field: str) -> str:
    """What a sentence calls a field: its flat name."""
    return "scheduler.eps" if (kind, field) == ("ReduceLROnPlateau", "eps") else field


def refuse(kind: str, field: str, value: object) -> tuple[str, str]:
    """The field that is named where the recipe of `place` is refused, and the sentence: there is nothing else."""
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(place(kind, field, value))
    ((name, sentence),) = find_problems(caught.value)
    return name, str(sentence)


def test_the_table_of_bounds_names_every_field_that_has_some():
    listed = {(kind, field) for kind, field, _, _ in BOUNDS}
    for kind, model in KINDS.items():
        for field in set(model.model_fields) - {"hidden_sizes", "milestones", "step", *PAIRS}:
            try:
                find_limits(model, field)
            except KeyError:
                continue
            assert (kind, field) in listed


@pytest.mark.parametrize(("kind", "field", "low", "high"), BOUNDS)
def test_a_value_at_a_bound_is_kept_and_one_just_outside_is_refused_with_the_range(kind, field, low, high):
    assert find_limits(KINDS[kind], field) == (low, high)
    for bound in (low, high):
        assert held(Recipe.model_validate(place(kind, field, bound)), kind, field) == bound
    whole = isinstance(low, int)
    outside = (low - 1, high + 1) if whole else (math.nextafter(low, -math.inf), math.nextafter(high, math.inf))
    for value in outside:
        _name, sentence = refuse(kind, field, value)
        what = f"a {'whole ' if whole else ''}number"
        assert sentence.startswith(f"{called(kind, field)} is {value}: it must be {what} from ")


@pytest.mark.parametrize(("kind", "field"), [bound[:2] for bound in BOUNDS])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "3", True, [[[]]], {}, 10**400, pytest.param(-(10**5000), id="huge"), b"1"]
)
def test_what_is_no_number_is_refused_by_the_fields_name(kind, field, value):
    name, sentence = refuse(kind, field, value)
    assert name == ("changes" if kind == "Change" else called(kind, field))
    assert sentence.startswith(f"{called(kind, field)} is ")
    assert "it must be a " in sentence
    assert len(sentence) < 130
