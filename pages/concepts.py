"""Concepts: the ideas of the lecture one at a time, each with numbers to change."""

import streamlit as st

from pages.components.concepts.activations import show_activations
from pages.components.concepts.backprop import show_network
from pages.components.concepts.claims import show_claims
from pages.components.concepts.losses import show_losses
from pages.components.concepts.schedules import show_schedules
from pages.components.concepts.update_rules import show_updates
from pages.components.lessons.banner import CONCEPTS, show_lesson, take_lesson
from pages.components.lessons.dialog import offer_page_lesson, write_terms
from pages.components.shared.address import find_repeated, put_query, take_query
from pages.components.shared.choices import persistent
from pages.components.shared.flash import flash, get_flashed, show_warning
from pages.components.shared.words import _, say

concepts = {
    "losses": (_("Cross-entropy"), show_losses),
    "network": (_("Forward, backward"), show_network),
    "updates": (_("Updates"), show_updates),
    "activations": (_("Activations"), show_activations),
    "schedules": (_("Schedulers"), show_schedules),
    "claims": (_("Claims"), show_claims),
}
if (query := take_query("concepts")) is not None:
    if query.get("concept") in concepts:
        st.session_state["concept"] = query["concept"]
    flash("concepts.said", find_repeated() + take_lesson(CONCEPTS, query))
show_lesson(CONCEPTS)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    chosen = st.pills(
        _("Concept"),
        list(concepts),
        required=True,
        format_func=lambda name: concepts[name][0],
        label_visibility="collapsed",
        **persistent("concept", "losses"),
    )
    chosen = chosen or "losses"  # a browser may send none despite `required`
    offer_page_lesson(CONCEPTS, {"concept": chosen})
for sentence in get_flashed("concepts.said"):
    show_warning(say(sentence))
put_query("concepts", {"concept": chosen} | write_terms(CONCEPTS), is_ticking=False)
concepts[chosen][1]()
