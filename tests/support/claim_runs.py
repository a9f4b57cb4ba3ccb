"""What the tests of claims share: their plans, and runs made up for them."""

from collections.abc import Sequence

from mlpcore.analysis.claims.experiments import CLAIMS, decide
from mlpcore.analysis.claims.rules import ClaimResult
from mlpcore.analysis.claims.wording import ResultTable, describe_results
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

CLAIM = {claim.key: claim for claim in CLAIMS}


def evaluation(
    step: int, *, loss: float = 1.0, whole: float | None = None, test_acc: float = 0.5, weights: float = 10.0
) -> Evaluation:
    """One with this loss in training, and that of all images, which is the same unless it is given."""
    whole = loss if whole is None else whole
    return Evaluation(step, loss, whole, 0.5, 1.0, test_acc, 0.01, 1.0, weight_norms=(weights,))


def run(recipe: Recipe, *evaluations: Evaluation, status: RunStatus = RunStatus.FINISHED) -> Run:
    return Run("id", "name", recipe, status, 0.0, step=recipe.train_iter, evaluations=evaluations)


def plan(key: str, *datasets: str) -> list[Recipe]:
    return CLAIM[key].plan(datasets or ("Shapes",), 50_000)


def ended(key: str, ends: Sequence[dict[str, float]], *datasets: str) -> ClaimResult:
    """The result where each run of the plan has one evaluation, its last."""
    runs = [run(one, evaluation(one.train_iter, **end)) for one, end in zip(plan(key, *datasets), ends, strict=True)]
    return decide(CLAIM[key], runs, test_images=10_000)


def said(result: ClaimResult) -> list[str]:
    """The sentences of a result, those about its tables too."""
    return [str(one.note if isinstance(one, ResultTable) else one) for one in describe_results(result)]


def tabulated(result: ClaimResult) -> list[str]:
    """The rows of a result's tables, without their columns' names."""
    tables = [one for one in describe_results(result) if isinstance(one, ResultTable)]
    return [" | ".join(map(str, row)) for table in tables for row in table.rows]


def accuracies(*values: float) -> list[dict[str, float]]:
    return [{"test_acc": value} for value in values]
