"""The forms of a recipe: which widgets stand where, and in what order."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import streamlit as st

from mlpcore.messages import N_
from mlpcore.recipes.optimizer_base import MAX_BATCH
from mlpcore.recipes.points import POINT_SETS
from mlpcore.recipes.recipe import PARTS
from pages.components.recipe_form import widgets
from pages.components.recipe_form.form_state import (
    PATHS,
    find_lesson,
    get_chosen,
    get_knob,
    get_optimizer,
    put_knob,
    read_source,
)
from pages.components.recipe_form.length import draw_epochs
from pages.components.shared.state import count_images, manager_is_up
from pages.components.shared.words import _, say

NARROW = 110  # pixels
FEW_IMAGES = 1_000  # with all 50,000 of CIFAR-10 in a batch, an iteration took 2 s on two busy cores

# The widget of each hyperparameter, its label and its settings; a path with an owner is for that scheduler alone.
# What has no label here gets it where it is drawn.
KNOBS: dict[str, tuple[Callable[..., None], str, dict[str, Any]]] = {
    "optimizer": (widgets.draw_choice, N_("Optimizer"), {}),
    "batch_size": (widgets.draw_number, N_("Batch size"), {}),
    "lr": (widgets.draw_log_slider, N_("Learning rate"), {}),
    "momentum": (widgets.draw_slider, N_("Momentum"), {"step": 0.01, "top": 0.99}),
    "nesterov": (widgets.draw_toggle, N_("Nesterov"), {}),
    "betas": (widgets.draw_betas, "", {}),
    "eps": (widgets.draw_number, "", {"step": 1e-8, "format": "%g"}),
    "alpha": (widgets.draw_slider, N_("Alpha"), {"step": 0.01, "top": 0.99}),
    "lr_decay": (widgets.draw_log_slider, N_("Rate decay"), {}),
    "amsgrad": (widgets.draw_toggle, N_("AMSGrad"), {}),
    "momentum_decay": (widgets.draw_number, N_("Momentum decay"), {"step": 1e-3, "format": "%g"}),
    "decoupled_weight_decay": (widgets.draw_toggle, N_("Decoupled decay"), {}),
    "rho": (widgets.draw_slider, N_("Rho"), {"step": 0.01, "top": 0.99}),
    "lambd": (widgets.draw_number, N_("Lambda"), {"step": 1e-4, "format": "%g"}),
    "beta2_decay": (widgets.draw_slider, "beta2_decay", {"step": 0.05}),
    "d": (widgets.draw_number, "d", {"step": 0.5, "format": "%g"}),
    "adamw_scale": (widgets.draw_number, N_("AdamW scale"), {"step": 0.5, "format": "%g"}),
    "adjust_lr_fn": (widgets.draw_choice, N_("Scale lr"), {}),
    "t0": (widgets.draw_number, "t0", {"step": 500}),
    "etas": (widgets.draw_list, "etas", {}),
    "step_sizes": (widgets.draw_list, "step_sizes", {}),
    "weight_decay": (widgets.draw_log_slider, N_("Weight decay"), {}),
    "scheduler": (widgets.draw_choice, N_("Schedule"), {}),
    "warmup_iters": (widgets.draw_number, N_("Warm-up"), {}),
    "start_factor": (widgets.draw_number, N_("Warm-up from"), {"step": 0.01, "format": "%g"}),
    "step_size": (widgets.draw_number, N_("Step size"), {}),
    "gamma": (widgets.draw_slider, N_("Gamma"), {"step": 0.05, "bottom": 0.05}),
    "ExponentialLR.gamma": (widgets.draw_number, N_("Gamma"), {"step": 1e-4, "format": "%.5f"}),
    "milestones": (widgets.draw_list, N_("Milestones"), {}),
    "T_max": (widgets.draw_number, "T_max", {}),
    "eta_min": (widgets.draw_number, "eta_min", {"step": 1e-4, "format": "%g"}),
    "pct_start": (widgets.draw_slider, N_("Climb"), {"step": 0.01}),
    "div_factor": (widgets.draw_number, N_("Start divisor"), {"step": 1.0, "format": "%g"}),
    "final_div_factor": (widgets.draw_number, N_("End divisor"), {"step": 100.0, "format": "%g"}),
    "LinearLR.start_factor": (widgets.draw_number, N_("From"), {"step": 0.05, "format": "%g"}),
    "end_factor": (widgets.draw_number, N_("To"), {"step": 0.05, "format": "%g"}),
    "total_iters": (widgets.draw_number, N_("Iterations"), {"step": 100}),
    "power": (widgets.draw_slider, N_("Power"), {"step": 0.1, "top": 4.0}),
    "factor": (widgets.draw_slider, N_("Factor"), {"step": 0.01}),
    "T_0": (widgets.draw_number, "T_0", {"step": 100}),
    "T_mult": (widgets.draw_number, "T_mult", {}),
    "step_size_up": (widgets.draw_number, N_("Climb"), {"step": 100}),
    "step_size_down": (widgets.draw_number, N_("Descent"), {"step": 100}),
    "mode": (widgets.draw_choice, N_("Cycles"), {}),
    "CyclicLR.gamma": (widgets.draw_number, N_("Gamma"), {"step": 1e-4, "format": "%.5f"}),
    "cycle_momentum": (widgets.draw_toggle, N_("Momentum"), {}),
    "base_momentum": (widgets.draw_slider, N_("Lowest"), {"step": 0.01, "top": 0.99}),
    "max_momentum": (widgets.draw_slider, N_("Highest"), {"step": 0.01, "top": 0.99}),
    "ReduceLROnPlateau.factor": (widgets.draw_slider, N_("Factor"), {"step": 0.01, "bottom": 0.01, "top": 0.99}),
    "patience": (widgets.draw_number, N_("Patience"), {}),
    "threshold": (widgets.draw_number, N_("Threshold"), {"step": 1e-4, "format": "%g"}),
    "threshold_mode": (widgets.draw_choice, N_("Threshold mode"), {}),
    "cooldown": (widgets.draw_number, N_("Cooldown"), {}),
    "min_lr": (widgets.draw_number, "min_lr", {"step": 1e-4, "format": "%g"}),
    "scheduler.eps": (widgets.draw_number, "", {"step": 1e-8, "format": "%g"}),
    "stable_iters": (widgets.draw_number, N_("Stable"), {"step": 100}),
    "decay_iters": (widgets.draw_number, N_("Decay"), {"step": 100}),
    "dataset": (widgets.draw_choice, N_("Data set"), {}),
    "count": (widgets.draw_number, N_("Points"), {"step": 50}),
    "noise": (widgets.draw_slider, N_("Noise"), {"step": 0.01}),
    "classes": (widgets.draw_number, N_("Classes"), {}),
    "data_seed": (widgets.draw_number, N_("Data seed"), {}),
    "train_size": (widgets.draw_share, N_("Training images"), {}),
    "label_noise": (widgets.draw_slider, N_("Label noise"), {"step": 0.05}),
    "validation_size": (widgets.draw_number, N_("Held out for validation"), {"step": 1000}),
    "hidden_sizes": (widgets.draw_list, N_("Hidden sizes"), {}),
    "activation": (widgets.draw_choice, N_("Activation"), {}),
    "dropout": (widgets.draw_slider, N_("Dropout"), {"step": 0.05}),
    "init": (widgets.draw_choice, N_("Initial weights"), {}),
    "label_smoothing": (widgets.draw_number, N_("Label smoothing"), {"step": 0.05, "format": "%g"}),
    "l1_penalty": (widgets.draw_number, N_("L1 penalty"), {"step": 1e-4, "format": "%g"}),
    "max_norm": (widgets.draw_number, N_("Clip norm at"), {"step": 0.5, "format": "%g"}),
    "train_iter": (widgets.draw_number, N_("Iterations"), {"step": 500}),
    "eval_every": (widgets.draw_number, N_("Evaluate every"), {"step": 10}),
    "seed": (widgets.draw_number, N_("Seed"), {}),
    "precision": (widgets.draw_choice, N_("Precision"), {}),
    "device": (widgets.draw_choice, N_("Device"), {}),
    "average": (widgets.draw_choice, N_("Average of the weights"), {}),
    "ema_decay": (widgets.draw_number, N_("Decay of EMA"), {"step": 0.001, "format": "%g"}),
    "swa_start": (widgets.draw_slider, N_("Start of SWA"), {"step": 0.05}),
}
RARE = ("eps", "amsgrad", "threshold_mode")  # of an optimizer or a scheduler: they stand where the run is set up
# what is not in the rows of a part's own
ELSEWHERE = ("name", "lr", "weight_decay", "warmup_iters", "start_factor", *RARE)
IN_A_ROW = 3  # widgets, at most
FIRST_IN_A_ROW = ("cycle_momentum", "adamw_scale")


def optimizer_form(edited: widgets.Edited, *, beside_lr: Callable[[], None]) -> None:
    """Draw the optimizer's hyperparameters, with something beside the learning rate.

    `edited` is called with the name of each slider that a person moves.
    """
    _draw_row("optimizer", "batch_size", narrow="batch_size")
    name = get_chosen("optimizer")
    _draw(f"{name}.lr", edited, beside=beside_lr)
    for row in _list_rows("optimizer"):
        _draw_row(*row, edited=edited, vertical_alignment="bottom")
    for path in _keep_known(f"{name}.weight_decay"):
        _draw(path, edited)


def full_batch_form() -> None:
    """Offer to put all training images into each batch, where the chosen optimizer needs that and it is not so."""
    size, is_held = get_knob("train_size"), any(map(find_lesson().holds, ("train_size", "batch_size")))
    if not get_optimizer().needs_full_batch or size == get_knob("batch_size") or is_held:
        return
    everything = max(count_images(read_source()) - (get_knob("validation_size") or 0), 1)
    proposed = min(size or FEW_IMAGES, everything, MAX_BATCH)
    label = _("Train on {n:,} examples, all in each batch").format(n=proposed)
    st.button(label, on_click=_put_full_batch, args=(proposed,), key="full_batch")


def _put_full_batch(size: int) -> None:
    put_knob("train_size", size)
    put_knob("batch_size", size)


def scheduler_form() -> None:
    """Draw the scheduler's hyperparameters, only those that matter."""
    name = get_chosen("scheduler")
    warmup_iters = _keep_known(f"{name}.warmup_iters")  # a LinearLR has none
    _draw_row("scheduler", *warmup_iters, narrow=f"{name}.warmup_iters")
    warm_up = [f"{name}.start_factor"] if any(map(get_knob, warmup_iters)) else []
    *rows, last = _list_rows("scheduler") or [[]]
    for row in (*rows, [*last, *warm_up]):
        _draw_row(*row)
    if name == "CyclicLR" and get_knob("CyclicLR.cycle_momentum"):
        _explain_cycles(get_chosen("optimizer"))


