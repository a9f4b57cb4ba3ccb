"""The learning-rate test in a dialog: its curve, the rates that three rules suggest, and buttons to use them."""

from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.analysis.learning_rate.lr_test import LrTest, build_test
from mlpcore.analysis.learning_rate.lr_wording import EXPLANATIONS, TITLES, describe_suggestion
from mlpcore.analysis.learning_rate.suggestions import LrSuggestion, suggest_rates
from mlpcore.charts.lr_test import lr_test_chart
from mlpcore.messages import Sentence, SentenceError
from mlpcore.numbers import exact_number
from mlpcore.recipes.recipe import Recipe
from pages.components.lr_test.check import BUTTON_WIDTH, is_checking, show_check
from pages.components.recipe_form.form_state import find_lesson, get_optimizer, put_knob
from pages.components.shared.flash import show_warning
from pages.components.shared.live_plot import live_plot
from pages.components.shared.refresh import rerun_page, show_fragment
from pages.components.shared.state import get_cache, get_manager, read_owner
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.jobs.lr_test_thread import LrTests, PendingTest

OPEN, PENDING = "lr_test.open", "lr_test.pending"  # in the session
CHART_HEIGHT = 300  # pixels
TEST_TICK, CHECK_TICK = 0.3, 1.0  # seconds


def offer_lr_test() -> None:
    """Draw the button that opens the dialog; none where a lesson keeps the learning rate."""
    if not find_lesson().holds("lr"):
        help_ = _("Find a learning rate: trains for a second while the rate grows, and shows where the loss falls.")
        is_off = get_optimizer().reads_lr_once
        if is_off:
            help_ = _("A rate that grows shows nothing here: this optimizer reads it at its first iteration only.")
        st.button(_("Find lr"), key="lr_test", on_click=_open, disabled=is_off, help=help_)


def show_lr_test(recipe: Recipe | None, misfit: Sentence | None) -> None:
    """Draw the dialog if it is open. misfit: why this machine cannot train the recipe, if so."""
    if not st.session_state.get(OPEN):
        return
    if recipe is None or recipe.optimizer.reads_lr_once:  # the page says what is wrong
        _close()
        return
    st.dialog(_("Find a learning rate"), width="large", on_dismiss=_close)(_draw_dialog)(recipe, misfit)


@st.cache_resource(show_spinner=False)
def _get_tests() -> "LrTests":
    """Return the tests of this process: each page shows those of its visitor."""
    from mlpcore.jobs.lr_test_thread import LrTests

    return LrTests(get_manager(), get_cache())


def _open() -> None:
    st.session_state[OPEN] = True


def _close() -> None:
    for key in (OPEN, PENDING):
        st.session_state.pop(key, None)


def _use_rate(recipe: Recipe, rate: float) -> None:
    put_knob(f"{recipe.optimizer.name}.lr", rate)
    _close()


def _draw_dialog(recipe: Recipe, misfit: Sentence | None) -> None:
    told = _(
        "The network trains on 100 mini-batches with five seeds while the learning rate grows from 1e-6 to 10. "
        "Nothing is stored, and no test image is read."
    )
    st.caption(told)
    if misfit is not None:
        show_warning(say(misfit))
        return
    pending = _request_test(recipe)
    is_testing = pending is None or not pending.result.done()
    tick = TEST_TICK if is_testing else CHECK_TICK if is_checking(recipe) else None
    show_fragment(_draw_test, recipe, tick, every=tick)


def _request_test(recipe: Recipe) -> "PendingTest | None":
    """Return the test of this dialog, started when it was opened; None while another one of the visitor still runs."""
    state = st.session_state
    pending = state.get(PENDING)
    if pending is None or pending.recipe != build_test(recipe):  # the browser's Back may have changed the recipe
        state[PENDING] = _get_tests().request(recipe, owner=read_owner())
    return state[PENDING]


def _draw_test(recipe: Recipe, tick: float | None) -> None:
    """Draw the test as far as it is; the page is drawn anew when the timer should start, end or change its pace."""
    if OPEN not in st.session_state:  # a button has closed the dialog, and the form shows another rate
        st.rerun()
    pending = _request_test(recipe)
    if pending is None or not pending.result.done():
        with st.container(height=CHART_HEIGHT, border=False):
            st.progress(pending.progress if pending else 0.0, _("The network is training."))
        return
    if tick != (CHECK_TICK if is_checking(recipe) else None):
        rerun_page()
    if error := pending.result.exception():
        show_warning(_describe_failure(error))
        return
    _draw_result(recipe, pending.result.result())


def _describe_failure(error: BaseException) -> str:
    if isinstance(error, SentenceError):
        return say(error.sentence)
    from mlpcore.jobs.messages import explain_failure

    return say(explain_failure(error))


def _draw_result(recipe: Recipe, test: LrTest) -> None:
    suggestions = suggest_rates(test)
    figure = lr_test_chart(test, suggestions, translate=_)
    alt = _("The mini-batch loss over the learning rate, with a mark per rule.")
    live_plot(figure, key="lr_test.chart", height=CHART_HEIGHT, alt=alt)
    rates = sorted({one.rounded for one in suggestions if one.rounded is not None})
    if not rates:
        st.text(say(describe_suggestion(suggestions[0])))  # the same for all rules
        return
    for suggestion in suggestions:
        _draw_suggestion(recipe, suggestion)
    show_check(recipe, rates)


def _draw_suggestion(recipe: Recipe, suggestion: LrSuggestion) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        rule = f"**{_(TITLES[suggestion.rule])}**, {_(EXPLANATIONS[suggestion.rule])}"
        st.markdown(f"{rule}: {say(describe_suggestion(suggestion))}", width="stretch")
        if (rate := suggestion.rounded) is not None:
            st.button(
                _("Use {rate}").format(rate=exact_number(rate)),
                key=f"lr_test.use.{suggestion.rule.name.lower()}",
                on_click=_use_rate,
                args=(recipe, rate),
                width=BUTTON_WIDTH,
            )
