"""Shared by the tests of exported scripts: recipes that together need every part of a script."""

import json
from typing import Any

from mlpcore.recipes.recipe import SGD, AnyScheduler, NoScheduler, Recipe, RMSprop, StepLR
from mlpcore.recipes.schedulers import ReduceLROnPlateau
from tests.support.recipes import EACH_OPTIMIZER, EACH_SCHEDULE, after_warmup, with_optimizer

BASE = Recipe(
    dataset="Tiny", hidden_sizes=(32, 16), batch_size=32, train_iter=12, eval_every=5, seed=3, scheduler=NoScheduler()
)
EDITS = [{"step": 0, "weight_decay": 0.1}, {"step": 6, "lr": 0.02, "momentum": 0.5}, {"step": 9, "lr": 0.004}]
FOLLOWING = ReduceLROnPlateau(patience=0, threshold=0.9, cooldown=1, min_lr=0.001)
OTHERS: dict[str, dict[str, Any]] = {
    "no dropout": {"dropout": 0.0},
    "little dropout": {"dropout": 0.2},
    "label noise": {"label_noise": 0.4},
    "a subset": {"train_size": 50},
    "validation": {"validation_size": 30},
    "all draws": {"train_size": 41, "validation_size": 20, "label_noise": 1.0},
    "sigmoid": {"activation": "sigmoid"},
    "tanh": {"activation": "tanh"},
    "batches of one": {"batch_size": 1},
    "odd batches": {"batch_size": 37},
    "full batches": {"batch_size": 80},
    "one odd layer": {"hidden_sizes": (7,), "batch_size": 9, "activation": "sigmoid"},
    "three layers": {"hidden_sizes": (50, 16, 5), "activation": "tanh"},
    "the lecture's network": {"hidden_sizes": (128, 64), "batch_size": 64},
    "wide layers": {"hidden_sizes": (256, 256), "batch_size": 72},
    "bfloat16": {"precision": "bfloat16", "hidden_sizes": (128, 64), "batch_size": 64},
    "bfloat16 in odd layers": {"precision": "bfloat16", "hidden_sizes": (50, 7), "batch_size": 9, "activation": "tanh"},
    "a rate that follows the held-out images": {"scheduler": FOLLOWING, "validation_size": 30},
    "edits": {"changes": EDITS},
    "edits under a schedule": {"changes": EDITS, "scheduler": StepLR(step_size=4, gamma=0.5)},
    "edits that leave lr": {"changes": EDITS[:1], "scheduler": StepLR(step_size=4, gamma=0.5)},
    "momentum that RMSprop had not": {"optimizer": RMSprop(), "changes": [{"step": 5, "momentum": 0.9}]},
    "Xavier": {"init": "xavier"},
    "He and little else": {"init": "he", "label_smoothing": 0.1, "l1_penalty": 1e-3, "max_norm": 0.5},
    "zeros": {"init": "zeros", "dropout": 0.0},
    "a smoothed loss in odd layers": {"label_smoothing": 0.3, "hidden_sizes": (7,), "batch_size": 9},
    "all in bfloat16": {"label_smoothing": 0.2, "max_norm": 1.0, "l1_penalty": 1e-3, "precision": "bfloat16"},
    "a folder without test": {"dataset": "Uncut", "batch_size": 5},
    "images of every kind": {"dataset": "Mixed"},
    "moons": {"dataset": "Moons", "points": {"count": 90, "noise": 0.2}, "validation_size": 20},
    "circles": {"dataset": "Circles", "points": {"count": 80, "classes": 3}, "activation": "tanh"},
    "a spiral": {"dataset": "Spiral", "points": {"count": 100, "data_seed": 7}, "label_noise": 0.4, "train_size": 60},
    "a checkerboard": {"dataset": "Checkerboard", "points": {"noise": 0.02, "classes": 5}, "hidden_sizes": (128, 64)},
    "blobs": {"dataset": "Blobs", "points": {"classes": 6}, "precision": "bfloat16"},
    "an average that forgets": {"average": "EMA", "ema_decay": 0.8, "dropout": 0.2},
    "an average of the second half": {"average": "SWA", "validation_size": 30},
    "divergence": {"optimizer": SGD(lr=10.0, momentum=0.99), "train_iter": 200, "dropout": 0.0},
}


def recipe(**values: Any) -> Recipe:
    return BASE.replace(**values)


def list_edits(scheduler: AnyScheduler) -> list[dict[str, Any]]:
    """The edits, without that of a momentum which the scheduler cycles."""
    left_out = ("momentum",) if scheduler.name == "CyclicLR" else ()
    return [{name: value for name, value in edit.items() if name not in left_out} for edit in EDITS]


RECIPES = (
    {name: with_optimizer(BASE, optimizer) for name, optimizer in EACH_OPTIMIZER.items()}
    | {scheduler.name: recipe(scheduler=scheduler) for scheduler in EACH_SCHEDULE}
    | {
        f"{scheduler.name} after a warm-up": recipe(
            scheduler=after_warmup(scheduler, 3), changes=list_edits(scheduler), train_iter=14
        )
        for scheduler in EACH_SCHEDULE
    }
    | {name: recipe(**values) for name, values in OTHERS.items()}
)


def code_cells(notebook: str) -> list[str]:
    return [cell["source"] for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
