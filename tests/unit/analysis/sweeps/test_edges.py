"""Whether a best value lies where a search could not look beyond, and how that is said."""

import pytest

from mlpcore.analysis.sweeps.edges import Edge, EdgeBest, find_edge
from mlpcore.analysis.sweeps.wording import describe_edge_best


@pytest.mark.parametrize(
    ("value", "edge"),
    [(0.0, Edge.LOW), (0.1, Edge.LOW), (0.11, None), (0.5, None), (0.89, None), (0.9, Edge.HIGH), (1, Edge.HIGH)],
)
def test_the_outermost_tenth_of_a_range_is_its_edge(value, edge):
    assert find_edge(value, 0.0, 1.0) is edge


def test_a_log_range_is_measured_in_ratios():
    # a tenth of the four decades from 1e-4 to 1 is 0.4 decades: to 2.51e-4, and from 0.398
    edges = [find_edge(lr, 1e-4, 1.0, is_log=True) for lr in (2.4e-4, 2.6e-4, 0.1, 0.39, 0.41)]
    assert edges == [Edge.LOW, None, None, None, Edge.HIGH]


def test_a_sentence_names_hyperparameter_value_and_range():
    sgd = EdgeBest("lr", 0.91234, 1e-4, 1.0, Edge.HIGH, "SGD")
    assert str(describe_edge_best(sgd)) == (
        "SGD · lr: the best trial has 0.9123, at the upper end of what was tried (1e-4 to 1). "
        "A larger value may be better."
    )
    assert str(describe_edge_best(EdgeBest("batch_size", 16, 16, 256, Edge.LOW))) == (
        "batch_size: the best trial has 16, at the lower end of what was tried (16 to 256). "
        "A smaller value may be better."
    )
