"""The check of suggested learning rates: short runs of each, judged by images that were held out."""

from collections.abc import Sequence

import streamlit as st

from mlpcore.analysis.learning_rate.check import ITERATIONS, build_check, find_best_rate
from mlpcore.analysis.learning_rate.lr_test import build_test
from mlpcore.analysis.learning_rate.lr_wording import describe_winner
from mlpcore.data.catalog import data_home, known_datasets
from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from pages.components.recipe_form.form_state import find_lesson
from pages.components.shared.flash import flash_errors, get_flashed, show_warning
from pages.components.shared.state import count_held_out, count_images, get_manager, read_owner, read_runs
from pages.components.shared.words import _, say, status_word

BUTTON_WIDTH = 110  # pixels
CHECK, REFUSED = "lr_test.check", "lr_test.refused"  # in the session: what was tested, and its runs; a refusal


def show_check(recipe: Recipe, rates: Sequence[float]) -> None:
    """Draw the button that trains a run with each of these rates, beside what the last ones came to."""
    runs = _read_check(recipe)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        with st.container(gap=None):
            if not runs:
                template = _("Check trains each for {n} iterations at a constant rate and keeps the runs in History.")
                st.caption(template.format(n=ITERATIONS))
            else:
                _draw_results(runs)
        st.button(
            _("Check"),
            key="lr_test.check.start",
            on_click=_start,
            args=(recipe, rates),
            disabled=is_checking(recipe),
            width=BUTTON_WIDTH,
        )
    for sentence in get_flashed(REFUSED):
        show_warning(say(sentence))


def is_checking(recipe: Recipe) -> bool:
    """Return whether runs that check a rate of this recipe are still going on."""
    return any(not run.status.is_over for run in _read_check(recipe))


def _draw_results(runs: Sequence[Run]) -> None:
    """Draw the accuracies so far, and which rate won once all runs are over."""
    st.text(" · ".join(f"lr {exact_number(run.recipe.optimizer.lr)}: {_describe_run(run)}" for run in runs))
    if all(run.status.is_over for run in runs):
        accuracies = {run.recipe.optimizer.lr: _find_accuracy(run) for run in runs}
        st.text(say(describe_winner(find_best_rate(accuracies, images=runs[0].recipe.validation_size))))
    else:
        st.caption(_("Accuracy on {n:,} held-out images so far.").format(n=runs[0].recipe.validation_size))


def _start(recipe: Recipe, rates: Sequence[float]) -> None:
    with flash_errors(REFUSED):
        recipes = build_check(
            recipe,
            rates,
            datasets=known_datasets(data_home()),
            images=count_images(recipe.data),
            held_out=count_held_out(recipe.data),
        )
        run_ids = get_manager().submit(
            recipes,
            owner=read_owner(),
            names=[f"lr test {exact_number(rate)}" for rate in rates],
            lesson=find_lesson().label,
        )
        st.session_state[CHECK] = build_test(recipe), run_ids
        st.session_state.setdefault("run", None)  # a page that shows no run would show one of these


def _read_check(recipe: Recipe) -> list[Run]:
    """Read the runs of the newest check, if it is of this recipe; without those that were deleted."""
    checked, run_ids = st.session_state.get(CHECK, (None, ()))
    return read_runs(run_ids) if checked == build_test(recipe) else []


def _find_accuracy(run: Run) -> float | None:
    """Return the validation accuracy of a run at its end, None if it did not get there."""
    return run.latest.val_acc if run.latest and run.status is RunStatus.FINISHED else None


def _describe_run(run: Run) -> str:
    """Write the validation accuracy of a run, or its status where it has none or came to nothing."""
    accuracy = run.latest.val_acc if run.latest else None
    came_to_nothing = run.status.is_over and run.status is not RunStatus.FINISHED
    return status_word(run.status) if accuracy is None or came_to_nothing else f"{accuracy:.1%}"
