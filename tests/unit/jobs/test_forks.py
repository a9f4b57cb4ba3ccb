"""A fork repeats its parent bit for bit up to a step, and then goes on with another hyperparameter."""

import pytest

from mlpcore.jobs import submission
from mlpcore.recipes.recipe import Change
from mlpcore.runs.kernel_rule import KernelRule
from tests.support.managers import ME, SHORT, STRANGER, submit, timeless, train_alone, wait_for_end

PARENT = SHORT.replace(train_iter=120, dropout=0.5, changes=(Change(step=20, momentum=0.5), Change(step=90, lr=0.02)))


@pytest.mark.parametrize(("step", "values"), [(60, {"lr": 0.03}), (65, {"momentum": 0.7}), (20, {"weight_decay": 0.1})])
def test_a_fork_equals_its_parent_bit_for_bit_up_to_its_step(manager, images, step, values):
    (parent,) = wait_for_end(manager, *submit(manager, PARENT))
    (fork,) = wait_for_end(manager, manager.fork(parent.id, owner=STRANGER, step=step, **values))
    before, after = timeless(parent.evaluations), timeless(fork.evaluations)
    common = step // 10
    assert after[:common] == before[:common]
    assert all(one != other for one, other in zip(after[common:], before[common:], strict=True))
    assert after == train_alone(fork.recipe, images)
    assert (fork.forked_from, fork.owner, fork.recipe.changes[-1].step) == (parent.id, STRANGER, step)
    assert manager.store.get(fork.id).forked_from == parent.id
    assert parent.id not in fork.recipe.model_dump_json()


def test_it_goes_on_with_the_matrix_products_of_its_parent(manager, monkeypatch):
    (parent,) = wait_for_end(manager, *submit(manager, PARENT))
    other = next(rule for rule in KernelRule if rule != parent.versions["kernels"])
    monkeypatch.setattr(submission, "usable_rule", lambda versions: KernelRule(versions["kernels"]))
    object.__setattr__(parent, "versions", {**parent.versions, "kernels": other})
    fork = submission.build_fork(parent, ME, 60, {"lr": 0.2}, lesson="")
    assert fork.versions["kernels"] == other
    assert fork.name == "lr 0.2 from 60"


@pytest.mark.parametrize(("step", "values"), [(120, {"lr": 0.2}), (60, {"lr": 100.0}), (60, {"betas": 0.5})])
def test_what_does_not_fit_the_recipe_is_refused(manager, step, values):
    (parent,) = submit(manager, PARENT)
    with pytest.raises(ValueError, match=r"changes|lr|betas"):
        manager.fork(parent, owner=ME, step=step, **values)
