"""What the network of a run sees: images and their likeliest classes, the confusion matrix, the first layer."""

import streamlit as st

from mlpcore.runs import Run


def show_images_seen(run: Run) -> None:
    """Show test images with their three likeliest classes."""
    st.text(run.name)


def show_per_class(run: Run) -> None:
    """Show the confusion matrix, and the accuracy of each class."""
    st.text(run.name)


def show_filters(run: Run) -> None:
    """Show the first layer's weights as images, over the evaluations."""
    st.text(run.name)
