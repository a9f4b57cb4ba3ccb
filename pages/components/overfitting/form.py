"""The overfitting lab's form: a few hyperparameters, kept apart from the playground's."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st
from pydantic import BaseModel, ValidationError

from mlpcore.analysis.remedies import OVERFITTING_PRESETS, build_lab_recipe
from mlpcore.data.download.sources import dataset_title
from mlpcore.messages import Sentence
from mlpcore.numbers import exact_number
from mlpcore.recipes.flat import flatten, list_fields
from mlpcore.recipes.points import POINT_NAMES, POINT_SETS, DataSource
from mlpcore.recipes.recipe import SGD, Recipe
from mlpcore.recipes.validation import find_limits, find_problems
from pages.components.recipe_form.form_state import find_lesson
from pages.components.shared.choices import persistent, set_widget, widget_key
from pages.components.shared.state import count_images
from pages.components.shared.words import _

SIZES = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
DECAYS = (0.0, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.02, 0.05, 0.1)
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
DEPTHS = (1, 2, 3, 4)
ITERATIONS = (100, 200, 400, 600, 1_000, 2_000, 3_000, 5_000, 10_000)
START: dict[str, Any] = {
    "train_size": 1_000,
    "label_noise": 0.0,
    "dropout": 0.0,
    "weight_decay": 0.0,
    "width": 128,
    "depth": 2,
    "train_iter": 600,
    "seed": 0,
    "hold_out": True,
    "count": 2_000,
    "noise": 0.03,
    "classes": 2,
    "data_seed": 0,
}
ALL = 0  # a slider takes no None
LESSON = "lab.lesson"  # in the session: the lesson of the lab
FIELD_OF = {"width": "hidden_sizes", "depth": "hidden_sizes", "hold_out": "validation_size"}  # where names differ
HELD_OUT = 0.1  # of the training images


def begin(dataset: str) -> None:
    """Set every knob at the beginning of a session; later they keep what the visitor chose."""
    st.session_state["lab.first"] = dataset
    if _get("dataset") is None:
        put_knobs(START | {"dataset": dataset})


def put_knobs(values: Mapping[str, object]) -> None:
    """Set knobs. Call this before they are drawn."""
    for name, value in values.items():
        set_widget(f"lab.{name}", value)


def _get(name: str) -> Any:
    """Return the value of a knob; of one that was never shown, the first one."""
    return st.session_state.get(widget_key(f"lab.{name}"), START.get(name))


def put_preset(name: str) -> None:
    """Set the knobs to a preset, on the chosen data set."""
    knobs = START | dict(OVERFITTING_PRESETS[name])
    if "dataset" not in knobs and _get("dataset") in POINT_SETS:
        knobs["dataset"] = st.session_state["lab.first"]
    put_knobs(knobs | {"train_size": knobs["train_size"] or ALL})


def put_recipe(recipe: Recipe) -> None:
    """Set the knobs to a recipe of the lab, but for what a lesson keeps."""
    put_knobs(_as_knobs(flatten(recipe)) | _held())


def build_first(dataset: str) -> Recipe:
    """Build the recipe with which the lab begins."""
    return _build(dataset=dataset, **START)


def read_lab_form() -> tuple[Recipe | None, list[Sentence]]:
    """Build a recipe from the knobs, or return None and sentences that say why it is not valid."""
    try:
        return _build(**{name: _get(name) for name in ("dataset", *START)} | _held()), []
    except ValidationError as error:
        return None, [sentence for _field, sentence in find_problems(error)]


def show_form(datasets: Sequence[str]) -> None:
    """Draw the presets and the knobs."""
    titles = {
        "few_images": _("Few images"),
        "random_labels": _("Random labels"),
        "noisy_labels": _("Noisy labels"),
        "all_images": _("All images"),
        "spiral": _("Spiral"),
    }
    with st.container(horizontal=True, gap="xsmall"):
        for name in OVERFITTING_PRESETS:
            st.button(titles[name], on_click=put_preset, args=(name,), key=f"lab.preset.{name}")
    current = _get("dataset")  # it stays chosen if it has been removed meanwhile, and the page says so
    st.selectbox(
        _("Data set"),
        datasets if current in datasets else [*datasets, current],
        help=_(list_fields()["dataset"].help),
        filter_mode=None,
        format_func=dataset_title,
        **persistent(widget_key("lab.dataset")),
    )
    is_plane = _get("dataset") in POINT_SETS
    images = count_images(_find_source(_get("dataset"), {name: _get(name) for name in POINT_NAMES}))
    if is_plane:
        _points_form()
    if _get("train_size") >= images:
        put_knobs({"train_size": ALL})
    label = _("Training points") if is_plane else _("Training images")
    _stops("train_size", label, [size for size in SIZES if size < images], _show_size, last=(ALL,))
    _share("label_noise", _("Label noise"))
    _share("dropout", _("Dropout"))
    _stops("weight_decay", _("Weight decay"), DECAYS, exact_number, kind=SGD)
    help_width = _("Units of the first hidden layer; each further layer has half as many as the one before.")
    with _row("width", "depth"):
        _stops("width", _("Width"), WIDTHS, str, field="hidden_sizes", help_text=help_width)
        _stops("depth", _("Depth"), DEPTHS, str, field="", help_text=_("Hidden layers."))
    with _row("train_iter", "seed"):
        _stops("train_iter", _("Iterations"), ITERATIONS, lambda steps: f"{steps:,}")
        _number("seed", _("Seed"), Recipe)
    if _is_shown("hold_out"):
        st.toggle(
            _("Hold out a tenth to choose the best step"),
            help=_(list_fields()["validation_size"].help),
            disabled=_is_held("hold_out"),
            **persistent(widget_key("lab.hold_out")),
        )


def _build(*, dataset: str, **knobs: Any) -> Recipe:
    """Build the recipe of knobs. Raises ValidationError if one is out of range."""
    source = _find_source(dataset, knobs)
    images = count_images(source)
    held = round(HELD_OUT * images) if knobs["hold_out"] else 0
    rest = {name: value for name, value in knobs.items() if name not in ("hold_out", *POINT_NAMES)}
    rest["train_size"] = rest["train_size"] or None
    return build_lab_recipe(dataset=dataset, points=source.points, images=images, validation_size=held, **rest)


def _find_source(dataset: str, knobs: Mapping[str, Any]) -> DataSource:
    """Return the data that knobs ask for; with the default points where a value is out of range."""
    if dataset not in POINT_SETS:
        return DataSource(dataset)
    kind = POINT_SETS[dataset]
    values = {name: knobs[name] for name in POINT_NAMES if name in kind.model_fields}
    try:
        return DataSource(dataset, kind(**values))
    except ValidationError:
        return DataSource(dataset)


def _points_form() -> None:
    """Draw how the points are drawn."""
    kind = POINT_SETS[_get("dataset")]
    with _row("count", "data_seed"):
        _number("count", _("Points"), kind, step=50)
        _number("data_seed", _("Data seed"), kind)
    with _row("noise", "classes"):
        if _is_shown("noise"):
            low, high = find_limits(kind, "noise")
            rest: Any = {"help": _(list_fields()["noise"].help), "disabled": _is_held("noise")}
            st.slider(_("Noise"), low, high, step=0.01, **rest, **persistent(widget_key("lab.noise"), START["noise"]))
        if "classes" in kind.model_fields:
            _number("classes", _("Classes"), kind)


def _number(name: str, label: str, kind: type[BaseModel], *, step: int = 1) -> None:
    """Draw a field for a whole number within its bounds."""
    if _is_shown(name):
        low, high = find_limits(kind, name)
        rest: Any = {"help": _(list_fields()[name].help), "disabled": _is_held(name), "width": 110}
        st.number_input(label, low, high, step=step, **rest, **persistent(widget_key(f"lab.{name}"), START[name]))


def _as_knobs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the knobs that stand for those hyperparameters that are given, by their flat names."""
    knobs = {name: values[name] for name in ("dataset", *START) if name in values}
    if "train_size" in values:
        knobs["train_size"] = values["train_size"] or ALL
    if "hidden_sizes" in values:
        sizes = values["hidden_sizes"]
        knobs |= {"width": sizes[0], "depth": min(len(sizes), max(DEPTHS))}
    if "validation_size" in values:
        knobs["hold_out"] = values["validation_size"] > 0
    return knobs


