"""What can be promised when a recipe is trained again."""

from collections.abc import Sequence

from mlpcore.runs.records import Run
from pages.components.shared.words import _


def describe_reproducibility(runs: Sequence[Run]) -> str:
    """Say whether training these runs' recipes again gives the same numbers."""
    from mlpcore.training.reproducibility import is_reproducible  # torch: not before it is needed

    if all(is_reproducible(run) for run in runs):
        return _("On the same machine's CPU and with the same images, the same recipe gives exactly the same numbers.")
    return _(
        "The numbers may differ slightly: a device other than the CPU, or other versions of torch or Python, round "
        "differently."
    )
