"""Diagnoses of a run: what was found, by which rule, and a button for the recipe to try next."""

import streamlit as st

from mlpcore.analysis.diagnoses.diagnosis import Diagnosis, DiagnosisKind
from mlpcore.analysis.diagnoses.own_runs import OwnRun, diagnose_among
from mlpcore.analysis.diagnoses.wording import describe_finding, describe_rule, describe_suggestion
from mlpcore.analysis.differences import find_differences
from mlpcore.data.catalog import count_classes, data_home
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run, RunStatus
from pages.components.recipe_form.form_state import find_lesson, put_recipe
from pages.components.shared.state import count_test_images, get_store, read_owner
from pages.components.shared.words import _, say

MAX_OTHERS = 100  # of the visitor's newest runs, which a run is compared with once it is over
COLOURS = {
    DiagnosisKind.TOO_FEW: "gray",
    DiagnosisKind.DIVERGED: "red",
    DiagnosisKind.TOO_HIGH: "orange",
    DiagnosisKind.TOO_LOW: "orange",
    DiagnosisKind.VANISHING: "orange",
    DiagnosisKind.DEAD: "orange",
    DiagnosisKind.SATURATED: "orange",
    DiagnosisKind.ALIKE: "orange",
    DiagnosisKind.OVERFITTING: "orange",
    DiagnosisKind.PLATEAU: "blue",
    DiagnosisKind.DROP: "blue",
    DiagnosisKind.CHANGE: "blue",
    DiagnosisKind.OWN_RUN: "violet",
    DiagnosisKind.HEALTHY: "green",
    DiagnosisKind.SO_FAR: "gray",
}


def show_diagnoses(run: Run) -> None:
    """Show the diagnoses of a run so far, one below the other."""
    if st.session_state.pop("diagnosis.taken", False):
        st.toast(_("The knobs are set. Press Start to try it."))
    classes, test_images = count_classes(data_home(), run.recipe.data), count_test_images(run.recipe.data)
    found = diagnose_among(run, _list_own(run), classes=classes, test_images=test_images)
    for place, diagnosis in enumerate(found):
        _show(run, diagnosis, place)


def _list_own(run: Run) -> list[OwnRun]:
    """List the visitor's finished runs on the same images, for a run that is over."""
    if not run.status.is_over:
        return []
    listed, _total = get_store().search(
        owner=read_owner(), dataset=run.recipe.dataset, statuses=[RunStatus.FINISHED], limit=MAX_OTHERS
    )
    same = [one for one in listed if one.run.recipe.data == run.recipe.data]  # of points: drawn in the same way
    return [OwnRun(one.run, one.last_acc) for one in same if one.last_acc is not None]


def _show(run: Run, diagnosis: Diagnosis, place: int) -> None:
    with st.container(gap="xsmall"):
        badge = f":{COLOURS[diagnosis.kind]}-badge[{_name(diagnosis.kind)}]"
        st.markdown(f"{badge} {say(describe_finding(diagnosis))}")
        _offer(run, diagnosis, place)
        st.caption(_("Rule: {rule}").format(rule=say(describe_rule(diagnosis))))


def _offer(run: Run, diagnosis: Diagnosis, place: int) -> None:
    """Offer the recipe to try next, if there is one and no lesson holds what it changes."""
    label, suggestion = describe_suggestion(diagnosis), diagnosis.suggestion
    if label is None or suggestion is None or _is_held(run, suggestion):
        return
    if st.button(say(label), key=f"diagnosis.{place}", on_click=put_recipe, args=(suggestion,)):
        st.session_state["diagnosis.taken"] = True
        st.rerun()  # the knobs are outside this fragment


def _is_held(run: Run, suggestion: Recipe) -> bool:
    """Return whether a lesson keeps what a suggestion would change."""
    return any(find_lesson().holds(name) for name in find_differences([run.recipe, suggestion]))


def _name(kind: DiagnosisKind) -> str:
    names = {
        DiagnosisKind.TOO_FEW: _("too early"),
        DiagnosisKind.DIVERGED: _("diverged"),
        DiagnosisKind.TOO_HIGH: _("rate too high"),
        DiagnosisKind.TOO_LOW: _("rate too low"),
        DiagnosisKind.VANISHING: _("vanishing gradients"),
        DiagnosisKind.DEAD: _("dead units"),
        DiagnosisKind.SATURATED: _("saturated units"),
        DiagnosisKind.ALIKE: _("identical units"),
        DiagnosisKind.OVERFITTING: _("overfitting"),
        DiagnosisKind.PLATEAU: _("plateau"),
        DiagnosisKind.DROP: _("drop of the rate"),
        DiagnosisKind.CHANGE: _("your change"),
        DiagnosisKind.OWN_RUN: _("your runs"),
        DiagnosisKind.HEALTHY: _("healthy"),
        DiagnosisKind.SO_FAR: _("so far"),
    }
    return names[kind]