def _explain_cycles(optimizer: str) -> None:
    """Say which value above is not used because a CyclicLR moves it."""
    if f"{optimizer}.betas" in PATHS:
        st.caption(_("Beta 1 follows the cycles: its value above is not used."))
    elif f"{optimizer}.momentum" in PATHS and get_knob(f"{optimizer}.momentum"):
        st.caption(_("Momentum follows the cycles: its value above is not used."))


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
    name = get_knob("dataset")
    if name in POINT_SETS:
        _draw_row(*_keep_known(f"{name}.count", f"{name}.data_seed"))
        _draw_row(*_keep_known(f"{name}.noise", f"{name}.classes"))
    images = count_images(read_source()) - (get_knob("validation_size") or 0)
    words: dict[str, Any] = {"label": _("Training points")} if name in POINT_SETS else {}
    _draw("train_size", everything=max(images, 1), **words)
    _draw("label_noise")
    _draw("validation_size")


def batch_form() -> None:
    """Draw what decides which images a mini-batch holds."""
    _draw_row("batch_size", "seed")


def network_form() -> None:
    """Draw the hyperparameters of the network, of its loss and of its gradient."""
    for name in ("hidden_sizes", "activation", "dropout", "init"):
        _draw(name)
    _draw_row("label_smoothing", "l1_penalty", "max_norm", vertical_alignment="bottom")


