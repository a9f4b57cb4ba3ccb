"""Which hyperparameters of a sweep matter (Optuna's PED-ANOVA), and what the best of n trials is expected to reach."""

from collections.abc import Sequence

from mlpcore.sweeps.definition import Definition
from mlpcore.sweeps.samplers import as_param, build_distribution
from mlpcore.sweeps.trials import Trial

FEW_TRIALS = 30  # below these, importances say little
LEAST_TRIALS = 5
CONFIDENCE = 0.8  # of the band around the expected best


def find_importances(definition: Definition, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Find the share (0 to 1) of each hyperparameter in the variation among the good trials, highest first.

    Returns them by optimizer, because hyperparameters that only one optimizer has would be left out otherwise; all
    trials stand under "" if the optimizer does not vary, and before the others if it does. A group with fewer than
    LEAST_TRIALS results is left out.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    done = [trial for trial in trials if trial.result is not None and not trial.is_fresh]
    groups = {"": done}
    if isinstance(kinds := definition.space.get("optimizer"), tuple):
        groups |= {str(kind): [trial for trial in done if trial.point.get("optimizer") == kind] for kind in kinds}
    found = {}
    for label, members in groups.items():
        names = [name for name in definition.space if all(name in trial.point for trial in members)]
        names = [name for name in names if len({repr(trial.point[name]) for trial in members}) > 1]
        if len(members) < LEAST_TRIALS or len({trial.score for trial in members}) < 2 or not names:
            continue
        distributions = {name: build_distribution(definition.space[name]) for name in names}
        study = optuna.create_study(direction="maximize")
        for trial in members:
            values = {name: as_param(definition.space[name], trial.point[name]) for name in names}
            study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=trial.score))
        found[label] = dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=names))
    return found


def expect_best(accuracies: Sequence[float], count: int) -> tuple[list[float], list[float], list[float]] | None:
    """Estimate the best accuracy of 1, 2, … `count` trials drawn at random, with a band that holds for all at once.

    Returns the lower end, the middle and the upper end of the band; None from fewer than LEAST_TRIALS accuracies. It
    means something only for trials that were drawn independently: not for a grid, and not for TPE.
    """
    if len(accuracies) < LEAST_TRIALS:
        return None
    from opda.nonparametric import EmpiricalDistribution

    numbers = list(range(1, count + 1))
    # opda's other methods hold for continuous values only: accuracies repeat
    settings = {"confidence": CONFIDENCE, "a": 0.0, "b": 1.0, "method": "dkw"}
    bands = EmpiricalDistribution.confidence_bands(list(accuracies), **settings)
    low, middle, high = (one.average_tuning_curve(numbers).tolist() for one in bands)
    # the upper end of the distribution is the lower end of its curve
    return (low, middle, high) if low[0] <= high[0] else (high, middle, low)
