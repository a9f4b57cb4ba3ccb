"""softmax and cross_entropy against the lecture's formulas and torch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st

from mlpcore.training.losses import LabelSmoothing, cross_entropy, softmax, stacked_cross_entropy
from tests.support.present import present

LABELS = torch.tensor([0, 2, 1])
ONE_HOT = F.one_hot(LABELS, 3).float()


def tensors(low: float, high: float, dtype: torch.dtype = torch.float32):
    logit = st.floats(low, high, width=32)
    shape = st.shared(st.tuples(st.integers(1, 5), st.integers(1, 6)), key="shape")
    return shape.flatmap(
        lambda size: st.lists(logit, min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
            lambda values: torch.tensor(values, dtype=dtype).view(size)
        )
    )


def lecture_softmax(z: torch.Tensor) -> torch.Tensor:
    return z.exp() / (z.exp().sum(dim=1, keepdim=True) + 1e-8)


def test_softmax_of_known_logits():
    z = torch.tensor([[0.0, math.log(2), math.log(5)]])
    torch.testing.assert_close(softmax(z), torch.tensor([[0.125, 0.25, 0.625]]), rtol=0, atol=1e-6)


@given(tensors(-80, 80))
def test_softmax_is_the_lectures_where_that_does_not_overflow(z):
    torch.testing.assert_close(softmax(z), lecture_softmax(z), rtol=0, atol=1e-6)


def test_softmax_keeps_the_lectures_epsilon_where_it_weighs():
    z = torch.full((1, 2), math.log(1e-8))
    torch.testing.assert_close(softmax(z), torch.full((1, 2), 1 / 3))


def test_gradient_through_the_epsilon_is_the_lectures():
    z = torch.tensor([[-19.0, -18.0], [-30.0, -17.0], [-90.0, -80.0]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[1.0, -3.0], [2.0, 5.0], [-1.0, 4.0]], dtype=torch.float64)
    (ours,) = torch.autograd.grad((softmax(z) * weight).sum(), z)
    (lectures,) = torch.autograd.grad((lecture_softmax(z) * weight).sum(), z)
    torch.testing.assert_close(ours, lectures, rtol=1e-9, atol=0)


@given(tensors(-10, 1e4))
def test_softmax_is_torchs_for_logits_of_any_size(z):
    z[:, 0] = 0.0  # where every logit is far below 0 the lecture's epsilon takes over
    torch.testing.assert_close(softmax(z), torch.softmax(z, dim=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_loss_and_gradient_are_finite_for_huge_logits(size, dtype):
    z = torch.tensor([[size, -size, 0], [-size, -size, -size], [size, size, size]], dtype=dtype, requires_grad=True)
    probabilities = softmax(z)
    loss = cross_entropy(probabilities, ONE_HOT)
    loss.backward()
    assert probabilities.isfinite().all()
    assert loss.isfinite()
    assert present(z.grad).isfinite().all()


def test_gradient_at_logits_of_1e4_is_torchs():
    rows = [[1e4, -1e4, 0.0], [1e4, 0.0, -1e4], [0.0, -1e4, 1e4]]  # right, and wrong by 2e4 and 1e4
    ours = torch.tensor(rows, requires_grad=True)
    torchs = torch.tensor(rows, requires_grad=True)
    cross_entropy(softmax(ours), ONE_HOT).backward()
    F.cross_entropy(torchs, LABELS).backward()
    torch.testing.assert_close(ours.grad, torchs.grad, rtol=0, atol=1e-6)


@given(tensors(-40, 40), st.data())
def test_loss_and_gradient_are_torchs(z, data):
    z[:, 0] = 0.0
    classes = z.shape[1]
    labels = torch.tensor([data.draw(st.integers(0, classes - 1)) for _ in z])
    ours, torchs = z.clone().requires_grad_(), z.clone().requires_grad_()
    loss = cross_entropy(softmax(ours), F.one_hot(labels, classes))
    expected = F.cross_entropy(torchs, labels)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.grad, torchs.grad, rtol=0, atol=1e-6)


def test_cross_entropy_of_known_probabilities_is_the_mean_over_the_batch():
    y_hat = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.5, 0.125, 0.375]])
    torch.testing.assert_close(cross_entropy(y_hat, ONE_HOT), torch.tensor(5 / 3 * math.log(2)), rtol=0, atol=1e-6)


@given(tensors(2**-20, 1.0), tensors(0.0, 1.0))
def test_cross_entropy_and_its_gradient_are_the_lectures_for_soft_labels_too(y_hat, y):
    ours, lectures = y_hat.clone().requires_grad_(), y_hat.clone().requires_grad_()
    loss = cross_entropy(ours, y)
    expected = (-y * lectures.log()).sum(dim=1).mean()
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.grad, lectures.grad)


def test_probability_of_0_costs_a_finite_loss_only_where_it_is_the_label():
    y_hat = torch.tensor([[0.0, 1.0, 0.0]], requires_grad=True)
    wrong = cross_entropy(y_hat, torch.tensor([[1.0, 0.0, 0.0]]))
    wrong.backward()
    assert wrong.item() == pytest.approx(87.336, abs=1e-3)
    assert present(y_hat.grad).isfinite().all()
    assert cross_entropy(y_hat, torch.tensor([[0.0, 1.0, 0.0]])).item() == 0.0


def test_integers_are_taken_as_torch_takes_them():
    torch.testing.assert_close(softmax(torch.tensor([[1, 2]])), softmax(torch.tensor([[1.0, 2.0]])))
    assert cross_entropy(torch.tensor([[1, 0]]), torch.tensor([[1, 0]])).item() == 0.0


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3), (3, 0)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(ValueError, match=r"z has the shape .*: expected \(N, C\)"):
        softmax(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"y_hat has the shape .*: expected \(N, C\)"):
        cross_entropy(torch.zeros(shape), torch.zeros(shape))


def test_labels_that_are_not_one_hot_are_refused():
    with pytest.raises(ValueError, match=r"y has the shape \(3,\): expected that of y_hat, \(3, 3\), one-hot"):
        cross_entropy(torch.full((3, 3), 1 / 3), LABELS)


@pytest.mark.parametrize("shares", [(0.0, 0.0), (0.1, 0.0), (0.25, 0.9)])
def test_the_loss_of_a_stack_and_its_gradient_are_torchs_of_each_network_bit_for_bit(shares: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(2, 37, 10, generator=generator)
    labels = torch.randint(10, (2, 37), generator=generator)
    smoothing = LabelSmoothing.build(shares, 10, logits.device) if any(shares) else None
    losses, gradients = stacked_cross_entropy(logits, labels, smoothing)
    for row, share in enumerate(shares):
        own = logits[row].clone().requires_grad_()
        loss = F.cross_entropy(own, labels[row], reduction="none", label_smoothing=share).mean()
        loss.backward()
        assert torch.equal(losses[row], loss)
        assert torch.equal(gradients[row], present(own.grad))
