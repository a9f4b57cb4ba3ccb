"""What can be promised when a recipe is trained again."""

from collections.abc import Sequence

from mlpcore.runs.records import Run
from pages.components.shared.words import _


def describe_reproducibility(runs: Sequence[Run]) -> str:
    """Say whether training these runs' recipes again gives the same numbers."""
    from mlpcore.training.reproducibility import Repeatability, compare_environment  # torch: not before it is needed

    found = {compare_environment(run) for run in runs}
    if found <= {Repeatability.EXACT}:
        return _("On the same machine's CPU and with the same images, the same recipe gives exactly the same numbers.")
    if Repeatability.SIMILAR not in found:
        return _(
            "The numbers may differ slightly: an older version of this app did not record everything that their last "
            "digits depend on."
        )
    return _(
        "The numbers may differ slightly: another device, processor, number of threads or version of torch, numpy or "
        "Python rounds differently."
    )
