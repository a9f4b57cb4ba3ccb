"""What a history says, in sentences: what was read, by which rule, and a button where one knows what to try next."""

import streamlit as st

from mlpcore.analysis.diagnostics import Diagnosis, DiagnosisKind, diagnose
from mlpcore.data.catalog import count_classes, data_home
from mlpcore.runs.records import Run
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.state import count_test_images
from pages.components.shared.words import _, say

COLOURS = {
    DiagnosisKind.TOO_FEW: "gray",
    DiagnosisKind.DIVERGED: "red",
    DiagnosisKind.TOO_HIGH: "orange",
    DiagnosisKind.TOO_LOW: "orange",
    DiagnosisKind.VANISHING: "orange",
    DiagnosisKind.OVERFITTING: "orange",
    DiagnosisKind.PLATEAU: "blue",
    DiagnosisKind.DROP: "blue",
    DiagnosisKind.HEALTHY: "green",
    DiagnosisKind.SO_FAR: "gray",
}


def show_diagnoses(run: Run) -> None:
    """Show what can be read off a run so far, a line each."""
    if st.session_state.pop("reading.taken", False):
        st.toast(_("The knobs are set. Press Start to try it."))
    classes, test_images = count_classes(data_home(), run.recipe.dataset), count_test_images(run.recipe.dataset)
    for place, reading in enumerate(diagnose(run, classes=classes, test_images=test_images)):
        _line(reading, place)


def _line(reading: Diagnosis, place: int) -> None:
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


def _name(kind: DiagnosisKind) -> str:
    names = {
        DiagnosisKind.TOO_FEW: _("too early"),
        DiagnosisKind.DIVERGED: _("diverged"),
        DiagnosisKind.TOO_HIGH: _("rate too high"),
        DiagnosisKind.TOO_LOW: _("rate too low"),
        DiagnosisKind.VANISHING: _("vanishing gradients"),
        DiagnosisKind.OVERFITTING: _("overfitting"),
        DiagnosisKind.PLATEAU: _("plateau"),
        DiagnosisKind.DROP: _("drop of the rate"),
        DiagnosisKind.HEALTHY: _("healthy"),
        DiagnosisKind.SO_FAR: _("so far"),
    }
    return names[kind]
