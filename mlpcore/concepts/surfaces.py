"""Functions of two parameters and the trajectories of optimizers over them; torch.optim takes every step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mlpcore.recipes.optimizers import Muon
from mlpcore.recipes.recipe import AnyOptimizer
from mlpcore.training.optimizers import build_optimizer

DIVERGED = 100.0  # frame widths from the origin: a trajectory ends before it gets this far

Position = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function of two parameters, the frame in which it is drawn, a first start, and its minima."""

    name: str
    formula: str  # LaTeX
    function: Callable[[Tensor, Tensor], Tensor]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    start: Position
    minima: tuple[Position, ...]

    def contains(self, position: Position) -> bool:
        """Return whether a position lies in the frame."""
        (left, right), (bottom, top) = self.x_range, self.y_range
        return left <= position[0] <= right and bottom <= position[1] <= top


SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            "valley",
            r"f(x, y) = \tfrac12 (x^2 + 25\,y^2)",
            lambda x, y: (x**2 + 25 * y**2) / 2,
            (-10.0, 4.0),
            (-3.0, 3.0),
            (-9.0, 2.0),
            ((0.0, 0.0),),
        ),
        Surface(
            "Rosenbrock",
            r"f(x, y) = \tfrac1{10} (1 - x)^2 + (y - x^2)^2",
            lambda x, y: (1 - x) ** 2 / 10 + (y - x**2) ** 2,
            (-2.0, 2.0),
            (-1.0, 3.0),
            (-1.5, 0.5),
            ((1.0, 1.0),),
        ),
        Surface(
            "saddle",
            r"f(x, y) = \tfrac12 x^2 - \tfrac12 y^2 + \tfrac14 y^4",
            lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
            (-3.0, 3.0),
            (-2.0, 2.0),
            (-2.5, 0.01),
            ((0.0, -1.0), (0.0, 1.0)),
        ),
    )
}


def compute_trajectory(recipe: AnyOptimizer, surface: Surface, start: Position, steps: int) -> list[Position]:
    """Minimise a surface with an optimizer; return the start and the position after each step.

    A trajectory that diverges is shorter than `steps` + 1: it ends with the last position within DIVERGED frame widths.
    """
    parameters, optimizer = _build(recipe, start)
    limit = DIVERGED * (surface.x_range[1] - surface.x_range[0])
    positions = [start]
    for _step in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(surface.function(*parameters.flatten()))
        optimizer.step()
        x, y = parameters.flatten().tolist()
        if not math.hypot(x, y) < limit:  # true for nan too
            break
        positions.append((x, y))
    return positions


def evaluate_surface(surface: Surface, positions: Sequence[Position]) -> list[float]:
    """Return the value of a surface at each position."""
    x, y = torch.tensor(positions, dtype=torch.float64).T
    values: list[float] = surface.function(x, y).tolist()
    return values


def sample_surface(surface: Surface, size: int) -> tuple[list[float], list[float], list[list[float]]]:
    """Evaluate a surface on a grid of size × size positions of its frame; return xs, ys and one row of values per y."""
    xs = torch.linspace(*surface.x_range, size, dtype=torch.float64)
    ys = torch.linspace(*surface.y_range, size, dtype=torch.float64)
    return xs.tolist(), ys.tolist(), surface.function(xs[None, :], ys[:, None]).tolist()


def apply_gradients(recipe: AnyOptimizer, parameter: float, gradients: Sequence[float]) -> list[float]:
    """Let torch.optim update one parameter with given gradients; return its value after each update."""
    parameters, optimizer = _build(recipe, [parameter])
    values = []
    for gradient in gradients:
        parameters.grad = torch.full_like(parameters, gradient)
        optimizer.step()
        values.append(parameters.item())
    return values


def _build(recipe: AnyOptimizer, values: Sequence[float]) -> tuple[Tensor, torch.optim.Optimizer]:
    """Build parameters and their optimizer; for Muon, which takes matrices only, they are one of a single row."""
    parameters = torch.tensor(values, dtype=torch.float64)
    if isinstance(recipe, Muon):
        parameters = parameters.unsqueeze(0).requires_grad_()
        return parameters, torch.optim.Muon([parameters], **recipe.model_dump(exclude={"name", "adamw_scale"}))
    return parameters, build_optimizer(recipe, [parameters.requires_grad_()])
