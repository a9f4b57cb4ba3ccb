"""What Start would train, beside the run that is shown."""

from mlpcore.recipes.recipe import Recipe
from pages.components.shared.recipe_summary import describe_next


def test_a_gradient_that_is_clipped_or_no_longer_clipped_is_named() -> None:
    free, clipped = Recipe(), Recipe(max_norm=0.5, label_smoothing=0.1)
    assert describe_next(free, clipped).endswith(" · dropout 0.5 · label_smoothing 0.1 · max_norm 0.5")
    assert describe_next(clipped, free).endswith(" · dropout 0.5 · label_smoothing 0 · max_norm none")