def _held() -> dict[str, Any]:
    """Return the knobs that a lesson keeps, at its values."""
    return _as_knobs(find_lesson(LESSON).values)


def _is_held(knob: str) -> bool:
    return find_lesson(LESSON).holds(FIELD_OF.get(knob, knob))


def _is_shown(knob: str) -> bool:
    return FIELD_OF.get(knob, knob) not in find_lesson(LESSON).hidden


def _row(*knobs: str) -> AbstractContextManager[object]:
    """Draw knobs side by side; no row where a lesson hides them all."""
    if not any(map(_is_shown, knobs)):
        return nullcontext()
    return st.container(horizontal=True, wrap=False, gap="medium", vertical_alignment="bottom")


def _stops(
    name: str,
    label: str,
    stops: Sequence[float],
    show: Callable[[Any], str],
    *,
    kind: type[BaseModel] = Recipe,
    field: str | None = None,
    last: Sequence[float] = (),
    help_text: str = "",
) -> None:
    """Draw a slider over the stops that the field allows, including values that a preset or a link has set."""
    if not _is_shown(name):
        return
    field = name if field is None else field
    low, high = find_limits(kind, field) if field else (min(stops), max(stops))
    # A value that was once set from elsewhere stays on offer: a slider returns an index, not a value.
    more = st.session_state.setdefault(f"lab.{name}.more", set())
    more.add(_get(name))
    offered = sorted({stop for stop in (*stops, *more) if low <= stop <= high and stop not in last})
    options: list[float] = [*offered, *last]
    st.select_slider(
        label,
        options,
        format_func=show,
        help=help_text or _(list_fields()[field].help),
        disabled=_is_held(name),
        **persistent(widget_key(f"lab.{name}")),
    )


def _share(name: str, label: str) -> None:
    if not _is_shown(name):
        return
    low, high = find_limits(Recipe, name)
    help_ = _(list_fields()[name].help)
    st.slider(label, low, high, step=0.05, help=help_, disabled=_is_held(name), **persistent(widget_key(f"lab.{name}")))


def _show_size(size: int) -> str:
    return _("all") if size == ALL else f"{size:,}"
