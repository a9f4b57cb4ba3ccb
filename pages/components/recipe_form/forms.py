"""The forms of a recipe: which widgets stand where, and in what order."""

import streamlit as st

from pages.components.recipe_form.form_state import FIELDS, get_knob
from pages.components.recipe_form.widgets import (
    Edited,
    draw_betas,
    draw_choice,
    draw_list,
    draw_log_slider,
    draw_number,
    draw_optional_number,
    draw_row,
    draw_slider,
    draw_toggle,
)
from pages.components.shared.words import _

LIVE_KNOBS = ("lr", "momentum", "weight_decay")  # a change of these reaches a run that is still going


def optimizer_form(edited: Edited) -> None:
    """Draw the optimizer's hyperparameters; `edited` is called with the name of each that a person moves."""
    draw_row(
        ("optimizer", lambda: draw_choice("optimizer", _("Optimizer"), FIELDS["optimizer"].options)),
        ("batch_size", lambda: draw_number("batch_size", _("Batch size"), width=110)),
    )
    name = get_knob("optimizer")
    draw_log_slider(f"{name}.lr", _("Learning rate"), edited)

    def draw_momentum() -> None:
        draw_slider(f"{name}.momentum", _("Momentum"), edited=edited, step=0.01, top=0.99)

    if name == "SGD":
        draw_row(
            ("momentum", draw_momentum),
            ("nesterov", lambda: draw_toggle(f"{name}.nesterov", _("Nesterov"))),
            vertical_alignment="bottom",
        )
    elif name in ("Adam", "AdamW"):
        draw_betas(f"{name}.betas")
    elif name == "RMSprop":
        draw_row(
            ("alpha", lambda: draw_slider(f"{name}.alpha", _("Alpha"), step=0.01, top=0.99)),
            ("momentum", draw_momentum),
        )
    elif name == "Adagrad":
        draw_log_slider(f"{name}.lr_decay", _("Rate decay"), edited)
    draw_log_slider(f"{name}.weight_decay", _("Weight decay"), edited)


def scheduler_form() -> None:
    """Draw the scheduler's hyperparameters, only those that matter."""
    draw_row(
        ("scheduler", lambda: draw_choice("scheduler", _("Schedule"), FIELDS["scheduler"].options)),
        ("warmup_iters", lambda: draw_number(f"{get_knob('scheduler')}.warmup_iters", _("Warm-up"), width=110)),
    )
    name = get_knob("scheduler")

    def draw_gamma() -> None:
        draw_slider(f"{name}.gamma", _("Gamma"), step=0.05, bottom=0.05)

    cells = {
        "none": [],
        "StepLR": [("step_size", lambda: draw_number(f"{name}.step_size", _("Step size"))), ("gamma", draw_gamma)],
        "MultiStepLR": [
            ("milestones", lambda: draw_list(f"{name}.milestones", _("Milestones"))),
            ("gamma", draw_gamma),
        ],
        "CosineAnnealingLR": [
            ("T_max", lambda: draw_number(f"{name}.T_max", "T_max")),
            ("eta_min", lambda: draw_number(f"{name}.eta_min", "eta_min", step=1e-4, format="%g")),
        ],
        "ExponentialLR": [
            ("gamma", lambda: draw_number(f"{name}.gamma", _("Gamma"), step=1e-4, format="%.5f")),
        ],
        "OneCycleLR": [
            ("pct_start", lambda: draw_slider(f"{name}.pct_start", _("Climb"), step=0.01)),
            ("div_factor", lambda: draw_number(f"{name}.div_factor", _("Start divisor"), step=1.0, format="%g")),
            (
                "final_div_factor",
                lambda: draw_number(f"{name}.final_div_factor", _("End divisor"), step=100.0, format="%g"),
            ),
        ],
    }[name]
    if get_knob(f"{name}.warmup_iters"):
        cells.append(
            ("start_factor", lambda: draw_number(f"{name}.start_factor", _("Warm-up from"), step=0.01, format="%g"))
        )
    draw_row(*cells)


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
    draw_choice("dataset", _("Data set"), options)
    draw_optional_number("train_size", _("Training images"), _("all"))
    draw_slider("label_noise", _("Label noise"), step=0.05)
    draw_number("validation_size", _("Held out for validation"), step=1000)


def batch_form() -> None:
    """Draw what decides which images a mini-batch holds."""
    draw_row(
        ("batch_size", lambda: draw_number("batch_size", _("Batch size"))),
        ("seed", lambda: draw_number("seed", _("Seed"))),
    )


def network_form() -> None:
    """Draw the network's hyperparameters."""
    draw_list("hidden_sizes", _("Hidden sizes"))
    draw_choice("activation", _("Activation"), FIELDS["activation"].options)
    draw_slider("dropout", _("Dropout"), step=0.05)


def run_form() -> None:
    """Draw how long a run trains, how often it is measured, its seed and its device."""
    draw_number("train_iter", _("Iterations"), step=500)
    draw_number("eval_every", _("Evaluate every"), step=10)
    draw_number("seed", _("Seed"))
    draw_choice("device", _("Device"), FIELDS["device"].options)
    name = get_knob("optimizer")
    if name != "SGD":
        draw_number(f"{name}.eps", f"{name} eps", step=1e-8, format="%g")
