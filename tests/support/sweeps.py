"""What the tests of sweeps share: small definitions on the manager's tests' images, and how a sweep is waited for."""

from typing import TYPE_CHECKING, Any

from mlpcore.recipes.recipe import Recipe
from mlpcore.sweeps.definition import Definition, Point, read_definition
from mlpcore.sweeps.trials import Sweep, Trial, TrialResult
from tests.support.managers import ME, SHORT, wait_until
from tests.support.present import present

if TYPE_CHECKING:
    from mlpcore.sweeps.manager import SweepManager

BASE = SHORT.replace(validation_size=8)
RATES = (0.001, 0.01, 0.1)


def define(*rows: Recipe, **values: Any) -> Definition:
    """A sweep over three learning rates, with other values if given."""
    return read_definition({"rows": rows or (BASE,), "space": {"lr": RATES}} | values)


def result(*val_accs: float | None, test_accs: tuple[float | None, ...] = (), status: str = "finished") -> TrialResult:
    return TrialResult((status,) * len(val_accs), (), (), val_accs, test_accs or val_accs)


def trial(number: int, point: Point, *val_accs: float | None, is_fresh: bool = False) -> Trial:
    """A trial with these validation accuracies, one per seed."""
    ids = tuple(f"{number}-{place}" for place in range(len(val_accs)))
    return Trial(number, dict(point), ids, is_fresh, result(*val_accs))


def run_to_end(sweeps: "SweepManager", definition: Definition, *, owner: str = ME) -> Sweep:
    return wait_for_sweep(sweeps, sweeps.start(definition, owner=owner, name="a sweep"))


def wait_for_sweep(sweeps: "SweepManager", sweep_id: str) -> Sweep:
    """The sweep once it is over and all its trials have a result."""
    wait_until(lambda: (sweep := present(sweeps.get(sweep_id))).status.is_over and not sweep.waiting)
    return present(sweeps.get(sweep_id))


def measured(sweep: Sweep) -> list[tuple[Point, bool, TrialResult | None]]:
    """What a sweep found, without the ids of its runs."""
    return [(trial.point, trial.is_fresh, trial.result) for trial in sweep.trials]
