"""The pages and their names; what stands on every one of them."""

import streamlit as st
from components.words import _, say

from mlpcore.store import StoreError

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
try:
    page.run()
except StoreError as error:
    st.error(say(error.sentence))
