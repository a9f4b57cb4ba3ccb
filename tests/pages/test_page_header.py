"""The first row of every page: its name, a sentence, its link and the choice of a language."""

import json

import pytest

from tests.support.app_tests import Open, says


@pytest.mark.parametrize(
    ("path", "title", "sentence", "has_link"),
    [
        ("playground.py", "Playground", "Train a small network to recognise images", True),
        ("compare.py", "Compare", "Train several recipes on the same images", True),
        ("sweep.py", "Sweep", "Give every optimizer its best learning rate", True),
        ("overfitting.py", "Overfitting", "Watch a network learn its training images by heart", True),
        ("concepts.py", "Concepts", "The ideas behind training, one at a time", True),
        ("history.py", "History", "Find, compare, export and delete the runs", False),
        ("images.py", "Images", "Look at the images and labels", True),
    ],
)
def test_page_says_what_it_is_and_offers_its_link_if_it_has_one(
    open_page: Open, path: str, title: str, sentence: str, has_link: bool
) -> None:
    page = open_page(path)
    assert page.markdown.values[0] == f"# {title}"
    assert says(page, sentence)
    (header,) = (element for element in page.get("bidi_component") if element.key == "page-header.browser")
    assert json.loads(header.proto.json)["hasLink"] == has_link
