"""Widgets for every knob, and the recipe they make. Bounds and help come from the recipe's own fields."""

import math
from collections.abc import Callable
from typing import Any

import streamlit as st
from components.notices import warn
from components.words import _, say, show_rate
from pydantic import BaseModel, ValidationError

from mlpcore.messages import Sentence
from mlpcore.problems import find_limits, find_problems
from mlpcore.recipe import OPTIMIZERS, SCHEDULERS, Recipe

LIVE_KNOBS = ("lr", "momentum", "weight_decay")  # an edit of these reaches a run that goes on
LOG_KNOBS = ("lr", "weight_decay", "lr_decay")
LISTS = ("hidden_sizes", "milestones")

Edited = Callable[[str], None]


def put_recipe(recipe: Recipe) -> None:
    """Set every widget to what a recipe says; to be called before the widgets are drawn."""
    state = st.session_state
    state["knob.optimizer"], state["knob.scheduler"] = recipe.optimizer.name, recipe.scheduler.name
    for part, prefix in ((recipe.optimizer, recipe.optimizer.name), (recipe.scheduler, recipe.scheduler.name)):
        for name in type(part).model_fields:
            put_knob(f"{prefix}.{name}", getattr(part, name))
    for name in Recipe.model_fields:
        if name not in ("optimizer", "scheduler", "changes"):
            put_knob(name, getattr(recipe, name))
    state["knob.changes"] = [change.model_dump(exclude_none=True) for change in recipe.changes]


def put_knob(path: str, value: Any) -> None:
    """Set a knob, "lr" of the recipe itself or "SGD.lr" of an optimizer, and its widgets with it."""
    state = st.session_state
    state.setdefault("knob.refused", {}).pop(path, None)
    name = path.rpartition(".")[2]
    if name == "betas":
        state[f"knob.{path}.0"], state[f"knob.{path}.1"] = value
    elif name in LISTS:
        state[f"knob.{path}"] = ", ".join(map(str, value))
    else:
        state[f"knob.{path}"] = value
    if name in LOG_KNOBS:
        state[f"knob.{path}.text"], state[f"knob.{path}.slider"] = show_rate(value), value


def begin(recipe: Recipe) -> None:
    """Set every widget at the session's beginning; later they keep what the visitor chose."""
    if "knob.optimizer" not in st.session_state:
        put_recipe(recipe)


def read_recipe() -> tuple[Recipe | None, list[Sentence]]:
    """Make a recipe of what the widgets say; where that is none, the sentences say why.

    An exact entry that was refused has its sentence at the field already.
    """
    state = st.session_state
    values = {name: _get(name) for name in Recipe.model_fields if name not in ("optimizer", "scheduler", "changes")}
    for part, kinds in (("optimizer", OPTIMIZERS), ("scheduler", SCHEDULERS)):
        kind = kinds[state[f"knob.{part}"]]
        prefix = state[f"knob.{part}"]
        knobs = {name: _get(f"{prefix}.{name}") for name in kind.model_fields if name != "name"}
        values[part] = {"name": prefix} | {name: value for name, value in knobs.items() if value is not None}
    try:
        recipe = Recipe.model_validate(values | {"changes": state.get("knob.changes", [])})
    except ValidationError as error:
        return None, [sentence for _field, sentence in find_problems(error)]
    return (None if state.get("knob.refused") else recipe), []


def optimizer_form(edited: Edited) -> None:
    """Draw the optimizer's knobs; `edited` is told the name of each that a person moves."""
    with st.container(horizontal=True, wrap=False, gap="small"):
        _choice("optimizer", _("Optimizer"), list(OPTIMIZERS), Recipe)
        _number("batch_size", _("Batch size"), Recipe, width=110)
    name = st.session_state["knob.optimizer"]
    kind = OPTIMIZERS[name]
    _log_slider(f"{name}.lr", _("Learning rate"), kind, edited)
    if name == "SGD":
        with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="bottom"):
            _slider(f"{name}.momentum", _("Momentum"), kind, edited, step=0.01, top=0.99)
            _toggle(f"{name}.nesterov", _("Nesterov"), kind)
    elif name in ("Adam", "AdamW"):
        _betas(name, kind)
    elif name == "RMSprop":
        with st.container(horizontal=True, wrap=False, gap="small"):
            _slider(f"{name}.alpha", _("Alpha"), kind, edited, step=0.01, top=0.99)
            _slider(f"{name}.momentum", _("Momentum"), kind, edited, step=0.01, top=0.99)
    elif name == "Adagrad":
        _log_slider(f"{name}.lr_decay", _("Rate decay"), kind, edited)
    _log_slider(f"{name}.weight_decay", _("Weight decay"), kind, edited)


