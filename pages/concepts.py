"""What the lecture is about, one idea at a time, each with its own numbers to move."""

from collections.abc import Callable

import streamlit as st

from pages.components.concepts.activations import show_activations
from pages.components.concepts.backprop import show_network
from pages.components.concepts.claims import show_claims
from pages.components.concepts.losses import show_losses
from pages.components.concepts.schedules import show_schedules
from pages.components.concepts.update_rules import show_updates
from pages.components.shared.i18n import write_query
from pages.components.shared.words import _

CONCEPTS: dict[str, Callable[[], None]] = {
    "losses": show_losses,
    "network": show_network,
    "updates": show_updates,
    "activations": show_activations,
    "schedules": show_schedules,
    "claims": show_claims,
}
titles = {
    "losses": _("Cross-entropy"),
    "network": _("Forward, backward"),
    "updates": _("Updates"),
    "activations": _("Activations"),
    "schedules": _("Schedulers"),
    "claims": _("Claims"),
}
asked = st.query_params.get("concept")
if asked in CONCEPTS and asked != st.session_state.get("concept.address"):
    st.session_state["concept"] = asked
chosen = st.pills(
    _("Concept"),
    list(CONCEPTS),
    default="losses" if "concept" not in st.session_state else None,
    required=True,
    format_func=titles.get,
    key="concept",
    label_visibility="collapsed",
    persist_state="session",
) or next(iter(CONCEPTS))  # a browser may send none all the same
st.session_state["concept.address"] = chosen
write_query({"concept": chosen})
CONCEPTS[chosen]()
