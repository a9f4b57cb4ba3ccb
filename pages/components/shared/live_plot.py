"""Charts that tick: a Plotly figure that is updated in place, so that zoom, hidden traces and hover live on."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import streamlit as st

from pages.components.shared.words import _

# Read once: importlib.metadata, asked by several threads at a time, now and then does not find what is installed.
SOURCE = f"assets/plotly-{version('plotly')}.min.js"

_mount = st.components.v2.component(
    "liveplot",
    html='<div class="liveplot" role="img"><div class="liveplot-note"></div><div class="liveplot-figure"></div></div>',
    css="""
        .liveplot { position: relative; width: 100%; border-radius: var(--st-base-radius); }
        .liveplot-figure { position: absolute; inset: 0; }
        .liveplot-note { position: absolute; inset: 0; display: grid; place-items: center; padding: 1rem;
            border-radius: inherit; text-align: center; color: var(--st-text-color); opacity: 0.75;
            background: var(--st-secondary-background-color); }
        .liveplot-ready > .liveplot-note { display: none; }
    """,
    js=(Path(__file__).parent / "live_plot.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly keeps its own style sheet in the document's head, out of a shadow root's reach
)


def live_plot(figure: Mapping[str, Any], *, key: str, height: int, alt: str, revision: str = "") -> str | None:
    """Show a figure and keep what the visitor did to it while only its data move; return the trace just clicked.

    figure: plain Plotly JSON, `{"data": […], "layout": {…}}`, without NaN; a trace is known by its `meta`. height: in
    CSS pixels, kept while loading. alt: what a screen reader says. revision: zoom and hidden traces survive until it
    changes (the run's id, say).
    """
    layout = {**figure["layout"], "height": height, "uirevision": revision or key}
    may_grow = "height" in layout.get("meta", {}).get("narrow", {})  # on a phone: the page cannot know
    result = _mount(
        key=key,
        data={
            "figure": {"data": figure["data"], "layout": layout},
            "alt": alt,
            "source": SOURCE,
            "words": {
                "reset": _("Show everything"),
                "save": _("Save as a picture"),
                "saving": _("The picture is being made."),
                "saved": _("Picture saved"),
                "unsaved": _("The picture could not be saved."),
                "failed": _("The chart could not be drawn: plotly.js did not arrive. Reload the page to try again."),
            },
        },
        width="stretch",
        height="content" if may_grow else height,
        on_picked_change=_note_pick,
    )
    return result.picked


def _note_pick() -> None:
    """Streamlit reports a trigger only where there is somebody to report to."""