def scheduler_form() -> None:
    """Draw the scheduler's knobs, only those that matter."""
    with st.container(horizontal=True, wrap=False, gap="small"):
        _choice("scheduler", _("Schedule"), list(SCHEDULERS), Recipe)
        name = st.session_state["knob.scheduler"]
        kind = SCHEDULERS[name]
        _number(f"{name}.warmup_iters", _("Warm-up"), kind, width=110)
    with st.container(horizontal=True, wrap=False, gap="small"):
        if name == "StepLR":
            _number(f"{name}.step_size", _("Step size"), kind)
            _slider(f"{name}.gamma", _("Gamma"), kind, _ignore, step=0.05, bottom=0.05)
        elif name == "MultiStepLR":
            _list(f"{name}.milestones", _("Milestones"), kind)
            _slider(f"{name}.gamma", _("Gamma"), kind, _ignore, step=0.05, bottom=0.05)
        elif name == "CosineAnnealingLR":
            _number(f"{name}.T_max", "T_max", kind)
            _number(f"{name}.eta_min", "eta_min", kind, step=1e-4, format="%g")
        elif name == "ExponentialLR":
            _number(f"{name}.gamma", _("Gamma"), kind, step=1e-4, format="%.5f")
        elif name == "OneCycleLR":
            _slider(f"{name}.pct_start", _("Climb"), kind, _ignore, step=0.01)
            _number(f"{name}.div_factor", _("Start divisor"), kind, step=1.0, format="%g")
            _number(f"{name}.final_div_factor", _("End divisor"), kind, step=100.0, format="%g")
        if _get(f"{name}.warmup_iters"):
            _number(f"{name}.start_factor", _("Warm-up from"), kind, step=0.01, format="%g")


def changes_form() -> None:
    """Say which edits a link or a run brought along, and offer to forget them."""
    changes = st.session_state.get("knob.changes")
    if not changes:
        return
    steps = ", ".join(f"{change['step']:,}" for change in changes[:5]) + ("…" if len(changes) > 5 else "")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_("With the edits of a run, at step {steps}.").format(steps=steps))
        st.button(_("Forget them"), on_click=st.session_state.update, kwargs={"knob.changes": []}, key="forget")


def data_form(datasets: list[str]) -> None:
    """Draw the choice of images, how many of them, and how many wrong labels."""
    current = st.session_state.get("knob.dataset")  # gone meanwhile, perhaps: it stays chosen, and the page says so
    options = datasets if current is None or current in datasets else [*datasets, current]
    _choice("dataset", _("Data set"), options, Recipe)
    _optional_number("train_size", _("Training images"), _("all"))
    _slider("label_noise", _("Label noise"), Recipe, _ignore, step=0.05)
    _number("validation_size", _("Held out for validation"), Recipe, step=1000)


def draw_form() -> None:
    """Draw the knobs that decide which images a mini-batch holds."""
    with st.container(horizontal=True, wrap=False, gap="small"):
        _number("batch_size", _("Batch size"), Recipe)
        _number("seed", _("Seed"), Recipe)


def network_form() -> None:
    """Draw the network's knobs."""
    _list("hidden_sizes", _("Hidden sizes"), Recipe)
    _choice("activation", _("Activation"), ["relu", "tanh", "sigmoid"], Recipe)
    _slider("dropout", _("Dropout"), Recipe, _ignore, step=0.05)


def run_form() -> None:
    """Draw how long a run trains, how often it is measured, its seed and its device."""
    _number("train_iter", _("Iterations"), Recipe, step=500)
    _number("eval_every", _("Evaluate every"), Recipe, step=10)
    _number("seed", _("Seed"), Recipe)
    _choice("device", _("Device"), ["auto", "cpu", "cuda", "mps", "xpu"], Recipe)
    name = st.session_state["knob.optimizer"]
    if name != "SGD":
        _number(f"{name}.eps", f"{name} eps", OPTIMIZERS[name], step=1e-8, format="%g")


# one widget a kind of knob; a path is "lr" for the recipe's own knobs, "SGD.lr" for an optimizer's


def _get(path: str) -> Any:
    """Read a knob, None where its widget was never shown: the recipe's default holds."""
    state = st.session_state
    name = path.rpartition(".")[2]
    if name == "betas":
        betas = state.get(f"knob.{path}.0"), state.get(f"knob.{path}.1")
        return None if None in betas else betas
    value = state.get(f"knob.{path}")
    if name in LISTS and value is not None:
        return [_as_int(part) for part in value.split(",") if part.strip()]
    return value


