"""The signed-in visitor: their account, whether they are an admin, and what people are called."""

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st

from mlpcore.runs.messages import StoreError
from mlpcore.runs.people.rights import read_rights
from mlpcore.runs.records import PERSON
from pages.components.shared.state import get_store, read_owner
from pages.components.shared.words import _

DIGITS = 6  # of the hash, for people without a name


def is_admin() -> bool:
    """Return whether the visitor may see and end what everybody does; the library checks each request again."""
    if not st.user.get("is_logged_in"):
        return False
    with suppress(StoreError):  # what names the admins is wrong: a page that needs it says so
        return read_rights().is_admin(read_owner())
    return False


def show_account() -> None:
    """Draw who is signed in, what their account is called, and the way out; store their name once per session."""
    name = str(st.user.get("name") or st.user.get("email") or st.user["sub"])
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.text(_("Signed in as {name}.").format(name=name))
        with st.popover(_("Account"), type="tertiary"):
            st.text(_("This names your account. Whoever runs this server can make it an admin."))
            st.code(f"{st.user.get('iss')} {st.user['sub']}", language=None, wrap_lines=True)
        st.button(_("Sign out"), type="tertiary", on_click=st.logout, key="sign_out")
    if st.session_state.get("account.noted") != name:
        with suppress(StoreError):  # to be noted at the next rerun
            get_store().people.note_name(read_owner(), name)
            st.session_state["account.noted"] = name


def name_owner(owner: str, names: Mapping[str, str]) -> str:
    """Return what admins read of an owner: the name of a person, or digits that tell browsers apart.

    names: By owner, of those who have signed in.
    """
    if not owner:
        return _("command line")
    kind, digits = (_("account") if owner.startswith(PERSON) else _("browser")), owner.partition(":")[2][:DIGITS]
    return names.get(owner) or f"{kind} {digits}"
