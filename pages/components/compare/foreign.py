"""Runs of other programs beside the rows of a comparison: their curves, marked as foreign."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from mlpcore.export.foreign import read_foreign_run
from mlpcore.export.reading import MAX_BYTES
from mlpcore.messages import N_, Sentence, SentenceError
from mlpcore.runs.foreign import ForeignRun
from mlpcore.runs.messages import StoreError
from pages.components.shared.flash import show_warning, toast_errors
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _, say

KEPT = "compare.foreign.runs"  # in the session: those of the database
REFUSED = "compare.foreign.refused"  # in the session: why files that were brought last were not taken
MOST = 8  # per person: more grey curves cannot be told apart


def list_foreign_runs() -> Sequence[ForeignRun]:
    """List the runs of other programs that the visitor brought; none while the database cannot be read."""
    state = st.session_state
    if KEPT not in state:  # a page that ticks reads them once
        with suppress(StoreError):  # the page says so already
            state[KEPT] = get_store().foreign.list_own(read_owner())
    return state.get(KEPT, ())


def forget_foreign_runs() -> None:
    """Note that they have changed in the database: they are read again when they are next drawn."""
    st.session_state.pop(KEPT, None)


def show_foreign_runs() -> None:
    """Offer to bring runs of other programs, and to take them away again."""
    opened = st.expander(_("Curves from other programs"), key="compare.foreign.open", on_change="rerun")
    if not opened.open:
        return
    with opened:
        st.text(
            _(
                "A CSV file with a column step, and train_loss or test_acc, is drawn in grey over the iterations. "
                "Its recipe is not known, so nothing is concluded from it."
            )
        )
        files = st.session_state.setdefault("compare.foreign.files", 0)  # a new key empties the uploader
        st.file_uploader(
            _("One CSV file per run, as Trackio or W&B exports it"),
            type="csv",
            accept_multiple_files=True,
            key=f"compare.foreign.{files}",
            on_change=_take_files,
            max_upload_size=MAX_BYTES // 1_000_000,
        )
        for sentence in st.session_state.get(REFUSED, ()):
            show_warning(say(sentence))
        for run in list_foreign_runs():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                template = (
                    _("{name}: {steps:,} iterations")
                    if run.best is None
                    else _("{name}: {steps:,} iterations, at best {best:.1%} of the test images right")
                )
                st.text(template.format(name=run.name, steps=run.steps[-1], best=run.best), width="content")
                key = f"compare.foreign.remove.{run.name}"
                st.button(_("Remove"), on_click=_remove, args=(run.name,), key=key, type="tertiary")


def _take_files() -> None:
    """Read the files that were just brought; say which could not be read or stored, and keep the others."""
    state, store, owner = st.session_state, get_store().foreign, read_owner()
    names = {run.name for run in list_foreign_runs()}
    refused = []
    for file in state[f"compare.foreign.{state['compare.foreign.files']}"]:
        try:
            run = read_foreign_run(file.getvalue(), name=file.name)
            if len(names | {run.name}) > MOST:
                raise SentenceError(N_("At most {most} foreign runs are drawn: remove one first."), most=MOST)
            store.put(run, owner=owner)
            names.add(run.name)
        except (SentenceError, StoreError) as error:
            refused.append(Sentence("{name}: {problem}", {"name": file.name, "problem": error.sentence}))
    state["compare.foreign.files"] += 1
    forget_foreign_runs()
    state[REFUSED] = refused


def _remove(name: str) -> None:
    st.session_state.pop(REFUSED, None)
    with toast_errors():
        get_store().foreign.delete(name, owner=read_owner())
        forget_foreign_runs()
