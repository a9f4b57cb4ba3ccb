"""Sentences about a learning-rate test: what each rule suggests and how sure it is, and which suggestion won."""

from collections.abc import Mapping

from mlpcore.analysis.learning_rate.check import ITERATIONS, RateWinner
from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, Rule
from mlpcore.messages import N_, Sentence
from mlpcore.numbers import exact_number, short_number

TITLES: Mapping[Rule, str] = {
    Rule.STEEPEST: N_("Steepest fall"),
    Rule.MINIMUM: N_("Minimum / 10"),
    Rule.VALLEY: N_("Valley"),
}
EXPLANATIONS: Mapping[Rule, str] = {
    Rule.STEEPEST: N_("where the loss falls most per decade"),
    Rule.MINIMUM: N_("a tenth of the rate with the lowest loss"),
    Rule.VALLEY: N_("two thirds along the longest fall"),
}


def describe_suggestion(suggestion: LrSuggestion) -> Sentence:
    """Say which rate a rule suggests, and how far the seeds are apart."""
    counts = {"found": len(suggestion.found), "seeds": len(suggestion.by_seed)}
    if suggestion.rate is None:
        template = (
            "No rate found: the loss falls clearly with {found} of {seeds} seeds. A larger batch size makes smaller "
            "falls visible."
        )
        return Sentence(template, counts)
    rates = {"rate": suggestion.rate, "low": suggestion.found[0], "high": suggestion.found[-1]}
    values = {**counts, **{name: short_number(rate, 2) for name, rate in rates.items()}}
    if None in suggestion.by_seed:
        return Sentence("{rate}; from {low} to {high} with {found} of {seeds} seeds, nothing with the others.", values)
    return Sentence("{rate}; from {low} to {high} over {seeds} seeds.", values)


def describe_winner(winner: RateWinner | None) -> Sentence:
    """Say which suggestion won the check, and whether it is ahead by more than chance."""
    if winner is None:
        return Sentence("None of the suggestions trained: all runs diverged or failed. Try lower rates.")
    values = {
        "lr": exact_number(winner.lr),
        "accuracy": winner.accuracy,
        "images": winner.images,
        "iterations": ITERATIONS,
        "margin": 100 * winner.margin,
    }
    if winner.lead is None:
        template = (
            "{lr} won: {accuracy:.1%} of {images:,} held-out examples after {iterations} iterations. No other rate "
            "came to an end."
        )
        return Sentence(template, values)
    values["lead"] = 100 * winner.lead
    if winner.is_clear:
        template = (
            "{lr} won: {accuracy:.1%} of {images:,} held-out examples after {iterations} iterations, {lead:.1f} "
            "percentage points ahead of the next. With so many examples, less than {margin:.1f} may be chance."
        )
        return Sentence(template, values)
    template = (
        "{lr} is highest: {accuracy:.1%} of {images:,} held-out examples after {iterations} iterations. But it is only "
        "{lead:.1f} percentage points ahead of the next, and with so many examples less than {margin:.1f} may be "
        "chance."
    )
    return Sentence(template, values)
