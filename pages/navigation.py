"""The pages, their titles, and what every page has: its header, sign-in, heartbeat."""

import streamlit as st

from mlpcore.runs.messages import StoreError
from pages.components.shared.flash import note_rerun_cause
from pages.components.shared.heartbeat import send_heartbeat
from pages.components.shared.i18n import choose_language, read_query, write_query
from pages.components.shared.page_header import show_page_header
from pages.components.shared.people import is_admin, show_account
from pages.components.shared.words import _, say

choose_language()
note_rerun_cause()
st.set_page_config(
    page_title=_("MLP playground"),
    page_icon="🎛️",
    layout="wide",
    initial_sidebar_state="collapsed",  # a phone's menu of pages
    menu_items={"About": _("Turn the knobs of gradient descent and see what they do.")},
)
headers = {  # of each page: its title, what a visitor can do there, and whether its address names what it shows
    "playground": (
        _("Playground"),
        _("Train a small network to recognise images: turn a knob, press Start, and watch what it changes."),
        True,
    ),
    "compare": (
        _("Compare"),
        _("Train several recipes on the same images, side by side, and see which one does better."),
        True,
    ),
    "sweep": (
        _("Sweep"),
        _("Give every optimizer its best learning rate before you compare them."),
        True,
    ),
    "overfitting": (
        _("Overfitting"),
        _("Watch a network learn its training images by heart, and try what helps against it."),
        True,
    ),
    "concepts": (
        _("Concepts"),
        _("The ideas behind training, one at a time, with numbers that you can change."),
        True,
    ),
    "history": (_("History"), _("Find, compare, export and delete the runs that were trained here."), False),
    "images": (_("Images"), _("Look at the images and labels that a network learns from."), True),
}
if is_admin():
    sentence = _("See what everybody does on this server, end what should end, and set quotas.")
    headers["admin"] = (_("Admin"), sentence, False)
pages = {
    name: st.Page(f"{name}.py", title=title, default=name == "playground")
    for name, (title, _sentence, _has_link) in headers.items()
}
page = st.navigation(list(pages.values()), position="top")
title, sentence, has_link = headers[page.url_path or "playground"]
is_stranger = st.user.get("is_logged_in") is False  # secrets.toml sets up sign-in, and this visitor has not signed in
show_page_header(title, sentence, has_link=has_link and not is_stranger)
if is_stranger:
    st.text(_("Sign in to use the playground: your runs then belong to you in any browser."))
    st.button(_("Sign in"), type="primary", on_click=st.login, key="sign_in")
else:
    try:
        page.run()
    except StoreError as error:
        st.error(say(error.sentence))
    send_heartbeat()
write_query(read_query())  # pages that write no query themselves keep the language of a link
if st.user.get("is_logged_in"):
    show_account()
