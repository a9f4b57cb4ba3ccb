"""A run's trained weights as a file, with the lines that load them into plain PyTorch."""

from typing import TYPE_CHECKING

import streamlit as st

from mlpcore.runs.records import Run
from pages.components.replay.waiting import is_replayable, show_replay
from pages.components.shared.words import _, as_markdown

if TYPE_CHECKING:
    from mlpcore.training.replay.network import TrainedNetwork


MOST_CLASSES = 20  # that are named


def show_weights_file(run: Run) -> None:
    """Draw the button that downloads the weights of a run's last evaluation, and the lines that load them."""
    if not is_replayable(run):
        return
    from mlpcore.training.replay.network import NetworkView
    from mlpcore.training.replay.replay import PastRun

    def draw(trained: "TrainedNetwork") -> None:
        _draw_file(run, trained)

    past = PastRun.of(run)
    told = _("The weights are not stored: the run is trained once more in the background, which gives the same ones.")
    show_replay(NetworkView(past, past.steps[-1]), draw, key="weights_file", label=_("Prepare the weights"), told=told)


def _draw_file(run: Run, trained: "TrainedNetwork") -> None:
    from mlpcore.export.weights import write_loading_code, write_weights

    name = f"{run.recipe.optimizer.name}-{run.id}.safetensors"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            _("Download weights (.safetensors)"),
            lambda: write_weights(trained, run.recipe),
            name,
            "application/octet-stream",
            key="weights_file.save",
            on_click="ignore",
            type="primary",
        )
        template = _("The network after {step:,} iterations, with the mean and deviation that normalise its images.")
        st.caption(template.format(step=trained.network.step), width="stretch")
    st.code(write_loading_code(trained, name), language="python", wrap_lines=True)
    shape = ", ".join(map(str, trained.image_shape))
    told = _("`images` holds raw numbers, as the data set has them, of shape (N, {shape}). The classes are: {classes}.")
    st.caption(told.format(shape=shape, classes=as_markdown(", ".join(trained.classes[:MOST_CLASSES]))))
