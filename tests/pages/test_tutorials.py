"""The tutorials' links, held true: each opens its page as described, and nothing in it is refused."""

import pytest

from tests.support.app_tests import Open
from tests.support.tutorials import Step, list_steps

STEPS = list(list_steps())


def test_there_are_three_tutorials_with_three_steps_or_more() -> None:
    names = [step.picture.stem.rpartition("-")[0] for step in STEPS]
    assert {name: names.count(name) for name in names} == {"first-overfit": 3, "for-teachers": 3, "which-optimizer": 3}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.picture.stem)
def test_its_link_opens_the_page_and_nothing_in_it_is_refused(open_page: Open, step: Step) -> None:
    assert step.picture.is_file()
    page = open_page(f"{step.page}.py" if step.page else "", **step.query)
    assert [warning.value for warning in page.warning] == []
    assert not page.exception
