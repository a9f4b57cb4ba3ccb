"""How a ReduceLROnPlateau follows a loss, worked out in numbers: an example whose loss gets stuck above its lowest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlpcore.concepts.formulas import FormulaLine, fill_line
from mlpcore.recipes.recipe import Recipe
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from mlpcore.training.schedules import Schedule

BEGIN, LOWEST, HEIGHT = 2.3, 0.2, 1.0  # of the loss: with the rate at lr it gets stuck at LOWEST + HEIGHT
PULL = 0.2  # how much of the way to where it gets stuck the loss goes at each iteration


@dataclass(frozen=True)
class PlateauExample:
    """The rate and the loss of each iteration; of the first drop its step, 0 if there is none, and its rule in numbers.

    waited: how many losses in a row, up to that step, were no better than the best.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    step: int = 0
    waited: int = 0
    lines: Sequence[FormulaLine] = ()


def follow_example(recipe: Recipe) -> PlateauExample:
    """Step the schedule of a recipe, a ReduceLROnPlateau, with the loss of each iteration of the example.

    The loss falls towards a height in proportion to the rate, as the noise of mini-batches keeps it from the minimum.
    """
    assert isinstance(recipe.scheduler, ReduceLROnPlateau), "nothing else follows a loss"
    schedule = Schedule.without_training(recipe)
    assert schedule.plateau is not None, "the recipe has one"
    rates, losses, drop = [], [], PlateauExample((), ())
    loss = BEGIN
    for step in range(1, recipe.train_iter + 1):
        rates.append(schedule.lr)
        loss += PULL * (LOWEST + HEIGHT * rates[-1] / recipe.optimizer.lr - loss)
        losses.append(loss)
        schedule.step()
        before, waited = schedule.lr, schedule.plateau.num_bad_epochs + 1
        schedule.step_evaluated(step, loss)
        if schedule.lr < before and not drop.step:
            lines = _write_out(recipe.scheduler, schedule.plateau.best, before, schedule.lr)
            drop = PlateauExample((), (), step, waited, lines)
    return replace(drop, rates=rates, losses=losses)


def _write_out(scheduler: ReduceLROnPlateau, best: float, before: float, after: float) -> tuple[FormulaLine, ...]:
    """Write out the loss to get below, and the rate where it was not."""
    named = {"best": best, "threshold": scheduler.threshold, "factor": scheduler.factor, "lr": before}
    named |= {"least": scheduler.min_lr}
    rule, numbers, bar = r"\text{best} - \text{threshold}", r"<best> - <threshold>", best - scheduler.threshold
    if scheduler.threshold_mode == "rel":
        rule, numbers = r"\text{best} \cdot (1 - \text{threshold})", r"<best> \cdot (1 - <threshold>)"
        bar = best * (1 - scheduler.threshold)
    lower = r"\max(\text{factor} \cdot \eta,\ \text{min\_lr})"
    return (
        fill_line("b", rule, numbers, bar, **named),
        fill_line(r"\eta'", lower, r"\max(<factor> \cdot <lr>,\ <least>)", after, **named),
    )
