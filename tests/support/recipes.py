"""Recipes of every kind: one of each optimizer and schedule, and strategies for hypothesis, all of them valid."""

from typing import Any, Literal, get_args, get_origin

from hypothesis import strategies as st

from mlpcore.recipes.hyperparameters import Hyperparameters
from mlpcore.recipes.optimizers import ASGD, Adadelta, Adafactor, Adamax, Muon, NAdam, RAdam, Rprop
from mlpcore.recipes.points import POINT_SETS, AnyPoints
from mlpcore.recipes.recipe import (
    OPTIMIZERS,
    SCHEDULERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AnyOptimizer,
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
from mlpcore.recipes.validation import find_limits

RECIPE_MODELS: list[type[Hyperparameters]] = [
    *(Recipe, Change),
    *(*OPTIMIZERS.values(), *SCHEDULERS.values(), *POINT_SETS.values()),
]
EACH_OPTIMIZER: dict[str, AnyOptimizer] = {
    "SGD": SGD(lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
    "plain SGD": SGD(lr=0.3, momentum=0.0, weight_decay=0.0, nesterov=False),
    "Adam": Adam(lr=0.01, betas=(0.8, 0.99)),
    "AdamW": AdamW(lr=0.01, weight_decay=0.1),
    "RMSprop": RMSprop(lr=0.003, momentum=0.5, alpha=0.9),
    "Adagrad": Adagrad(lr=0.05, lr_decay=0.1),
    "Adam with amsgrad": Adam(lr=0.01, amsgrad=True),
    "AdamW with amsgrad": AdamW(lr=0.01, weight_decay=0.1, amsgrad=True),
    "NAdam": NAdam(lr=0.01, momentum_decay=0.01),
    "NAdamW": NAdam(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    "RAdam": RAdam(lr=0.01, weight_decay=0.01),
    "Adamax": Adamax(lr=0.01, weight_decay=0.01),
    "Adadelta": Adadelta(lr=0.5, rho=0.8, weight_decay=0.01),
    "Adafactor": Adafactor(lr=0.05, weight_decay=0.1),
    "Muon": Muon(lr=0.01, adamw_scale=2.0, weight_decay=0.05),
    "ASGD": ASGD(lr=0.1, lambd=0.01, t0=3, weight_decay=0.01),
    "Rprop": Rprop(lr=0.003, etas=(0.6, 1.1), step_sizes=(1e-4, 0.01)),
}
EACH_SCHEDULE: list[AnyScheduler] = [  # that all come to something in a dozen iterations
    NoScheduler(),
    StepLR(step_size=4, gamma=0.5),
    MultiStepLR(milestones=(3, 7), gamma=0.1),
    CosineAnnealingLR(T_max=10, eta_min=0.001),
    ExponentialLR(gamma=0.9),
    OneCycleLR(pct_start=0.4),
    LinearLR(start_factor=0.5, end_factor=0.1, total_iters=8),
    PolynomialLR(total_iters=10, power=2.0),
    ConstantLR(factor=0.2, total_iters=5),
    CosineAnnealingWarmRestarts(T_0=3, T_mult=2, eta_min=0.001),
    CyclicLR(div_factor=5.0, step_size_up=3, step_size_down=2, mode="triangular2"),
    WarmupStableDecay(warmup_iters=2, stable_iters=4, decay_iters=4, end_factor=0.1),
    ReduceLROnPlateau(factor=0.5, patience=0, threshold=0.5),  # drops at each evaluation that does not halve the loss
]


def with_optimizer(recipe: Recipe, optimizer: AnyOptimizer, **values: Any) -> Recipe:
    """The recipe with another optimizer, and what that needs: as many training images as are in a batch."""
    needed = {"train_size": recipe.batch_size} if optimizer.needs_full_batch else {}
    return recipe.replace(optimizer=optimizer, **needed | values)


def after_warmup(scheduler: AnyScheduler, warmup_iters: int) -> AnyScheduler:
    """The same schedule after a warm-up; a LinearLR, which has none, unchanged."""
    fits = "warmup_iters" in type(scheduler).model_fields
    return scheduler.replace(warmup_iters=warmup_iters) if fits else scheduler


LRS = st.floats(1e-6, 10.0)
SHARES = st.floats(0.0, 1.0)
PAIRS: dict[str, st.SearchStrategy[Any]] = {
    "betas": st.tuples(st.floats(0.0, 0.9999), st.floats(0.0, 0.9999)),
    "etas": st.tuples(st.floats(0.01, 0.99), st.floats(1.01, 10.0)),
    "step_sizes": st.tuples(st.floats(1e-12, 0.1), st.floats(0.1, 1e3)),
}
MOMENTA = st.floats(0.0, 0.999)
ITERATIONS = (
    "step_size",
    "T_max",
    "T_0",
    "total_iters",
    "step_size_up",
    "step_size_down",
    "stable_iters",
    "decay_iters",
)
LETTERS = "azAZ09가힣_-"  # a regular expression of all that a name may have takes seconds to build
DATASETS = st.tuples(st.sampled_from(LETTERS), st.text(LETTERS + " .", max_size=39)).map("".join)


@st.composite
def sgds(draw: st.DrawFn) -> SGD:
    momentum = draw(MOMENTA)
    nesterov = momentum > 0 and draw(st.booleans())
    return SGD(lr=draw(LRS), momentum=momentum, weight_decay=draw(SHARES), nesterov=nesterov)


def optimizers() -> st.SearchStrategy[AnyOptimizer]:
    others = [st.builds(kind, **_draw_fields(kind)) for kind in OPTIMIZERS.values() if kind is not SGD]
    return st.one_of(sgds(), *others)


def _draw_fields(kind: type[Hyperparameters]) -> dict[str, st.SearchStrategy[Any]]:
    """Draw every field within its bounds."""
    return {name: _draw_field(kind, name) for name in kind.model_fields if name not in ("name", "milestones")}


def _draw_field(kind: type[Hyperparameters], name: str) -> st.SearchStrategy[Any]:
    annotation = kind.model_fields[name].annotation
    if annotation is bool:
        return st.booleans()
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if name in PAIRS:
        return PAIRS[name]
    low, high = find_limits(kind, name)
    return st.floats(low, high) if annotation is float else st.integers(int(low), int(high))


@st.composite
def schedulers(draw: st.DrawFn, train_iter: int, *, iterations: st.SearchStrategy[int]) -> AnyScheduler:
    """Schedules that fit a run of train_iter iterations; their own counts of iterations come from `iterations`."""
    milestones = st.lists(iterations, min_size=1, max_size=20, unique=True).map(lambda steps: tuple(sorted(steps)))
    kind = SCHEDULERS[draw(st.sampled_from([name for name in SCHEDULERS if name != "OneCycleLR" or train_iter >= 4]))]
    knobs = _draw_fields(kind)
    knobs |= {name: iterations for name in ITERATIONS if name in knobs}
    if "milestones" in kind.model_fields:
        knobs["milestones"] = milestones
    if "warmup_iters" in knobs:
        knobs["warmup_iters"] = st.integers(0, min(2 * train_iter, 100_000))
    if kind is OneCycleLR:
        warmup_iters = draw(st.integers(0, min(train_iter - 4, 100_000)))
        pct_start = st.floats(max(0.01, 1.5 / (train_iter - warmup_iters)), 0.99)
        knobs |= {"warmup_iters": st.just(warmup_iters), "pct_start": pct_start}
    drawn: Any = kind(**{name: draw(values) for name, values in knobs.items()})
    return drawn


def hidden_sizes() -> st.SearchStrategy[tuple[int, ...]]:
    """Sizes whose network stays below the bound on weights."""
    wide = st.lists(st.integers(1, 4096), min_size=1, max_size=1)
    return (wide | st.lists(st.integers(1, 1500), min_size=1, max_size=6)).map(tuple)


@st.composite
def point_sets(draw: st.DrawFn) -> AnyPoints:
    kind = POINT_SETS[draw(st.sampled_from(sorted(POINT_SETS)))]
    values: dict[str, Any] = {"count": st.integers(20, 10_000), "noise": st.floats(0.0, 0.5)}
    values |= {"classes": st.integers(2, 6), "data_seed": st.integers(0, 2**32 - 1)}
    return kind(**{name: draw(value) for name, value in values.items() if name in kind.model_fields})


@st.composite
def recipes(draw: st.DrawFn, *, max_iter: int = 200_000) -> Recipe:
    """Any valid recipe of at most max_iter iterations."""
    train_iter = draw(st.integers(1, max_iter))
    optimizer = draw(optimizers())
    scheduler = draw(schedulers(train_iter, iterations=st.integers(1, max_iter)))
    batch_size, train_size = draw(st.integers(1, 100_000)), draw(st.none() | st.integers(1, 10_000_000))
    steps = draw(st.lists(st.integers(0, train_iter - 1), max_size=3, unique=True))
    points = draw(st.none() | point_sets())
    return Recipe(
        dataset=draw(DATASETS.filter(lambda name: name not in POINT_SETS)) if points is None else points.name,
        points=points,
        train_size=batch_size if optimizer.needs_full_batch else train_size,
        validation_size=draw(st.integers(0, 1_000_000)),
        label_noise=draw(SHARES),
        hidden_sizes=draw(hidden_sizes()),
        activation=draw(st.sampled_from(["sigmoid", "tanh", "relu"])),
        dropout=draw(st.floats(0.0, 0.95)),
        init=draw(st.sampled_from(["torch", "xavier", "he", "zeros"])),
        label_smoothing=draw(st.floats(0.0, 0.9)),
        l1_penalty=draw(SHARES),
        max_norm=draw(st.none() | st.floats(1e-3, 1e3)),
        optimizer=optimizer,
        scheduler=scheduler,
        batch_size=batch_size,
        train_iter=train_iter,
        eval_every=draw(st.integers(-(-train_iter // 5_000), 1_000_000)),
        seed=draw(st.integers(0, 2**32 - 1)),
        device=draw(st.sampled_from(["auto", "cpu", "cuda", "mps", "xpu"])),
        average=draw(st.sampled_from(["none", "EMA", "SWA"])),
        ema_decay=draw(st.floats(0.0, 0.99999)),
        swa_start=draw(st.floats(0.0, 0.99)),
        changes=tuple(
            draw(changes(step, optimizer, scheduler)) for step in sorted(steps) if optimizer.list_changeable()
        ),
    )


@st.composite
def changes(draw: st.DrawFn, step: int, optimizer: AnyOptimizer, scheduler: AnyScheduler) -> Change:
    """An edit at `step` that this optimizer and this scheduler take."""
    knobs = {"lr": LRS, "weight_decay": SHARES, "momentum": st.floats(1e-3, 0.999)}
    cycled = ["momentum"] if scheduler.name == "CyclicLR" else []
    knobs = {name: knobs[name] for name in optimizer.list_changeable() if name not in cycled}
    chosen = draw(st.lists(st.sampled_from(sorted(knobs)), min_size=1, unique=True))
    return Change(step=step, **{knob: draw(knobs[knob]) for knob in chosen})
