"""Tell the manager that the visitor is here, for runs that stop when their owner leaves."""

from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import get_manager, manager_is_up, read_owner

SEEN_SECONDS = 60  # between two heartbeats; the manager waits 10 minutes


def send_heartbeat() -> None:
    """Tell the manager that the visitor is here, now and every minute.

    Every open page counts, whatever it shows and however long nobody clicks: the run may have been started on another.
    """
    show_fragment(_tell, every=SEEN_SECONDS)


def _tell() -> None:
    if manager_is_up():  # otherwise no run is active, and torch need not be loaded for this
        get_manager().note_seen(read_owner())
