"""The forms of a recipe: which widgets stand where, and in what order."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import streamlit as st

from mlpcore.messages import N_
from pages.components.recipe_form.form_state import FIELDS, get_knob, knob_path
from pages.components.recipe_form.widgets import (
    Edited,
    draw_betas,
    draw_choice,
    draw_list,
    draw_log_slider,
    draw_number,
    draw_optional_number,
    draw_slider,
    draw_toggle,
    is_shown,
)
from pages.components.shared.state import manager_is_up
from pages.components.shared.words import _, say

LIVE_KNOBS = ("lr", "momentum", "weight_decay")  # a change of these reaches a run that is still going
NARROW = 110  # pixels

# The widget of each hyperparameter, its label and its settings; a name with an owner is for that scheduler alone.
KNOBS: dict[str, tuple[Callable[..., None], str, dict[str, Any]]] = {
    "optimizer": (draw_choice, N_("Optimizer"), {}),
    "batch_size": (draw_number, N_("Batch size"), {}),
    "lr": (draw_log_slider, N_("Learning rate"), {}),
    "momentum": (draw_slider, N_("Momentum"), {"step": 0.01, "top": 0.99}),
    "nesterov": (draw_toggle, N_("Nesterov"), {}),
    "betas": (draw_betas, "", {}),
    "alpha": (draw_slider, N_("Alpha"), {"step": 0.01, "top": 0.99}),
    "lr_decay": (draw_log_slider, N_("Rate decay"), {}),
    "weight_decay": (draw_log_slider, N_("Weight decay"), {}),
    "scheduler": (draw_choice, N_("Schedule"), {}),
    "warmup_iters": (draw_number, N_("Warm-up"), {}),
    "start_factor": (draw_number, N_("Warm-up from"), {"step": 0.01, "format": "%g"}),
    "step_size": (draw_number, N_("Step size"), {}),
    "gamma": (draw_slider, N_("Gamma"), {"step": 0.05, "bottom": 0.05}),
    "ExponentialLR.gamma": (draw_number, N_("Gamma"), {"step": 1e-4, "format": "%.5f"}),
    "milestones": (draw_list, N_("Milestones"), {}),
    "T_max": (draw_number, "T_max", {}),
    "eta_min": (draw_number, "eta_min", {"step": 1e-4, "format": "%g"}),
    "pct_start": (draw_slider, N_("Climb"), {"step": 0.01}),
    "div_factor": (draw_number, N_("Start divisor"), {"step": 1.0, "format": "%g"}),
    "final_div_factor": (draw_number, N_("End divisor"), {"step": 100.0, "format": "%g"}),
    "dataset": (draw_choice, N_("Data set"), {}),
    "train_size": (draw_optional_number, N_("Training images"), {}),
    "label_noise": (draw_slider, N_("Label noise"), {"step": 0.05}),
    "validation_size": (draw_number, N_("Held out for validation"), {"step": 1000}),
    "hidden_sizes": (draw_list, N_("Hidden sizes"), {}),
    "activation": (draw_choice, N_("Activation"), {}),
    "dropout": (draw_slider, N_("Dropout"), {"step": 0.05}),
    "train_iter": (draw_number, N_("Iterations"), {"step": 500}),
    "eval_every": (draw_number, N_("Evaluate every"), {"step": 10}),
    "seed": (draw_number, N_("Seed"), {}),
    "device": (draw_choice, N_("Device"), {}),
}
ROWS = {  # what stands side by side, of each optimizer and scheduler
    "SGD": ("momentum", "nesterov"),
    "Adam": ("betas",),
    "AdamW": ("betas",),
    "RMSprop": ("alpha", "momentum"),
    "Adagrad": ("lr_decay",),
    "none": (),
    "StepLR": ("step_size", "gamma"),
    "MultiStepLR": ("milestones", "gamma"),
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "ExponentialLR": ("gamma",),
    "OneCycleLR": ("pct_start", "div_factor", "final_div_factor"),
}


def optimizer_form(edited: Edited) -> None:
    """Draw the optimizer's hyperparameters; `edited` is called with the name of each slider that a person moves."""
    _draw_row("optimizer", "batch_size", narrow="batch_size")
    _draw("lr", edited)
    _draw_row(*ROWS[get_knob("optimizer")], edited=edited, vertical_alignment="bottom")
    _draw("weight_decay", edited)


def scheduler_form() -> None:
    """Draw the scheduler's hyperparameters, only those that matter."""
    _draw_row("scheduler", "warmup_iters", narrow="warmup_iters")
    name = get_knob("scheduler")
    warm_up = ("start_factor",) if get_knob(f"{name}.warmup_iters") else ()
    _draw_row(*ROWS[name], *warm_up)


def changes_form() -> None:
    """Say which changes came with a link or a run, and offer to forget them."""
    changes = st.session_state.get("knob.changes")
    if not changes:
        return
    steps = ", ".join(f"{change.step:,}" for change in changes[:5]) + ("…" if len(changes) > 5 else "")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_("With the edits of a run, at step {steps}.").format(steps=steps))
        st.button(_("Forget them"), on_click=st.session_state.update, kwargs={"knob.changes": ()}, key="forget")


def data_form(datasets: list[str]) -> None:
    """Draw the choice of images, how many of them, and how many wrong labels."""
    current = get_knob("dataset")  # gone meanwhile, perhaps: it stays chosen, and the page says so
    options = datasets if current is None or current in datasets else [*datasets, current]
    _draw("dataset", options=options)
    _draw("train_size", placeholder=_("all"))
    _draw("label_noise")
    _draw("validation_size")


def batch_form() -> None:
    """Draw what decides which images a mini-batch holds."""
    _draw_row("batch_size", "seed")


def network_form() -> None:
    """Draw the network's hyperparameters."""
    for name in ("hidden_sizes", "activation", "dropout"):
        _draw(name)


def run_form() -> None:
    """Draw how long a run trains, how often it is measured, its seed and its device."""
    for name in ("train_iter", "eval_every", "seed", "device"):
        _draw(name)
    _explain_device()
    optimizer = get_knob("optimizer")
    if optimizer != "SGD":
        draw_number(f"{optimizer}.eps", f"{optimizer} eps", step=1e-8, format="%g")


def _explain_device() -> None:
    """Say which device trains the run and why, once torch is loaded."""
    if manager_is_up():
        from mlpcore.training.device import explain_device

        with suppress(ValueError):  # Start is off, with the reason beside it
            st.caption(say(explain_device(get_knob("device"))))


def _draw(name: str, edited: Edited | None = None, **settings: Any) -> None:
    """Draw the widget of a hyperparameter, the chosen optimizer's or scheduler's where it is one of theirs."""
    field = FIELDS[name]
    owner = get_knob(field.part) if field.part else ""
    draw, label, usual = KNOBS.get(f"{owner}.{name}") or KNOBS[name]
    if edited is not None and draw in (draw_slider, draw_log_slider):
        settings["edited"] = edited
    draw(knob_path(field, owner), _(label), **usual | settings)


def _draw_row(
    *names: str, edited: Edited | None = None, narrow: str = "", vertical_alignment: Literal["top", "bottom"] = "top"
) -> None:
    """Draw widgets side by side, `narrow` as wide as a small number; no row where a lesson hides them all."""
    if is_shown(*names):
        with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment=vertical_alignment):
            for name in names:
                _draw(name, edited, **({"width": NARROW} if name == narrow else {}))
