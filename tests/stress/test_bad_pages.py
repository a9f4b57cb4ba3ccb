"""Bad input to pages: whatever a browser sends or an address says, no traceback, nothing stored, nothing trained."""

import logging
import math
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlpcore.charts.compare import Series, compare_chart
from mlpcore.export.report import to_html
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, shown
from tests.support.bad_values import STRANGE_TEXTS

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

PAGES = ("", "compare.py", "sweep.py", "overfitting.py", "concepts.py", "history.py", "images.py")
CONCEPTS = ("losses", "network", "updates", "activations", "schedules", "claims")
MARKUP = (
    "![x](http://a.example/b.png)",
    "<img src=http://a.example/c.png onerror=alert(1)>",
    "[a](javascript:alert(1))",
    ":material/home: :red[x] $\\sqrt{x}$",
    "**bold** _x_ `y` # z www.a.example",
)
NUMBERS = (1e308, -1e308, -1.0, 2.0**63, 0.5, -0.0)
NO_NUMBERS = (math.nan, math.inf, -math.inf)
TEXTS = tuple(text for text in STRANGE_TEXTS if text.isascii() or text.isprintable())
# what a widget's message may carry, by the field of the protocol that a widget of its kind reads
MESSAGES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "number_input": ("double_value", NUMBERS),
    "slider": ("double_array_value", ([math.nan], [math.inf], [1e308], [-5.0], [], [1.0, 2.0, 3.0])),
    "select_slider": ("string_array_value", (["x"], [], ["NaN"], ["0.1", "0.2"], ["\0"], ["😀" * 1000])),
    "selectbox": ("string_value", TEXTS),
    "text_input": ("string_value", TEXTS),
    "multiselect": ("string_array_value", (["x"], [""], ["NaN"] * 100)),
    "button_group": ("string_array_value", ([], ["x"], ["0", "1"])),
    "toggle": ("bool_value", (True, False)),
}


def send(page: "AppTest", widget_id: str, field: str, value: Any) -> "AppTest":
    """Run the page with a message that a browser's half of Streamlit would not send."""
    states = page._tree.get_widget_states()
    for kept in [state for state in states.widgets if state.id == widget_id]:
        states.widgets.remove(kept)
    state = states.widgets.add(id=widget_id)
    if field.endswith("_array_value"):
        getattr(state, field).data[:] = value
    else:
        setattr(state, field, value)
    return page._run(states)


def spoil(page: "AppTest", *, most: int | None) -> Iterator[tuple[str | None, Any]]:
    """Send messages of MESSAGES to every widget of a page, one after the other: all, or `most` to each widget.

    The widgets of one kind then take turns, so that a page with many of them gets every message.
    """
    widgets = [widget for kind in MESSAGES for widget in page.get(kind)]
    assert widgets
    turns = {kind: cycle(values) for kind, (_field, values) in MESSAGES.items()}
    for widget in widgets:
        field, values = MESSAGES[widget.type]
        for value in islice(turns[widget.type], min(most or len(values), len(values))):
            send(page, widget.proto.id, field, value)
            yield widget.key, value
    for widget in widgets:  # now all of them are wrong together
        field, values = MESSAGES[widget.type]
        send(page, widget.proto.id, field, values[0])
        yield widget.key, values[0]


def make_run(run_id: str, **values: Any) -> Run:
    points = tuple(Evaluation(step, 2.0, 1.9, 0.4, 2.1, 0.5, 0.01, step / 100) for step in (100, 200))
    made = Run(run_id, f"run {run_id}", Recipe(dataset="Tiny", batch_size=8), RunStatus.FINISHED, 1.0, step=200)
    return replace(made, evaluations=points, **values)


@pytest.mark.parametrize("path", PAGES)
def test_no_message_to_a_widget_breaks_a_page_or_starts_anything(
    open_page: Open, page_store: RunStore, path: str, is_long: bool
) -> None:
    page = open_page(path)
    for sent in spoil(page, most=None if is_long else 1):
        assert [entry.value for entry in page.exception] == [], sent
    assert page_store.count() == 0


@pytest.mark.parametrize("concept", CONCEPTS)
def test_no_message_to_a_widget_breaks_a_concept(open_page: Open, concept: str, is_long: bool) -> None:
    page = open_page("concepts.py", concept=concept)
    for sent in spoil(page, most=None if is_long else 1):
        assert [entry.value for entry in page.exception] == [], sent


