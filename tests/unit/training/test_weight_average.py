"""Averages of weights are torch's own: EMA from the first iteration on, SWA after its share of the run."""

from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from mlpcore.recipes.recipe import Recipe
from mlpcore.training.cohort_run import WeightAverage


@pytest.mark.parametrize(
    ("average", "averaging", "taken"),
    [("EMA", get_ema_multi_avg_fn(0.8), range(10)), ("SWA", get_swa_multi_avg_fn(), range(3, 10))],
)
def test_it_is_that_of_torchs_averaged_model(average: Any, averaging: Any, taken: range) -> None:
    model, generator = torch.nn.Linear(3, 2), torch.Generator().manual_seed(0)
    recipe = Recipe(average=average, ema_decay=0.8, swa_start=0.3, train_iter=10)
    mine, torchs = WeightAverage(recipe, list(model.parameters())), AveragedModel(model, multi_avg_fn=averaging)
    for step in range(10):
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, generator=generator)
        mine.update(step)
        if step in taken:
            torchs.update_parameters(model)
    assert mine.count == len(taken)
    for one, its in zip(mine.weights, torchs.module.parameters(), strict=True):
        assert torch.equal(one, its)