def _as_int(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text.strip()  # the recipe refuses it, by name


def _prepare(path: str, kind: type[BaseModel]) -> dict[str, Any]:
    """Give a knob that was never shown its default; return what every widget of it is called with."""
    name = path.rpartition(".")[2]
    if _get(path) is None and kind.model_fields[name].default is not None:
        put_knob(path, kind.model_fields[name].default)
    return {"key": f"knob.{path}", "help": _help(kind, name), "persist_state": "session"}


def _choice(path: str, label: str, options: list[str], kind: type[BaseModel]) -> None:
    common = _prepare(path, kind) if path not in ("optimizer", "scheduler") else _prepare_part(path)
    st.selectbox(label, options, filter_mode=None, **common)


def _prepare_part(path: str) -> dict[str, Any]:
    return {"key": f"knob.{path}", "help": _help(Recipe, path), "persist_state": "session"}


def _help(kind: type[BaseModel], name: str) -> str:
    """The knob's name in torch and its line of help."""
    return f"`{name}` · {_(kind.model_fields[name].description or '')}"


def _number(path: str, label: str, kind: type[BaseModel], **settings: Any) -> None:
    common = _prepare(path, kind)
    low, high = find_limits(kind, path.rpartition(".")[2])
    st.number_input(label, min_value=low, max_value=high, **({"step": 1} | settings), **common)


def _optional_number(path: str, label: str, placeholder: str) -> None:
    common = _prepare(path, Recipe)
    low, high = find_limits(Recipe, path)
    value = None if st.session_state.get(f"knob.{path}") is None else "min"
    st.number_input(label, low, high, value, step=1000, placeholder=placeholder, **common)


def _list(path: str, label: str, kind: type[BaseModel]) -> None:
    st.text_input(label, max_chars=200, **_prepare(path, kind))


def _toggle(path: str, label: str, kind: type[BaseModel]) -> None:
    st.toggle(label, width="content", **_prepare(path, kind))


def _slider(
    path: str,
    label: str,
    kind: type[BaseModel],
    edited: Edited,
    *,
    step: float,
    bottom: float | None = None,
    top: float | None = None,
) -> None:
    """Draw a linear slider from `bottom` to `top`, the field's own bounds where a value lies beyond them."""
    common = _prepare(path, kind)
    low, high = find_limits(kind, path.rpartition(".")[2])
    value = st.session_state[f"knob.{path}"]
    bottom = low if bottom is None or value < bottom else bottom
    top = high if top is None or value > top else top
    name = path.rpartition(".")[2]
    st.slider(label, float(bottom), float(top), step=step, on_change=edited, args=(name,), **common)


def _betas(name: str, kind: type[BaseModel]) -> None:
    common = _prepare(f"{name}.betas", kind) | {"format": "%g"}
    with st.container(horizontal=True, wrap=False, gap="small"):
        for index, (label, step) in enumerate(((_("Beta 1"), 0.01), (_("Beta 2"), 0.001))):
            key = f"knob.{name}.betas.{index}"
            value = st.session_state[key]
            top = 0.999 if value <= 0.999 else 0.9999
            st.slider(label, 0.0, top, step=step, **(common | {"key": key}))


def _log_slider(path: str, label: str, kind: type[BaseModel], edited: Edited) -> None:
    """Draw a slider over 1-2-3-5-7 × 10^k, with a field beside it for exact values."""
    common = _prepare(path, kind)
    name = path.rpartition(".")[2]
    low, high = find_limits(kind, name)
    value = st.session_state[f"knob.{path}"]
    grid = [0.0] if low == 0 else []
    grid += [digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 3, 5, 7)] + [10.0]
    options = sorted({float(f"{rate:.0e}") for rate in grid if low <= rate <= high} | {value})
    st.session_state[f"knob.{path}.slider"] = value
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="bottom"):
        st.select_slider(
            label,
            options,
            format_func=show_rate,
            key=f"knob.{path}.slider",
            help=common["help"],
            on_change=_take_slider,
            args=(path, edited),
            persist_state="session",
        )
        st.text_input(
            _("{label}, exact").format(label=label),
            key=f"knob.{path}.text",
            on_change=_take_text,
            args=(path, kind, edited),
            max_chars=24,
            label_visibility="collapsed",
            width=84,
            persist_state="session",
        )
    if refused := st.session_state["knob.refused"].get(path):
        warn(say(refused))


def _take_slider(path: str, edited: Edited) -> None:
    put_knob(path, st.session_state[f"knob.{path}.slider"])
    edited(path.rpartition(".")[2])


def _take_text(path: str, kind: type[BaseModel], edited: Edited) -> None:
    """Take an exact value; one that is none is named in a sentence, and the knob stays where it was."""
    name = path.rpartition(".")[2]
    low, high = find_limits(kind, name)
    text = st.session_state[f"knob.{path}.text"].strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        put_knob(path, value)
        edited(name)
        return
    template = "{field} is {value}: it must be a number from {low} to {high}."
    values = {"field": name, "value": text or "—", "low": show_rate(low), "high": show_rate(high)}
    st.session_state["knob.refused"][path] = Sentence(template, values)


def _ignore(_name: str) -> None:
    """For knobs that no run takes up while it goes on."""
