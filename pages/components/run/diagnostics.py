"""What a history says, in sentences: what was read, by which rule, and a button where one knows what to try next."""

import streamlit as st

from mlpcore.analysis.diagnostics import Reading, ReadingKind, read_history
from mlpcore.data.catalog import count_classes, data_home
from mlpcore.runs.records import Run
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.state import count_test_images
from pages.components.shared.words import _, say

COLOURS = {
    ReadingKind.TOO_FEW: "gray",
    ReadingKind.DIVERGED: "red",
    ReadingKind.TOO_HIGH: "orange",
    ReadingKind.TOO_LOW: "orange",
    ReadingKind.VANISHING: "orange",
    ReadingKind.OVERFITTING: "orange",
    ReadingKind.PLATEAU: "blue",
    ReadingKind.DROP: "blue",
    ReadingKind.HEALTHY: "green",
    ReadingKind.SO_FAR: "gray",
}


def show_readings(run: Run) -> None:
    """Show what can be read off a run so far, a line each."""
    if st.session_state.pop("reading.taken", False):
        st.toast(_("The knobs are set. Press Start to try it."))
    classes, test_images = count_classes(data_home(), run.recipe.dataset), count_test_images(run.recipe.dataset)
    for place, reading in enumerate(read_history(run, classes=classes, test_images=test_images)):
        _line(reading, place)


def _line(reading: Reading, place: int) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        with st.container(width="stretch", gap=None):
            st.markdown(f":{COLOURS[reading.kind]}-badge[{_name(reading.kind)}] {say(reading.what)}")
            st.caption(_("Rule: {rule}").format(rule=say(reading.rule)))
        if reading.suggested is not None:
            pressed = st.button(
                say(reading.mend),
                key=f"reading.{place}",
                on_click=put_recipe,
                args=(reading.suggested,),
                help=_("Puts this into the knobs; Start trains it as a run of its own."),
            )
            if pressed:
                st.session_state["reading.taken"] = True
                st.rerun()  # the knobs stand outside of this part of the page


def _name(kind: ReadingKind) -> str:
    names = {
        ReadingKind.TOO_FEW: _("too early"),
        ReadingKind.DIVERGED: _("diverged"),
        ReadingKind.TOO_HIGH: _("rate too high"),
        ReadingKind.TOO_LOW: _("rate too low"),
        ReadingKind.VANISHING: _("vanishing gradients"),
        ReadingKind.OVERFITTING: _("overfitting"),
        ReadingKind.PLATEAU: _("plateau"),
        ReadingKind.DROP: _("drop of the rate"),
        ReadingKind.HEALTHY: _("healthy"),
        ReadingKind.SO_FAR: _("so far"),
    }
    return names[kind]