@pytest.mark.parametrize(
    ("path", "query"),
    [("", {"run": "a"}), ("compare.py", {"runs": "a,b"}), ("overfitting.py", {"lab": "a"}), ("history.py", {})],
)
def test_no_message_to_a_widget_breaks_a_page_with_runs(
    open_page: Open, page_store: RunStore, path: str, query: dict[str, str], is_long: bool
) -> None:
    page_store.create_many([make_run("a"), make_run("b", recipe=Recipe(dataset="Tiny", batch_size=16))])
    page = open_page(path, **query)
    if path == "history.py":
        page.session_state["history.chosen"] = ["a", "b"]
        shown(page.run())
    for sent in spoil(page, most=None if is_long else 1):
        assert [entry.value for entry in page.exception] == [], sent
    assert page_store.count() == 2


@pytest.mark.parametrize("view", ["runs", "people"])
def test_no_message_to_a_widget_breaks_the_admins_page_or_ends_anything(
    open_page: Open, page_store: RunStore, view: str, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    monkeypatch.setenv("MLPCORE_ADMINS", "https://id.example 42")
    page_store.create_many([make_run("a", owner="ann"), make_run("b", owner="ben")])
    page = open_page()
    page.user = {"is_logged_in": True, "iss": "https://id.example", "sub": "42"}
    page.session_state["admin.view"], page.session_state["admin.person"] = view, "ann"
    shown(page.run())
    shown(page.switch_page("admin.py").run())
    for sent in spoil(page, most=None if is_long else 1):
        assert [entry.value for entry in page.exception] == [], sent
    assert page_store.count() == 2


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_whole_number_that_is_none_trains_nothing_and_shows_no_traceback(
    open_page: Open, page_store: RunStore, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    """Streamlit itself fails to read it, before the page is run: what is seen is its own sentence."""
    page = open_page()
    with caplog.at_level(logging.CRITICAL, "streamlit"):
        send(page, page.number_input(key="knob.batch_size").proto.id, "double_value", value)
    assert ["redacted" in entry.value for entry in page.exception] == [True]
    assert page_store.count() == 0


def read_texts(page: "AppTest") -> list[str]:
    return [element.value for element in [*page.text, *page.warning, *page.error]]


@pytest.mark.parametrize(
    ("key", "named"),
    [("knob.hidden_sizes", "hidden_sizes"), ("knob.MultiStepLR.milestones", "milestones"), ("knob.SGD.lr.text", "lr")],
)
def test_start_is_shut_while_a_knob_says_nonsense_and_the_knob_is_named(
    open_page: Open, page_store: RunStore, key: str, named: str
) -> None:
    page = open_page(scheduler="MultiStepLR", milestones="10,20")
    refused = 0
    for text in TEXTS:
        send(page, page.text_input(key=key).proto.id, "string_value", text)
        is_named = any(sentence.startswith(f"⚠ {named} ") for sentence in read_texts(shown(page)))
        assert page.button(key="start").disabled == is_named, text
        if is_named:  # a message may press a button that is shut all the same
            send(page, page.button(key="start").proto.id, "trigger_value", True)
            refused += 1
        assert page_store.count() == 0
        shown(page)
    assert refused > 30


ADDRESSES = {
    "run": ("", "../../etc/passwd", "a" * 5000, "\0", *MARKUP),
    "runs": ("", ",,,", "a,b,c", "x," * 500, *MARKUP),
    "lab": ("", "../..", *MARKUP),
    "remedies": ("a,b", "x," * 500),
    "concept": ("", "nothing", "__class__", *MARKUP),
    "lang": ("", "xx", "../../ko", *MARKUP),
    "lock": ("lr," * 500, "all", *MARKUP),
    "hide": ("__class__", *MARKUP),
    "title": ("x" * 500, "\0", *MARKUP),
    "rows": ("99", "-1", "x", *MARKUP),
    "seeds": ("9" * 5000, "NaN"),
    "3.lr": ("NaN", "x"),
    "99.lr": ("1",),
    "dataset": ("gone", "../../etc/passwd", *MARKUP),
    "optimizer": ("Muon", "__class__", *MARKUP),
    "lr": ("NaN", "1e400", "-1", "[" * 900, *MARKUP),
    "hidden_sizes": ("0", "9" * 5000, "1," * 2000),
    "changes": ('[{"step":1}]', "[{}]", "[" * 900, '[{"step":1,"lr":1}]'),
    "device": ("cuda:0", "/dev/zero"),
    "train_iter": ("1e400", "0", "-1"),
}


READERS = ("", "compare.py")  # the pages that read a recipe from their address


def pick_values(path: str, *, is_long: bool) -> Iterator[tuple[str, str]]:
    """Yield names and values for the addresses of a page: all, or in the short form one text of MARKUP for a name."""
    markup = cycle(MARKUP)
    for name, values in ADDRESSES.items():
        if path not in READERS and not is_long:
            yield name, values[-1]
            continue
        own = [value for value in values if is_long or value not in MARKUP]
        yield from ((name, value) for value in own)
        if len(own) < len(values):
            yield name, next(markup)


@pytest.mark.parametrize("path", PAGES)
def test_no_address_breaks_a_page_or_starts_anything(
    open_page: Open, page_store: RunStore, path: str, is_long: bool
) -> None:
    page = open_page(path)
    for name, value in pick_values(path, is_long=is_long):
        page.query_params.clear()
        page.query_params[name] = value
        page.run()
        assert [entry.value for entry in page.exception] == [], (name, value)
        check_no_markup(page)
    page.query_params.clear()
    for name, values in ADDRESSES.items():
        page.query_params[name] = values[-1]
    shown(page.run())
    assert page_store.count() == 0


def check_no_markup(page: "AppTest") -> None:
    """What somebody wrote stands in no element that reads markdown: no image is fetched, no link is there."""
    elements = [*page.markdown, *page.caption, *page.warning, *page.error, *page.success, *page.info, *page.toast]
    for text in [element.value for element in elements] + [button.label for button in page.button]:
        assert not [part for part in MARKUP if part in text], text


def test_addresses_without_end_are_answered_with_few_sentences(open_page: Open) -> None:
    page = open_page(**{f"{number}.dataset": "gone" for number in range(2000)})
    assert len(page.text) < 100


class TestMarkup:
    @pytest.mark.parametrize("text", MARKUP)
    def test_names_notes_and_messages_in_the_database_are_shown_as_text(
        self, open_page: Open, page_store: RunStore, text: str
    ) -> None:
        message = Sentence("{why}", {"why": text})
        runs = [make_run(run_id, name=text, note=text, message=message) for run_id in ("a", "b")]
        page_store.create_many(runs)
        for path, query in (("", {"run": "a"}), ("compare.py", {"runs": "a,b"}), ("overfitting.py", {"lab": "a"})):
            check_no_markup(open_page(path, **query))
        page = open_page("history.py")
        for chosen in (["a"], ["a", "b"]):
            page.session_state["history.chosen"] = chosen
            check_no_markup(shown(page.run()))
        assert text in list(page.dataframe[0].value["name"])

    def test_data_set_in_the_database_that_no_recipe_may_have_is_left_out(
        self, open_page: Open, page_store: RunStore, tmp_path: Path
    ) -> None:
        page_store.create_many([make_run("a"), make_run("b")])
        with closing(sqlite3.connect(tmp_path / "home" / "runs.sqlite3")) as database, database:
            database.execute("update runs set recipe = replace(recipe, 'Tiny', ?) where id = 'a'", (MARKUP[1],))
        for path, query in (("", {"run": "a"}), ("compare.py", {"runs": "a,b"}), ("history.py", {})):
            check_no_markup(open_page(path, **query))

    @pytest.mark.parametrize("name", ["_x_", "www.a.example", "- x", "1. x", "--- x", "__init__"])
    def test_data_set_is_shown_letter_by_letter(self, open_page: Open, page_store: RunStore, name: str) -> None:
        page_store.create_many([make_run("a", recipe=Recipe(dataset=name.strip("- ") if name[0] == "-" else name))])
        page = open_page("", run="a")
        captions = [element.value for element in page.caption if "iterations of" in element.value]
        assert captions
        assert not [text for text in captions if "www." in text or re.search(r"(?<!\\)[_*]", text)]

    def test_legend_of_a_page_that_leaves_holds_no_script(self) -> None:
        figure = compare_chart([Series("</script><script>alert(1)</script>", 0, [make_run("a")])])
        page = to_html(
            [make_run("a", note="</p><script>alert(1)</script>")], [figure], title="<script>alert(1)</script>"
        )
        assert "<script>alert(1)" not in page
