"""Diagnoses of a run: what was found, by which rule, and a button for the recipe to try next."""

import streamlit as st

from mlpcore.analysis.diagnosis_wording import describe_finding, describe_rule, describe_suggestion
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
    """Show the diagnoses of a run so far, one below the other."""
    if st.session_state.pop("diagnosis.taken", False):
        st.toast(_("The knobs are set. Press Start to try it."))
    classes, test_images = count_classes(data_home(), run.recipe.dataset), count_test_images(run.recipe.dataset)
    for place, diagnosis in enumerate(diagnose(run, classes=classes, test_images=test_images)):
        _show(diagnosis, place)


def _show(diagnosis: Diagnosis, place: int) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        with st.container(width="stretch", gap=None):
            badge = f":{COLOURS[diagnosis.kind]}-badge[{_name(diagnosis.kind)}]"
            st.markdown(f"{badge} {say(describe_finding(diagnosis))}")
            st.caption(_("Rule: {rule}").format(rule=say(describe_rule(diagnosis))))
        if (label := describe_suggestion(diagnosis)) is not None:
            pressed = st.button(
                say(label),
                key=f"diagnosis.{place}",
                on_click=put_recipe,
                args=(diagnosis.suggestion,),
                help=_("Sets the knobs to this. Start trains it as a new run."),
            )
            if pressed:
                st.session_state["diagnosis.taken"] = True
                st.rerun()  # the knobs are outside this fragment


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
