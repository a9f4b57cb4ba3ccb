"""A run as a script: show it, download it as .py or .ipynb; save its recipe as JSON, and load one."""

import streamlit as st

from mlpcore.export.script import MAX_BYTES, read_recipe
from mlpcore.messages import SentenceError
from mlpcore.runs.records import Run
from pages.components.recipe_form.form_state import put_recipe
from pages.components.shared.flash import show_warning
from pages.components.shared.reproducibility import describe_reproducibility
from pages.components.shared.state import write_script
from pages.components.shared.words import _, say


def show_script(run: Run) -> None:
    """Show the script of a run, with buttons that save the script and the recipe."""
    told = _("This is the run in plain PyTorch, without the playground.")
    st.caption(f"{told} {describe_reproducibility([run])}")
    script, notebook = write_script(run)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _downloads(run, script, notebook)
        with st.popover(_("Load recipe")):
            _upload()
    st.code(script, language="python", height=420)  # the code scrolls, the page does not


def _downloads(run: Run, script: str, notebook: str) -> None:
    name = f"{run.recipe.optimizer.name}-{run.id}"
    files = (
        (_("Save .py"), script, "py", "text/x-python"),
        (_("Save .ipynb"), notebook, "ipynb", "application/x-ipynb+json"),
        (_("Save recipe"), run.recipe.model_dump_json(indent=2), "json", "application/json"),
    )
    for label, text, kind, mime in files:
        st.download_button(label, text, f"{name}.{kind}", mime, key=f"script.{kind}", on_click="ignore")


def _upload() -> None:
    """Load a recipe from a file and set the widgets to it; if it is invalid, say why and change nothing."""
    file = st.file_uploader(
        _("A recipe as JSON: it sets the knobs, nothing is started"),
        type="json",
        key="script.file",
        max_upload_size=MAX_BYTES // 1_000_000,
        on_change=_take_file,
    )
    if file is not None:
        if refused := st.session_state.get("script.refused"):
            show_warning(say(refused))
        else:
            st.caption(_("The knobs are set as the file says."))
    if st.session_state.pop("script.taken", False):
        st.rerun()  # the whole page: the widgets are in another part of it


def _take_file() -> None:
    state = st.session_state
    file = state["script.file"]
    state["script.refused"] = None
    if file is None:
        return
    try:
        put_recipe(read_recipe(file.getvalue()))
        state["script.taken"] = True
    except SentenceError as error:
        state["script.refused"] = error.sentence
