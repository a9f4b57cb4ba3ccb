"""Concepts: the ideas of the lecture one at a time, each with numbers to change."""

import streamlit as st

from pages.components.concepts.activations import show_activations
from pages.components.concepts.backprop import show_network
from pages.components.concepts.claims import show_claims
from pages.components.concepts.losses import show_losses
from pages.components.concepts.schedules import show_schedules
from pages.components.concepts.update_rules import show_updates
from pages.components.shared.choices import persistent
from pages.components.shared.i18n import write_query
from pages.components.shared.words import _

concepts = {
    "losses": (_("Cross-entropy"), show_losses),
    "network": (_("Forward, backward"), show_network),
    "updates": (_("Updates"), show_updates),
    "activations": (_("Activations"), show_activations),
    "schedules": (_("Schedulers"), show_schedules),
    "claims": (_("Claims"), show_claims),
}
asked = st.query_params.get("concept")
if asked in concepts and asked != st.session_state.get("concept.address"):
    st.session_state["concept"] = asked
chosen = st.pills(
    _("Concept"),
    list(concepts),
    required=True,
    format_func=lambda name: concepts[name][0],
    label_visibility="collapsed",
    **persistent("concept", "losses"),
)
chosen = chosen or "losses"  # a browser may send none despite `required`
st.session_state["concept.address"] = chosen
write_query({"concept": chosen})
concepts[chosen][1]()
