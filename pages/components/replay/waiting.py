"""What is computed of replayed runs, on a page: asked for by a button, shown with its progress, and cancelled."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from mlpcore.messages import SentenceError
from mlpcore.recipes.recipe import Recipe
from mlpcore.runs.records import Run
from pages.components.shared.flash import show_warning, toast_errors
from pages.components.shared.refresh import describe_loading, rerun_page, show_fragment
from pages.components.shared.state import get_cache, get_manager, read_owner
from pages.components.shared.words import _, say

if TYPE_CHECKING:
    from mlpcore.jobs.replay.replays import Replay, Replays, View

Result = TypeVar("Result")
TICK = 0.4  # seconds between two looks at the progress
ASKED = "replays"  # in the session, by place: what was asked for there, and its replay unless that was refused


def is_replayable(run: Run) -> bool:
    """Return whether a run can be replayed here; if not, say why."""
    from mlpcore.training.replay.replay import find_obstacle

    if (obstacle := find_obstacle(run)) is not None:
        st.text(say(obstacle))
    return obstacle is None


@st.cache_resource(show_spinner=False)
def _get_replays() -> "Replays":
    """Return the replays of this process."""
    from mlpcore.jobs.replay.replays import Replays

    return Replays(get_manager(), get_cache())


def is_computing(recipes: Collection[Recipe]) -> bool:
    """Return whether something that this visitor asked for of runs with these recipes is still being computed."""
    replayed = [view.recipes for view, replay in _list_asked().values() if replay and not replay.result.done()]
    return any(recipe in recipes for own in replayed for recipe in own)


def find_replayed(view: "View[Result]") -> Result | None:
    """Return what is computed of replayed runs, if it is kept."""
    return _get_replays().find(view)


def show_replay(
    view: "View[Result]", draw: Callable[[Result], None], *, key: str, label: str, told: str, begins: bool = False
) -> None:
    """Draw what is computed of replayed runs; before it is asked for, a button, and then the progress.

    Args:
        view: What to compute. A result that is kept is drawn at once.
        draw: Draws the result.
        key: Of the place on the page: of its widgets, and of what was asked for there.
        label: Of the button.
        told: What stands beside the button: what it will show, and what that takes.
        begins: Whether to begin without the button, once for each view.
    """
    asked = _list_asked()
    if (result := _get_replays().find(view)) is not None:
        asked.pop(key, None)
        draw(result)
        return
    if begins and asked.get(key, (None,))[0] != view:
        _request(view, key)
    wanted, replay = asked.get(key, (None, None))
    if replay is None or wanted != view or replay.result.cancelled():
        _offer(view, key, label, told)
    elif not replay.result.done():
        show_fragment(_draw_progress, key, every=TICK)
    elif error := replay.result.exception():
        show_warning(_describe_failure(error))
        _offer(view, key, _("Try again"), "")
    else:
        draw(replay.result.result())  # too large to be kept


def _list_asked() -> "dict[str, tuple[View[Any], Replay[Any] | None]]":
    return st.session_state.setdefault(ASKED, {})


def _offer(view: "View[Result]", key: str, label: str, told: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(label, key=f"replay.{key}.start", on_click=_request, args=(view, key))
        st.caption(told, width="stretch")


def _request(view: "View[Result]", key: str) -> None:
    """Request a replay and keep it in the session; a refusal is said in a toast."""
    asked = _list_asked()
    asked[key] = view, None
    with toast_errors():
        asked[key] = view, _get_replays().request(view, owner=read_owner())


def _draw_progress(key: str) -> None:
    _wanted, replay = _list_asked().get(key, (None, None))
    if replay is None or replay.result.done():
        rerun_page()
    _get_replays().note_seen(replay)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(min(replay.progress, 1.0), _describe_progress(replay))
        st.button(_("Cancel"), key=f"replay.{key}.cancel", on_click=replay.cancel)


def _describe_progress(replay: "Replay[object]") -> str:
    if replay.waits_for is not None:
        return say(replay.waits_for)
    if replay.loading is not None and not replay.loading.images.done():
        return describe_loading(replay.loading.progress)
    if replay.progress == 0:
        return _("Waiting for its turn.")
    return _("The run is trained once more, and its network looked at on the way: {share:.0%}.").format(
        share=replay.progress
    )


def _describe_failure(error: BaseException) -> str:
    if isinstance(error, SentenceError):
        return say(error.sentence)
    from mlpcore.jobs.messages import explain_failure

    return say(explain_failure(error))