def run_form() -> None:
    """Draw how long a run trains, how often it is measured, its seed and its device."""
    with st.container(horizontal=True, wrap=False, gap="small"):
        _draw("train_iter")
        draw_epochs()
    for name in ("eval_every", "seed", "precision", "device"):
        _draw(name)
    _explain_device()
    _draw("average")
    if extra := {"EMA": "ema_decay", "SWA": "swa_start"}.get(get_knob("average")):
        _draw(extra)
    for path in list_rare():
        words: dict[str, Any] = {"label": path.replace(".", " ")} if path.endswith(".eps") else {}
        _draw(path, **words)


def list_rare() -> list[str]:
    """List the paths of the chosen parts' rare hyperparameters, without those that a lesson hides."""
    paths = _keep_known(*(f"{get_chosen(part)}.{key}" for part in PARTS for key in RARE))
    return [path for path in paths if widgets.is_shown(PATHS[path][0].name)]


def _explain_device() -> None:
    """Say which device trains the run and why, once torch is loaded."""
    if manager_is_up():
        from mlpcore.training.device import explain_device

        with suppress(ValueError):  # Start is off, with the reason beside it
            st.caption(say(explain_device(get_knob("device"))))


def _list_rows(part: str) -> list[list[str]]:
    """List the paths of what the chosen optimizer or scheduler has beside what all of them have, row by row."""
    name = get_chosen(part)
    paths = {f"{name}.{key}": key for key in PARTS[part][name].model_fields}
    own = [path for path, key in paths.items() if path in KNOBS or key not in ELSEWHERE]
    rows: list[list[str]] = []
    for path in own:
        is_full = not rows or len(rows[-1]) == IN_A_ROW or rows[-1][0].endswith(".betas")  # which are two sliders
        if is_full or paths[path] in FIRST_IN_A_ROW:
            rows.append([])
        rows[-1].append(path)
    return rows


def _draw(path: str, edited: widgets.Edited | None = None, **settings: Any) -> None:
    draw, label, usual = KNOBS.get(path) or KNOBS[PATHS[path][0].name]
    if edited is not None and draw in (widgets.draw_slider, widgets.draw_log_slider):
        settings["edited"] = edited
    draw(path, settings.pop("label", _(label)), **usual | settings)


def _keep_known(*paths: str) -> list[str]:
    """Leave out the hyperparameters that there are not: moons have no number of classes."""
    return [path for path in paths if path in PATHS]


def _draw_row(
    *paths: str,
    edited: widgets.Edited | None = None,
    narrow: str = "",
    vertical_alignment: Literal["top", "bottom"] = "top",
) -> None:
    """Draw widgets side by side, `narrow` as wide as a small number; no row where a lesson hides them all."""
    if widgets.is_shown(*(PATHS[path][0].name for path in paths)):
        with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment=vertical_alignment):
            for path in paths:
                _draw(path, edited, **({"width": NARROW} if path == narrow else {}))
