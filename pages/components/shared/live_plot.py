"""Live charts: a Plotly figure that is updated in place, so that zoom, hidden traces and hover survive."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import streamlit as st

from pages.components.shared.words import _

# Read once: asked by several threads at a time, importlib.metadata sometimes does not find an installed package.
SOURCE = f"assets/plotly-{version('plotly')}.min.js"

_mount = st.components.v2.component(
    "liveplot",
    html="""
        <div class="liveplot" role="figure">
            <div class="liveplot-note"></div><div class="liveplot-figure"></div>
        </div>
    """,
    css="""
        .liveplot { position: relative; width: 100%; border-radius: var(--st-base-radius); }
        .liveplot-figure { position: absolute; inset: 0; }
        .liveplot-note { position: absolute; inset: 0; display: grid; place-items: center; padding: 1rem;
            border-radius: inherit; text-align: center; color: var(--st-text-color); opacity: 0.75;
            background: var(--st-secondary-background-color); }
        .liveplot-ready > .liveplot-note { display: none; }
    """,
    js="\n".join(
        (Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("hover_box.js", "live_plot.js")
    ),
    isolate_styles=False,  # Plotly's style sheet is in the document's head, which a shadow root does not see
)


def live_plot(figure: Mapping[str, Any], *, key: str, height: int, alt: str, revision: str = "") -> str | None:
    """Draw a figure and keep zoom, hidden traces and hover when its data change; return the trace just clicked.

    Args:
        figure: Plain Plotly JSON, `{"data": […], "layout": {…}}`, without NaN. A trace that can be clicked has a
            `meta`, or `ids` for its points: that is what is returned; the x of the point where `meta` is "x".
        key: Streamlit's key of the chart.
        height: In CSS pixels, reserved while the chart is loading.
        alt: What a screen reader says.
        revision: Zoom and hidden traces are kept until it changes; usually the id of a run.
    """
    layout = {**figure["layout"], "height": height, "uirevision": revision or key}
    may_grow = "height" in layout.get("meta", {}).get("narrow", {})  # on a phone, which only the browser knows
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
    """Do nothing: Streamlit returns a component's trigger only if it has a callback."""
