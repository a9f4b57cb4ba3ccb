"""The lecture notes' claims: the runs that test each, and the rule by which finished runs decide it.

A rule is fixed before anything is measured, and the outcome is what was measured, whatever the notes say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlpcore.analysis.claim_rules import (
    Outcome,
    Verdict,
    judge_adam_not_always,
    judge_full_batch,
    judge_memorising,
    judge_plateau,
    judge_rates,
    judge_weight_decay,
)
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import SGD, Adam, Constant, MultiStepLR, Recipe
from mlpcore.runs.records import Run, RunStatus

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
DECAYS = (0.0, 5e-4, 5e-3, 0.05)
SEEDS = 6  # with three, a t-test would tell nothing but a lead of four standard deviations


@dataclass(frozen=True)
class Claim:
    """A claim, the experiment that tests it, and how its runs decide it.

    plan: recipes from the data sets (the one asked for first) and how many training images that one has.
    judge: an outcome from the runs of these recipes, in their order, all of them finished; diverged ones as well where
    `may_diverge`.
    """

    key: str
    says: Sentence
    tries: Sentence
    rule: Sentence
    seconds: int  # of computing, roughly, on one idle core with Shapes
    plan: Callable[[Sequence[str], int], list[Recipe]]
    judge: Callable[[Sequence[Run]], Outcome]
    measures: tuple[str, ...]  # what its chart draws
    may_diverge: bool = False
    by_rate: bool = False  # whether the chart draws what runs ended with over their learning rates


def decide(claim: Claim, runs: Sequence[Run]) -> Outcome:
    """Judge runs that are over; where one of them did not get to its end, nothing can be told."""
    fine = (RunStatus.FINISHED, RunStatus.DIVERGED) if claim.may_diverge else (RunStatus.FINISHED,)
    short = [run for run in runs if run.status not in fine]
    if short:
        values = {"short": len(short), "count": len(runs)}
        template = "{short} of the {count} runs did not get to the end, so nothing is decided."
        return Outcome(Verdict.UNTOLD, (Sentence(template, values),))
    return claim.judge(runs)


def plan_full_batch(datasets: Sequence[str], images: int) -> list[Recipe]:
    """All of a few images in each batch, and a tenth of them; evaluated at every step, without dropout's own noise."""
    size = min(500, images)
    knobs = {"train_size": size, "dropout": 0.0, "optimizer": _plain(0.05), "train_iter": 60, "eval_every": 1}
    return [_recipe(datasets[0], batch_size=batch_size, **knobs) for batch_size in (size, max(size // 10, 1))]


def plan_weight_decay(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """The notes' SGD with four weight decays."""
    knobs = {"dropout": 0.0, "train_iter": 600, "eval_every": 100}
    return [_recipe(datasets[0], optimizer=SGD(weight_decay=decay), **knobs) for decay in DECAYS]


def plan_rates(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """Plain SGD and Adam, each with nine learning rates over four decades."""
    optimizers = [*(_plain(lr) for lr in LEARNING_RATES), *(Adam(lr=lr) for lr in LEARNING_RATES)]
    return [_recipe(datasets[0], optimizer=one, train_iter=500, eval_every=250) for one in optimizers]


def plan_adam_not_always(datasets: Sequence[str], _images: int) -> list[Recipe]:
    """The notes' SGD and the notes' Adam, with the same seeds, on two data sets where there are two."""
    return [
        _recipe(dataset, optimizer=optimizer, train_iter=600, eval_every=200, seed=seed)
        for dataset in datasets[:2]
        for optimizer in (SGD(), Adam())
        for seed in range(SEEDS)
    ]


def plan_plateau(datasets: Sequence[str], images: int) -> list[Recipe]:
    """A rate too high for so small batches, kept and lowered; equal seeds go the same way until then."""
    knobs = {"dropout": 0.0, "optimizer": _plain(0.1), "batch_size": min(8, images), "train_iter": 1200}
    return [
        _recipe(datasets[0], eval_every=100, seed=seed, **knobs | {"scheduler": scheduler})
        for scheduler in (Constant(), MultiStepLR(milestones=(800,), gamma=0.1))
        for seed in range(SEEDS)
    ]


def plan_memorising(datasets: Sequence[str], images: int) -> list[Recipe]:
    """A fiftieth of the images and all of them."""
    few = max(images // 50, 1)
    knobs = {"dropout": 0.0, "optimizer": Adam(), "batch_size": min(64, few), "train_iter": 400, "eval_every": 50}
    return [_recipe(datasets[0], train_size=size, **knobs) for size in (few, images)]


CLAIMS = (
    Claim(
        "full_batch",
        Sentence("With every image in the batch, gradient descent has no noise."),
        Sentence("Plain SGD on 500 images: all of them in each batch, and 50 drawn at random."),
        Sentence(
            "Noise is how far a batch's loss is off that of all images at the same weights. Holds if that is 0.01 % or "
            "less with all of them, and 1 % or more with 50."
        ),
        25,
        plan_full_batch,
        judge_full_batch,
        ("train_loss",),
    ),
    Claim(
        "weight_decay",
        Sentence("Weight decay keeps W small."),
        Sentence("The notes' SGD with weight decay 0, 5e-4, 5e-3 and 0.05."),
        Sentence("Holds if each larger decay ends with weights at least 1 % smaller in size (their Euclidean norm)."),
        20,
        plan_weight_decay,
        judge_weight_decay,
        ("weights", "test_acc"),
    ),
    Claim(
        "rates",
        Sentence("Adam is less sensitive to the learning rate than SGD."),
        Sentence("Plain SGD and Adam, each with nine rates from 1e-4 to 1."),
        Sentence(
            "Holds if more of Adam's rates than of SGD's end within 5 points of their best test accuracy, and the two "
            "bests lie within 10."
        ),
        50,
        plan_rates,
        judge_rates,
        ("test_acc",),
        may_diverge=True,
        by_rate=True,
    ),
    Claim(
        "adam_not_always",
        Sentence("Adam is not always the better one: it depends on the data set."),
        Sentence("The notes' SGD and Adam, six seeds each, on two data sets where this machine has them."),
        Sentence(
            "Holds if on one data set SGD ends a point or more ahead and a paired t-test over the seeds gives p < 0.05 "
            "(0.025 where there are two); does not if Adam does, on both."
        ),
        45,
        plan_adam_not_always,
        judge_adam_not_always,
        ("test_acc",),
    ),
    Claim(
        "plateau",
        Sentence("Where the loss no longer falls, lowering the learning rate helps."),
        Sentence("Plain SGD with a high rate and small batches, and the same with a tenth of the rate at the end."),
        Sentence(
            "Holds if the loss had stopped falling, and train loss ends at least 5 % lower with p < 0.05 in a paired "
            "t-test over six seeds."
        ),
        40,
        plan_plateau,
        judge_plateau,
        ("train_loss", "test_acc"),
    ),
    Claim(
        "memorising",
        Sentence("A small training loss is not yet a good test accuracy."),
        Sentence("The same network trained on a fiftieth of the images, and on all of them."),
        Sentence(
            "Holds if the run with the lower train loss ends at least 2 points lower in test accuracy, which is more "
            "than the noise of 5,000 test images."
        ),
        15,
        plan_memorising,
        judge_memorising,
        ("train_eval_loss", "test_acc"),
    ),
)


def _recipe(dataset: str, **knobs: object) -> Recipe:
    return Recipe(**{"dataset": dataset, "scheduler": Constant()} | knobs)


def _plain(lr: float) -> SGD:
    return SGD(lr=lr, momentum=0.0, weight_decay=0.0, nesterov=False)
