"""Export runs as a report: one HTML file with names, notes, numbers, recipes and curves, which needs nothing else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from mlpcore.analysis.differences import find_differences
from mlpcore.export.messages import REPORT
from mlpcore.messages import Sentence
from mlpcore.numbers import exact_number, short_number
from mlpcore.recipes.flat import flatten, write_text
from mlpcore.recipes.lessons import title_of_label
from mlpcore.runs.records import Evaluation, Run

Translate = Callable[[str], str]
Table = tuple[list[str], list[list[str]]]  # a head and rows

# what a row of the evaluations shows
MEASURES: Mapping[str, Callable[[float], str]] = {
    "train_loss": "{:.3f}".format,
    "train_eval_loss": "{:.3f}".format,
    "train_acc": "{:.1%}".format,
    "val_acc": "{:.1%}".format,
    "test_loss": "{:.3f}".format,
    "test_acc": "{:.1%}".format,
    "lr": short_number,
    "seconds": "{:,.1f}".format,
}


def to_html(
    runs: Sequence[Run], figures: Sequence[Mapping[str, Any]], *, title: str, translate: Translate = str
) -> str:
    """Export runs as one HTML page that loads nothing: it contains plotly.js, 5 MB.

    Args:
        runs: What is reported, with their evaluations.
        figures: Plotly figures of them.
        title: Of the page.
        translate: Returns a text in the reader's language.
    """
    words = {name: translate(text) for name, text in REPORT.items()}
    return _template().render(
        title=title,
        words=words,
        overview=_tabulate_runs(runs, words, translate),
        differences=_tabulate_differences(runs, words) if len(runs) > 1 else None,
        charts=[_draw(figure, is_first=number == 0) for number, figure in enumerate(figures)],
        runs=[_describe(run, words, translate) for run in runs],
    )


@cache
def _template() -> Template:
    source = files("mlpcore.export").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def _draw(figure: Mapping[str, Any], *, is_first: bool) -> str:
    """Write a figure as a part of the page; the first one brings plotly.js."""
    from plotly import graph_objects, io  # 0.3 s: not before it is needed

    chart = graph_objects.Figure(figure)
    chart.update_layout(template="plotly_white", title=None, height=600)
    part: str = io.to_html(chart, include_plotlyjs=is_first, full_html=False, config={"displaylogo": False})
    return part


def _tabulate_runs(runs: Sequence[Run], words: Mapping[str, str], translate: Translate) -> Table:
    names = ["name", "state", "dataset", "step", "best", "best_step", "final", "train", "test_loss"]
    has_lessons = any(run.lesson for run in runs)
    rows = []
    for run in runs:
        best, latest = run.best, run.latest
        row = [run.name, translate(run.status.value), run.recipe.dataset]
        row += [f"{run.step:,}", *([f"{best.test_acc:.1%}", f"{best.step:,}"] if best else ["—", "—"])]
        row += [f"{latest.test_acc:.1%}", f"{latest.train_acc:.1%}", f"{latest.test_loss:.3f}"] if latest else ["—"] * 3
        rows.append([*row, title_of_label(run.lesson)] if has_lessons else row)
    return [words[name] for name in [*names, "lesson"] if name != "lesson" or has_lessons], rows


def _tabulate_differences(runs: Sequence[Run], words: Mapping[str, str]) -> Table | None:
    differing = find_differences([run.recipe for run in runs], besides=("changes",))
    if not differing:
        return None
    rows = [
        [run.name, *(_write(name, values[place], words) for name, values in differing.items())]
        for place, run in enumerate(runs)
    ]
    return [words["name"], *differing], rows


def _describe(run: Run, words: Mapping[str, str], translate: Translate) -> dict[str, Any]:
    moment = datetime.fromtimestamp(run.created, tz=UTC).strftime("%Y-%m-%d %H:%M")
    facts = [translate(run.status.value), words["started"].format(moment=moment)]
    if run.device:
        facts.append(words["computing"].format(seconds=run.seconds, device=run.device))
    facts += [f"{name} {version}" for name, version in run.versions.items()]
    values = {name: value for name, value in flatten(run.recipe).items() if name != "changes"}
    return {
        "name": run.name,
        "starred": run.starred,
        "note": run.note,
        "message": _say(run.message, translate) if run.message else "",
        "facts": facts,
        "recipe": [[name, _write(name, value, words)] for name, value in values.items()],
        "changes": [
            [f"{one.step:,}", ", ".join(f"{name} {exact_number(value)}" for name, value in one.values.items())]
            for one in run.recipe.changes
        ],
        "evaluations": _tabulate_evaluations(run.evaluations),
    }


def _tabulate_evaluations(evaluations: Sequence[Evaluation]) -> Table:
    shown = [name for name in MEASURES if any(getattr(one, name) is not None for one in evaluations)]
    rows = []
    for one in evaluations:
        values = {name: getattr(one, name) for name in shown}
        cells = ["—" if value is None else MEASURES[name](value) for name, value in values.items()]
        rows.append([f"{one.step:,}", *cells])
    return ["step", *shown], rows


def _write(name: str, value: Any, words: Mapping[str, str]) -> str:
    if value is None:
        return words["all"] if name == "train_size" else "—"
    return exact_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else write_text(value)


def _say(sentence: Sentence, translate: Translate) -> str:
    """Translate a sentence; a value that is a sentence is translated too."""
    values = {
        name: _say(value, translate) if isinstance(value, Sentence) else value
        for name, value in sentence.values.items()
    }
    return translate(sentence.template).format(**values)
