"""Admin: what everybody does on this server, for those who look after it: end what should end, set quotas."""

from functools import partial

import streamlit as st

from mlpcore.runs.search import RunSearch
from pages.components.admin.people import choose_person, show_people
from pages.components.admin.server import show_server
from pages.components.admin.sweeps import show_sweeps
from pages.components.history.actions import find_chosen, show_action_row
from pages.components.history.deletion import show_undo
from pages.components.history.filters import show_filters, show_order
from pages.components.history.run_list import read_chosen, search, show_table
from pages.components.shared.choices import choose
from pages.components.shared.people import name_owner
from pages.components.shared.state import get_store, get_stored_runs, read_owner
from pages.components.shared.words import _

people = get_stored_runs().list_people(owner=read_owner())  # refused for everybody but admins
names = get_store().people.find_names()
show_server()
views = {"runs": _("Runs"), "people": _("People"), "sweeps": _("Sweeps")}
view = choose(_("What to look at"), views, key="admin.view", default="runs")
if view == "people":
    show_people(people, names)
elif view == "sweeps":
    show_sweeps(names)
else:
    show_undo()
    filters = show_filters()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        person = choose_person(people, names)
        order = show_order()
    if person is not None:
        filters["owner"] = person.owner
    groups, total = search(RunSearch(**filters, **order))
    show_action_row(find_chosen(read_chosen()), total)
    if groups:
        show_table(groups, name_owner=partial(name_owner, names=names))
