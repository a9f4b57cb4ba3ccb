"""Whether the visitor is here, for runs that stop when they are gone."""

from pages.components.shared.refresh import show_fragment
from pages.components.shared.state import get_manager, manager_is_up, read_owner

SEEN_SECONDS = 60  # between two times that the manager is told; it waits for 10 minutes


def send_heartbeat() -> None:
    """Tell the manager that the visitor is here, and go on telling.

    Every page of theirs that is open counts, whatever it shows and however long nothing is clicked: a run that would
    stop without them may be started on another one.
    """
    show_fragment(_tell, every=SEEN_SECONDS)


def _tell() -> None:
    if manager_is_up():  # without one nothing goes on, and no page loads torch for this
        get_manager().note_seen(read_owner())
