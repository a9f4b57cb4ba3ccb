"""What somebody wrote is text in a real browser too: no other host is asked, and nothing becomes an image or a link."""

import json
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus
from mlpcore.runs.store import RunStore
from tests.support.servers import Server
from tests.support.visitors import Visitor, button, fresh, settle

HOST = "a.example"
TEXT = f"![x](http://{HOST}/b.png) <img src=http://{HOST}/c.png> [a](http://{HOST}) :material/home: $x$ **b**"
CLASSES = (f"<img src=x.{HOST}>", "[a](javascript:x)")  # a folder's name holds no slash


@pytest.fixture
def runs(server: Server) -> list[str]:
    """The ids of two finished runs whose texts are markup, put into the server's database."""
    points = (Evaluation(10, 2.0, 1.9, 0.4, 2.1, 0.5, 0.01, 0.1), Evaluation(20, 1.0, 0.9, 0.6, 1.1, 0.6, 0.01, 0.2))
    ids = ["markup0", "markup1"]
    server.home.mkdir(parents=True, exist_ok=True)
    with closing(RunStore(f"sqlite:///{server.home / 'runs.sqlite3'}")) as store:
        for seed, run_id in enumerate(ids):
            recipe = Recipe(dataset=f"www.{HOST}", train_iter=20, eval_every=10, batch_size=8, seed=seed)
            run = Run(run_id, "markup", recipe, RunStatus.FINISHED, 1.0, step=20, evaluations=points, note=TEXT)
            store.create_many([run])
    message = json.dumps({"template": "{why}", "values": {"why": TEXT}})
    with closing(sqlite3.connect(server.home / "runs.sqlite3")) as database, database:
        database.execute("update runs set name = ?, message = ? where id like 'markup%'", (TEXT, message))
    return ids


def check_plain(page: Page) -> None:
    """No link and no image on the page leads to the other host, nor is any formula or bold letter made of the text."""
    settle(page)
    assert page.get_by_test_id("stException").count() == 0
    leading = f"a[href*='{HOST}'], img[src*='{HOST}'], a[href^='javascript'], .katex"
    assert page.locator(leading).evaluate_all("found => found.map(one => one.outerHTML)") == []


def test_texts_in_the_database_are_text_on_every_page(visitor: Visitor, server: Server, runs: list[str]) -> None:
    page = visitor.open(run=runs[0])
    expect(fresh(page.get_by_text(TEXT)).first).to_be_visible()
    check_plain(page)
    page.goto(f"{server.url}/compare?runs={','.join(runs)}")
    expect(fresh(page.get_by_text(TEXT)).first).to_be_visible()
    check_plain(page)
    for path in (f"overfitting?lab={runs[0]}", "history"):
        page.goto(f"{server.url}/{path}")
        page.get_by_text("English", exact=True).wait_for()
        check_plain(page)


def test_names_of_classes_and_data_sets_are_text(visitor: Visitor, server: Server) -> None:
    folder = server.data / f"www.{HOST}"
    if not folder.is_dir():
        tiny = server.data / "Tiny"
        for split in ("train", "test"):
            for name, source in zip(CLASSES, ("dark", "light"), strict=True):
                (folder / split).mkdir(parents=True, exist_ok=True)
                (folder / split / name).mkdir()
                for image in (tiny / split / source).iterdir():
                    (folder / split / name / image.name).write_bytes(image.read_bytes())
    page = visitor.open(dataset=folder.name, train_iter=20, eval_every=10, batch_size=8, scheduler="none")
    check_plain(page)
    button(page, "start").click()
    fresh(page.get_by_text("finished")).first.wait_for()
    for view in ("Images", "Classes"):
        fresh(page.get_by_role("radio", name=view, exact=True)).click()
        check_plain(page)
    page.locator("svg text").filter(has_text="<img src").first.wait_for()
