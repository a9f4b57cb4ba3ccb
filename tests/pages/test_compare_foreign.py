"""Curves of other programs beside a comparison: drawn in grey, marked, and out of every conclusion."""

from streamlit.testing.v1 import AppTest

from mlpcore.runs.store import RunStore
from tests.support.app_tests import Open, figure, shown, texts
from tests.support.history_page import make_run

THEIRS = b"step,loss,accuracy\n100,2.5,0.25\n400,2.0,0.5\n"


def bring(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    (uploader,) = (one for one in page.file_uploader if str(one.key).startswith("compare.foreign."))
    uploader.set_value([(name, data, "text/csv") for name, data in files])
    return shown(page.run())


def open_with_runs(open_page: Open, store: RunStore) -> AppTest:
    store.create_many([make_run("a"), make_run("b", recipe=make_run("b").recipe.replace(dropout=0.5))])
    page = open_page("compare.py", runs="a,b")
    page.session_state["compare.foreign.open"] = True
    return shown(page.run())


def list_names(page: AppTest) -> list[str]:
    return [trace["name"] for trace in figure(page, "compare")["data"] if trace.get("showlegend")]


def test_a_foreign_run_is_drawn_and_can_be_removed(open_page: Open, page_store: RunStore) -> None:
    page = bring(open_with_runs(open_page, page_store), ("theirs.csv", THEIRS))
    assert list_names(page)[-1] == "theirs (foreign)"
    (accuracy,) = (t for t in figure(page, "compare")["data"] if t["uid"] == "foreign-test_acc-theirs")
    assert (accuracy["x"], accuracy["y"], accuracy["line"]["dash"]) == ([100, 400], [0.25, 0.5], "dot")
    assert "theirs: 400 iterations, at best 50.0% of the test images right" in texts(page)
    assert figure(page, "compare")["layout"]["xaxis"]["range"][1] >= 400
    page = shown(page.button(key="compare.foreign.remove.theirs").click().run())
    assert "theirs (foreign)" not in list_names(page)


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_kept(open_page: Open, page_store: RunStore) -> None:
    page = bring(open_with_runs(open_page, page_store), ("broken.csv", b"step\n1\n"), ("theirs.csv", THEIRS))
    assert ('⚠ broken.csv: The file needs a column "step", and a column "train_loss" or "test_acc".') in texts(page)
    assert list_names(page)[-1] == "theirs (foreign)"
    assert any(text.startswith("⚠ broken.csv: ") for text in texts(shown(page.run())))  # whatever redraws the page


def test_at_most_eight_are_drawn(open_page: Open, page_store: RunStore) -> None:
    page = bring(open_with_runs(open_page, page_store), *((f"{n}.csv", THEIRS) for n in range(9)))
    assert "⚠ 8.csv: At most 8 foreign runs are drawn: remove one first." in texts(page)
    assert list_names(page)[-1] == "7 (foreign)"
