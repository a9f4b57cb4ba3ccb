"""What is said of runs without a problem."""

from dataclasses import replace

from mlpcore.analysis.diagnoses.wording import describe_finding
from tests.support.histories import healthy, history, only, run


def test_where_hardly_an_image_is_wrong_no_larger_network_is_proposed() -> None:
    solved = [replace(one, test_acc=0.996, train_acc=1.0) for one in history(healthy)]
    sentence = str(describe_finding(only(run(solved))))
    assert sentence == "A test accuracy of 99.6% leaves nothing to gain. Try harder data."
