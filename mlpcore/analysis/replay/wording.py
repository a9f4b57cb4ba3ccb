"""Sentences about what is computed of replayed runs."""

from collections.abc import Sequence

from mlpcore.analysis.replay.loss_surface import LossSurface
from mlpcore.analysis.replay.sharpness import Sharpness
from mlpcore.messages import Sentence


def describe_plane(surface: LossSurface) -> Sentence:
    """Say what the surface shows, and how much of the weights' movement lies in its plane."""
    first, second = surface.explained
    values = {"share": first + second, "first": first, "second": second, "images": surface.images}
    if len(surface.paths) == 1:
        template = (
            "The loss on {images:,} training examples, in the plane in which the weights moved most. It "
            "explains {share:.0%} of their variance: {first:.0%} along the first direction and {second:.0%} along the "
            "second."
        )
        return Sentence(template, values)
    template = (
        "The loss on {images:,} training examples, in the plane in which the weights of these {runs} runs moved most. "
        "It explains {share:.0%} of their variance: {first:.0%} along the first direction and {second:.0%} along the "
        "second."
    )
    return Sentence(template, values | {"runs": len(surface.paths)})


def describe_projection() -> Sentence:
    """Say why a path need not stand at the height of its networks."""
    return Sentence(
        "Contours stand at equal ratios of the loss. A path is the shadow of the weights on this plane, so a network's "
        "own loss may be lower than the contour under it: point at a mark to read it."
    )


def describe_edge(sharpness: Sharpness, limits: Sequence[float]) -> Sentence:
    """Say how near the sharpness comes to its limit. limits: at the same evaluations."""
    ratios = [value / limit for value, limit in zip(sharpness.values, limits, strict=True)]
    ratio = max(ratios)
    reached = next((step for step, each in zip(sharpness.steps, ratios, strict=True) if each >= 1), None)
    if reached is None:
        return Sentence("In this run it stays below the line: it reaches {ratio:.0%} of it.", {"ratio": ratio})
    template = "In this run it is above the line at step {step:,}, and at most {ratio:.2g} times as high."
    return Sentence(template, {"step": reached, "ratio": ratio})


def explain_sharpness() -> Sentence:
    """Say in two sentences what sharpness is, and what its limit means."""
    return Sentence(
        "Sharpness is the strongest curvature of the training loss, the largest eigenvalue of its Hessian: above the "
        "dashed line each step of gradient descent overshoots further than the one before. Training often climbs to "
        "that line and stays near it, with a loss that falls in bumps instead of exploding: the edge of stability."
    )
