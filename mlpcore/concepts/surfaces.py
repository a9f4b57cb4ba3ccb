"""Two-dimensional surfaces on which optimizers race; every step is taken by torch.optim itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mlpcore.recipes.recipe import AnyOptimizer
from mlpcore.training.optimizers import build_optimizer

FAR = 100.0  # times the frame's width: who is as far out has diverged, and is followed no further

Position = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function of two parameters, the part of the plane in which it is shown, and where its lowest points lie."""

    name: str
    formula: str  # LaTeX
    function: Callable[[Tensor, Tensor], Tensor]
    x_range: Position
    y_range: Position
    start: Position
    minima: tuple[Position, ...]

    def holds(self, point: Position) -> bool:
        """Whether a point lies in the frame."""
        (left, right), (bottom, top) = self.x_range, self.y_range
        return left <= point[0] <= right and bottom <= point[1] <= top


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


def race(knobs: AnyOptimizer, surface: Surface, start: Position, steps: int) -> list[Position]:
    """Follow an optimizer from `start`; returns at most `steps` + 1 points, all of them finite.

    Fewer where it diverges: it is followed up to the last point that is not FAR outside the frame.
    """
    place = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = build_optimizer(knobs, [place])
    reach = FAR * (surface.x_range[1] - surface.x_range[0])
    points = [start]
    for _step in range(steps):
        optimizer.zero_grad()
        surface.function(*place).backward()
        optimizer.step()
        x, y = place.tolist()
        if not math.hypot(x, y) < reach:  # also where it is no number
            break
        points.append((x, y))
    return points


def heights(surface: Surface, points: Sequence[Position]) -> list[float]:
    """The function's value at each point."""
    x, y = torch.tensor(points, dtype=torch.float64).T
    return surface.function(x, y).tolist()


def grid(surface: Surface, size: int) -> tuple[list[float], list[float], list[list[float]]]:
    """Measure the surface on size × size points of its frame; returns xs, ys and a row of heights for each y."""
    xs = torch.linspace(*surface.x_range, size, dtype=torch.float64)
    ys = torch.linspace(*surface.y_range, size, dtype=torch.float64)
    return xs.tolist(), ys.tolist(), surface.function(xs[None, :], ys[:, None]).tolist()


def apply_gradients(knobs: AnyOptimizer, parameter: float, gradients: Sequence[float]) -> list[float]:
    """Let torch.optim update one parameter by given gradients; returns it after each update."""
    place = torch.tensor([parameter], dtype=torch.float64, requires_grad=True)
    optimizer = build_optimizer(knobs, [place])
    after = []
    for gradient in gradients:
        place.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        after.append(place.item())
    return after
