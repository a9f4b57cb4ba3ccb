"""The pages, their titles, and what every page has: sign-in, heartbeat, choice of language."""

import streamlit as st

from mlpcore.runs.messages import StoreError
from pages.components.shared.flash import note_rerun_cause
from pages.components.shared.heartbeat import send_heartbeat
from pages.components.shared.i18n import choose_language, read_query, show_languages, write_query
from pages.components.shared.words import _, say

choose_language()
note_rerun_cause()
st.set_page_config(
    page_title=_("MLP playground"),
    page_icon="🎛️",
    layout="wide",
    menu_items={"About": _("Turn the knobs of gradient descent and see what they do.")},
)
page = st.navigation(
    [
        st.Page("playground.py", title=_("Playground"), default=True),
        st.Page("compare.py", title=_("Compare")),
        st.Page("overfitting.py", title=_("Overfitting")),
        st.Page("concepts.py", title=_("Concepts")),
        st.Page("history.py", title=_("History")),
        st.Page("images.py", title=_("Images")),
    ],
    position="top",
)
if st.user.get("is_logged_in") is False:  # secrets.toml sets up sign-in, and this visitor has not signed in
    st.text(_("Sign in to use the playground: your runs then belong to you in any browser."))
    st.button(_("Sign in"), type="primary", on_click=st.login, key="sign_in")
else:
    try:
        page.run()
    except StoreError as error:
        st.error(say(error.sentence))
    send_heartbeat()
write_query(read_query())  # pages that write no query themselves keep the language of a link
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    show_languages()
    if st.user.get("is_logged_in"):
        st.text(_("Signed in as {name}.").format(name=st.user.get("name") or st.user.get("email") or st.user["sub"]))
        st.button(_("Sign out"), type="tertiary", on_click=st.logout, key="sign_out")
