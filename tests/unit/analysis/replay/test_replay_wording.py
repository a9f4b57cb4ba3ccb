"""What is said of replayed runs, with its numbers."""

import numpy as np

from mlpcore.analysis.replay.loss_surface import LossSurface, WeightPath
from mlpcore.analysis.replay.sharpness import Sharpness
from mlpcore.analysis.replay.wording import describe_edge, describe_plane, explain_sharpness

PATH = WeightPath((0, 10), (0.0, 1.0), (0.0, 1.0))


def surface(runs: int) -> LossSurface:
    return LossSurface((0.0,), (0.0,), np.zeros((1, 1)), (PATH,) * runs, (0.713, 0.122), 2_000)


def test_the_plane_of_a_run_states_the_explained_variance() -> None:
    assert str(describe_plane(surface(1))) == (
        "The loss on 2,000 training examples, in the plane in which the weights moved most. It explains 84% of "
        "their variance: 71% along the first direction and 12% along the second."
    )
    assert "the weights of these 3 runs moved most. It explains 84%" in str(describe_plane(surface(3)))


def test_the_edge_says_when_it_is_reached_or_how_near_it_comes() -> None:
    sharpness = Sharpness((10, 20, 30), (5.0, 22.0, 30.0))
    assert str(describe_edge(sharpness, [20.0, 20.0, 20.0])) == (
        "In this run it is above the line at step 20, and at most 1.5 times as high."
    )
    assert str(describe_edge(sharpness, [60.0, 60.0, 60.0])) == (
        "In this run it stays below the line: it reaches 50% of it."
    )


def test_what_it_means_is_told_in_two_sentences() -> None:
    assert str(explain_sharpness()).count(". ") == 1
