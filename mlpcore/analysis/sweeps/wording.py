"""Sentences about sweeps: good ranges of the learning rate, bests at an edge, and which row is best at its own."""

from collections.abc import Mapping

from mlpcore.analysis.comparison import ComparisonVerdict
from mlpcore.analysis.comparison_wording import join_names
from mlpcore.analysis.sweeps.edges import Edge, EdgeBest
from mlpcore.analysis.sweeps.sensitivity import RateRange, Winner
from mlpcore.messages import N_, Sentence
from mlpcore.numbers import short_number

_EDGES: Mapping[Edge, str] = {
    Edge.LOW: N_("{label}: the best rate is the lowest one tried ({lr:.3g}), so a lower one may be better."),
    Edge.HIGH: N_("{label}: the best rate is the highest one tried ({lr:.3g}), so a higher one may be better."),
}
_EDGES_OF_RANGES: Mapping[Edge, str] = {
    Edge.LOW: N_(
        "{name}: the best trial has {value}, at the lower end of what was tried ({low} to {high}). A smaller value may "
        "be better."
    ),
    Edge.HIGH: N_(
        "{name}: the best trial has {value}, at the upper end of what was tried ({low} to {high}). A larger value may "
        "be better."
    ),
}


def describe_range(good: RateRange, *, label: str) -> Sentence:
    """Say which rates are nearly as good as the best, and how wide that range is."""
    values = {"label": label, "lr": good.best.lr, "accuracy": good.best.mean, "low": good.low, "high": good.high}
    values |= {"decades": good.decades, "near": 100 * good.tolerance}
    template = (
        "{label}: best at lr {lr:.3g} ({accuracy:.1%}); within {near:.2g} percentage points of that from {low:.2g} to "
        "{high:.2g}, {decades:.1f} decades."
    )
    if good.edges:
        template = (
            "{label}: best at lr {lr:.3g} ({accuracy:.1%}); within {near:.2g} percentage points of that from {low:.2g} "
            "to {high:.2g}, at least {decades:.1f} decades: the range reaches the end of the grid."
        )
    return Sentence(template, values)


def describe_edge(good: RateRange, *, label: str) -> Sentence | None:
    """Say that the best rate lies at the edge of the grid; None if it does not."""
    if good.best_edge is None:
        return None
    return Sentence(_EDGES[good.best_edge], {"label": label, "lr": good.best.lr})


def describe_edge_best(best: EdgeBest) -> Sentence:
    """Say that the best trial, or that of an optimizer, has a value at the edge of what was tried."""
    name = f"{best.optimizer} · {best.name}" if best.optimizer else best.name
    numbers = {"value": best.value, "low": best.low, "high": best.high}
    values = {key: short_number(number, 4) for key, number in numbers.items()}
    return Sentence(_EDGES_OF_RANGES[best.edge], {"name": name, **values})


def describe_winner(winner: Winner) -> Sentence:
    """Say which row is best at its own best rate, and which of the others it is significantly ahead of."""
    ahead = [label for label, one in winner.others.items() if one.verdict is ComparisonVerdict.SIGNIFICANT]
    level = [label for label in winner.others if label not in ahead]
    values = {"winner": winner.label, "accuracy": winner.accuracy, "seeds": winner.seeds}
    values |= {"ahead": join_names(ahead), "level": join_names(level)}
    if not level:
        template = (
            "Each at its own best learning rate, {winner} is significantly better than {ahead}: {accuracy:.1%} on the "
            "test images over {seeds} fresh seeds (paired t-tests with Holm's correction)."
        )
    elif not ahead:
        template = (
            "Each at its own best learning rate, {winner} has the highest test accuracy ({accuracy:.1%}), but over "
            "{seeds} fresh seeds it is not significantly better than {level} (paired t-tests with Holm's correction)."
        )
    else:
        template = (
            "Each at its own best learning rate, {winner} has the highest test accuracy ({accuracy:.1%}): over {seeds} "
            "fresh seeds significantly better than {ahead}, but not than {level} (paired t-tests with Holm's "
            "correction)."
        )
    return Sentence(template, values)
