"""The report of runs: one page with their names, notes, numbers, recipes and curves, which loads nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from mlpcore.charts.compare import Series, compare_chart
from mlpcore.export.report import to_html
from mlpcore.messages import Sentence
from mlpcore.recipes.recipe import SGD, Adam, Change, Recipe
from mlpcore.runs.records import Evaluation, Run, RunStatus

RUN = Run(
    "a1",
    "first try",
    Recipe(optimizer=SGD(lr=0.1), train_size=2_000, changes=(Change(step=1_000, lr=1e-5),)),
    RunStatus.DIVERGED,
    1_700_000_000.25,
    owner="the owner's secret",
    step=1_200,
    seconds=1.5,
    device="cpu",
    versions={"torch": "2.13.0"},
    message=Sentence("At step {step:,}: {word}.", {"step": 1234, "word": "<b>"}),
    traceback="Traceback, with what only the server's own may see",
    note="too fast</p><script>alert(1)</script>",
    starred=True,
    lesson="1a2b Which rate?",
    evaluations=(
        Evaluation(100, 1.5, 1.4, 0.5, 1.6, 0.4321, 0.1, 0.5),
        Evaluation(200, 1.25, 1.2, 0.625, 1.75, 0.4, 1e-5, 1.5),
    ),
)
OTHER = Run("b2", "Adam", Recipe(optimizer=Adam()), RunStatus.FAILED, 0.0)
KOREAN = {"name": "이름", "Recipe": "레시피", "At step {step:,}: {word}.": "{step:,}단계: {word}."}


class Cells(HTMLParser):
    """Collects the cells of tables and the texts of everything else that is read."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tag in ("td", "th"):
            self.rows[-1][-1] += data.strip()
        elif self.tag not in ("script", "style"):
            self.texts.append(data)


def report(*runs: Run, **values: str) -> tuple[str, Cells]:
    series = [Series(run.name, place, [run]) for place, run in enumerate(runs)]
    page = to_html(runs, [compare_chart(series)], title="Runs", translate=lambda text: values.get(text, text))
    cells = Cells()
    cells.feed(page)
    return page, cells


def test_it_holds_names_numbers_recipes_notes_and_curves() -> None:
    page, cells = report(RUN, OTHER)
    figures = ["1,200", "43.2%", "100", "40.0%", "62.5%", "1.750"]
    assert ["first try", "diverged", "Shapes", *figures, "Which rate?"] in cells.rows
    assert ["Adam", "failed", "Shapes", "0", "—", "—", "—", "—", "—", ""] in cells.rows
    assert "lesson" not in report(OTHER)[1].rows[0]
    for name, value in (("lr", "0.1"), ("train_size", "2,000"), ("train_size", "all"), ("hidden_sizes", "128,64")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert ["1,000", "lr 1e-5"] in cells.rows
    assert ["200", "1.250", "1.200", "62.5%", "1.750", "40.0%", "1e-5", "1.5"] in cells.rows
    said = "".join(cells.texts)
    assert "too fast</p><script>alert(1)</script>" in said
    assert "At step 1,234: <b>." in said
    assert "diverged · started 2023-11-14 22:13 UTC · 1.5 s of computing on cpu · torch 2.13.0" in said
    assert "Nothing was measured." in said
    assert said.count("★") == 1
    assert '"loss-0"' in page


def test_it_names_what_differs_between_runs() -> None:
    _page, cells = report(RUN, OTHER)
    (head,) = [row for row in cells.rows if row[0] == "name" and "betas" in row]
    rows = {row[0]: dict(zip(head, row, strict=True)) for row in cells.rows if len(row) == len(head)}
    assert (rows["first try"]["betas"], rows["Adam"]["betas"]) == ("—", "0.9,0.999")
    assert (rows["first try"]["train_size"], rows["Adam"]["train_size"]) == ("2,000", "all")
    assert not [row for row in report(RUN, replace(RUN, name="again"))[1].rows if "betas" in row]


def test_it_loads_nothing_and_tells_no_secret() -> None:
    page, _cells = report(RUN)
    assert not re.search(r"<(script|img|link|iframe)[^>]* (src|href)=", page)
    assert "default-src 'none'" in page
    assert "<script>alert(1)" not in page
    assert "secret" not in page
    assert "Traceback" not in page
    assert page.count("<html") == page.count("</html>") == 1
    assert len(page) > 1_000_000  # plotly.js itself, once
    assert len(page) < 8_000_000


def test_it_speaks_the_readers_language() -> None:
    _page, cells = report(RUN, **KOREAN)
    assert cells.rows[0][0] == "이름"
    assert "1,234단계: <b>." in "".join(cells.texts)
