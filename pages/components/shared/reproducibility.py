"""What can be promised of a recipe that is trained again."""

from collections.abc import Sequence

from mlpcore.runs.records import Run
from pages.components.shared.words import _


def show_reproducibility(runs: Sequence[Run]) -> str:
    """Say whether the recipes of these runs come to the same points again."""
    from mlpcore.training.reproducibility import is_reproducible  # torch: not before it is needed

    if all(is_reproducible(run) for run in runs):
        return _("On the same machine's CPU and with the same images, the same recipe comes to the same points.")
    return _(
        "The points may differ a little: what was measured on another device than the CPU, or with other versions of "
        "torch or Python, is rounded in another way."
    )
