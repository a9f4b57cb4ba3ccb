"""What the concepts page shows, against torch: a training step of MyModel and softmax."""

import math
import re
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mlpcore.concepts.backprop import Gradients, TrainingStep, Weights, compute_training_step, draw_example
from mlpcore.concepts.backprop_formulas import STAGES, write_stage
from mlpcore.concepts.softmax import compute_cross_entropy
from mlpcore.numbers import latex_number
from mlpcore.training.models import MyModel
from tests.support.present import present


class TorchTrainingStep:
    """The same step by torch: MyModel, BCELoss, autograd and torch.optim.SGD."""

    def __init__(self, weights: Weights, x: np.ndarray, y: int, lr: float, dtype: torch.dtype):
        with torch.random.fork_rng(devices=[]):
            model = MyModel().to(dtype)
        rows = {"linear1.weight": weights.W1, "linear1.bias": weights.b1}
        rows |= {"linear2.weight": weights.W2[None], "linear2.bias": np.array([weights.b2])}
        model.load_state_dict({name: torch.tensor(row, dtype=dtype) for name, row in rows.items()})
        kept: dict[str, torch.Tensor] = {}
        model.linear1.register_forward_hook(lambda _m, _i, out: kept.update(z1=out))
        model.linear2.register_forward_hook(lambda _m, inputs, out: kept.update(a1=inputs[0], z2=out))
        kept["output"] = model(torch.tensor(x, dtype=dtype)[None])
        target = torch.tensor([[float(y)]], dtype=dtype)
        kept["loss"] = F.binary_cross_entropy(kept["output"], target)
        inner = [kept[name] for name in ("z1", "a1", "z2", "output")]
        self.gradients = dict(
            zip(("z1", "a1", "z2", "output"), torch.autograd.grad(kept["loss"], inner, retain_graph=True), strict=True)
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        kept["loss"].backward()
        names = {"W1": model.linear1.weight, "b1": model.linear1.bias, "W2": model.linear2.weight}
        names["b2"] = model.linear2.bias
        self.gradients |= {name: present(parameter.grad).clone() for name, parameter in names.items()}
        optimizer.step()
        self.updated = {name: parameter.detach() for name, parameter in names.items()}
        self.values = {name: value.detach() for name, value in kept.items()}
        with torch.no_grad():
            self.loss_after = F.binary_cross_entropy(model(torch.tensor(x, dtype=dtype)[None]), target)


def assert_same(ours, torchs: torch.Tensor, rtol: float) -> None:
    np.testing.assert_allclose(np.ravel(ours), torchs.double().numpy().ravel(), rtol=rtol, atol=rtol / 100)


class TestTrainingStep:
    @pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
    @pytest.mark.parametrize("y", [0, 1])
    @pytest.mark.parametrize(("seed", "lr", "updates"), [(0, 0.3, 0), (1, 1.0, 0), (9999, 0.01, 20), (7, 1.0, 20)])
    def test_every_value_gradient_and_update_is_torchs(self, seed, lr, updates, y, dtype, rtol):
        done = compute_training_step(seed, y=y, lr=lr, updates=updates)
        torchs = TorchTrainingStep(done.weights, done.forward.x, y, lr, dtype)
        for name in ("z1", "a1", "z2", "output", "loss"):
            assert_same(getattr(done.forward, name), torchs.values[name], rtol)
        assert {field.name for field in fields(Gradients)} == torchs.gradients.keys()
        for name, expected in torchs.gradients.items():
            assert_same(getattr(done.gradients, name), expected, rtol)
        for name, expected in torchs.updated.items():
            assert_same(getattr(done.updated, name), expected, rtol)
        assert_same(done.after.loss, torchs.loss_after, rtol)

    def test_earlier_updates_lead_to_where_single_ones_lead(self):
        one, two = compute_training_step(3, y=1, lr=0.3, updates=4), compute_training_step(3, y=1, lr=0.3, updates=5)
        np.testing.assert_array_equal(one.updated.W1, two.weights.W1)
        assert one.after.loss == two.forward.loss

    def test_an_example_is_in_hundredths_within_torchs_bounds(self):
        weights, x = draw_example(5)
        for values, bound in ((weights.W1, 10**-0.5), (weights.b1, 10**-0.5), (weights.W2, 20**-0.5), (x, 1.0)):
            np.testing.assert_array_equal(values, values.round(2))
            assert 0.5 * bound < np.abs(values).max() <= bound + 0.005
            assert not np.signbit(values[values == 0]).any()
        assert (weights.W1.shape, weights.b1.shape, weights.W2.shape, x.shape) == ((20, 10), (20,), (20,), (10,))

    def test_seeds_draw_different_examples_and_the_same_one_the_same(self):
        np.testing.assert_array_equal(draw_example(1)[0].W1, draw_example(1)[0].W1)
        assert (draw_example(1)[0].W1 != draw_example(2)[0].W1).any()


class TestFormulas:
    @pytest.fixture
    def done(self) -> TrainingStep:
        return compute_training_step(0, y=1, lr=1.0)

    @staticmethod
    def write(done: TrainingStep, stage: str) -> list[str]:
        return write_stage(done, stage, unit=2, feature=3, lr=1.0)

    def test_a_sum_is_written_term_by_term(self, done):
        assert self.write(done, "z1") == [
            r"z_{1,3} = \sum_i W_{1,3,i}\, x_i + b_{1,3}",
            r"= {(-0.3) \cdot 0.93} + {(-0.24) \cdot 0.6} + {0.11 \cdot (-0.04)} + {0.09 \cdot 0.63} + "
            r"{0.07 \cdot 0.21} + {(-0.07) \cdot 0.31} + {0.31 \cdot 0.83} + {0.3 \cdot (-0.87)} + {0.12 \cdot 0.67} + "
            r"{0.1 \cdot (-0.24)} + 0.11 "
            r"= \mathbf{-0.215}",
        ]

    def test_the_chain_has_one_factor_per_link_and_their_product(self, done):
        chain = self.write(done, "d_W1")[-1]
        factors = [float(part.strip("()")) for part in chain.split(" = ")[-2].split(r" \cdot ")]
        assert len(factors) == 5
        assert math.prod(factors) == pytest.approx(done.gradients.W1[2, 3], rel=0.02)
        assert chain.endswith(rf"= \mathbf{{{latex_number(done.gradients.W1[2, 3])}}}")

    @pytest.mark.parametrize("stage", ["z1", "z2", "d_z2", "d_W2", "d_a1", "d_z1", "d_W1", "update"])
    def test_what_is_written_comes_to_the_result_beside_it(self, done, stage):
        text = " ".join(self.write(done, stage)).replace(r"\leftarrow", "=").replace(r"\cdot", "*")
        parts = [re.sub(r"\\mathbf|[{}]", "", part) for part in text.split("=")]
        computed = 0
        for written, result in pairwise(parts):
            if re.fullmatch(r"[-+*(). \d]+", written) and (number_ := re.match(r"\s*-?[\d.]+", result)):
                assert eval(written) == pytest.approx(float(number_[0]), rel=0.02, abs=1e-3)
                computed += 1
        assert computed == {"d_W1": 2, "update": 4}.get(stage, 1)

    @pytest.mark.parametrize(
        ("stage", "value"),
        [
            ("a1", lambda done: done.forward.a1[2]),
            ("z2", lambda done: done.forward.z2),
            ("output", lambda done: done.forward.output),
            ("loss", lambda done: done.forward.loss),
            ("d_output", lambda done: done.gradients.output),
            ("d_a1", lambda done: done.gradients.a1[2]),
            ("d_z1", lambda done: done.gradients.z1[2]),
            ("update", lambda done: done.updated.b2),
            ("after", lambda done: done.after.loss),
        ],
    )
    def test_a_stage_ends_with_its_result(self, done, stage, value):
        assert self.write(done, stage)[-1].endswith(rf"\mathbf{{{latex_number(value(done))}}}")

    def test_the_update_is_written_for_both_layers(self, done):
        assert self.write(done, "update")[0] == r"W_{1,3,4} \leftarrow 0.09 - 1 \cdot 0.0159 = \mathbf{0.0741}"
        assert len(self.write(done, "update")) == 4

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize(("updates", "y"), [(0, 0), (20, 1)])
    def test_every_stage_is_balanced_and_finite(self, stage, updates, y):
        done = compute_training_step(4, y=y, lr=1.0, updates=updates)
        formulas = write_stage(done, stage, unit=19, feature=9, lr=1.0)
        assert formulas
        for formula in formulas:
            assert (formula.count("{"), formula.count("(")) == (formula.count("}"), formula.count(")"))
            assert not re.search("nan|inf", formula)

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.0, "0"), (0.01594, "0.0159"), (-2.1659, "-2.17"), (1e-3, "0.001"), (-2.5e-5, r"-2.5 \cdot 10^{-5}")],
    )
    def test_numbers_have_three_digits(self, value, text):
        assert latex_number(value) == text

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ({"unit": 20}, "unit is 20: it must be from 0 to 19"),
            ({"feature": -1}, "feature is -1: it must be from 0 to 9"),
            ({"stage": "W3"}, "stage is 'W3': expected one of x, z1"),
        ],
    )
    def test_what_is_not_there_is_refused(self, done, place, message):
        arguments = {"stage": "z1", "unit": 0, "feature": 0} | place
        with pytest.raises(ValueError, match=message):
            write_stage(done, arguments.pop("stage"), lr=1.0, **arguments)


class TestCrossEntropy:
    LOGITS = (2.0, 1.0, 0.0, -1.0)

    def at(self, shift: float, true_class: int = 1):
        return compute_cross_entropy([logit + shift for logit in self.LOGITS], true_class)

    def test_probabilities_and_loss_of_known_logits(self):
        parts = self.at(0)
        assert parts.shifted.probabilities == pytest.approx((0.643914, 0.236883, 0.087144, 0.032059), abs=1e-6)
        assert parts.shifted.loss == pytest.approx(1.440190, abs=1e-6)
        assert parts.plain.probabilities == pytest.approx(parts.shifted.probabilities, rel=1e-6)

    @pytest.mark.parametrize("shift", [0, 10, 80, 100, 1000])
    def test_shifted_formula_is_torchs_wherever_the_logits_are(self, shift):
        logits = torch.tensor([self.LOGITS]) + shift
        logits.requires_grad_()
        loss = F.cross_entropy(logits, torch.tensor([1]))
        (gradient,) = torch.autograd.grad(loss, logits)
        parts = self.at(shift)
        assert parts.shifted.probabilities == pytest.approx(torch.softmax(logits, dim=1)[0].tolist(), abs=1e-6)
        assert parts.shifted.loss == pytest.approx(loss.item(), abs=1e-5)
        assert parts.gradient == pytest.approx(gradient[0].tolist(), abs=1e-6)

    def test_plain_formula_is_nan_at_1000(self):
        plain = self.at(1000).plain
        assert plain.powers == (math.inf,) * 4
        assert all(map(math.isnan, (*plain.probabilities, plain.loss)))

    def test_plain_formula_overflows_first_in_the_sum(self):
        plain = compute_cross_entropy([88.5, 88.5], 0).plain
        assert (max(plain.powers) < math.inf, plain.total) == (True, math.inf)
        assert (plain.probabilities, plain.loss) == ((0.0, 0.0), math.inf)

    def test_the_epsilon_takes_its_share_of_small_powers_in_both_formulas(self):
        parts = self.at(-20)
        for way in (parts.plain, parts.shifted):
            assert sum(way.powers) / (sum(way.powers) + way.epsilon) == pytest.approx(0.702842, abs=1e-5)
            assert sum(way.probabilities) == pytest.approx(0.702842, abs=1e-5)

    @pytest.mark.parametrize("shift", [-20, 0, 80, 1000])
    @pytest.mark.parametrize("true_class", range(4))
    def test_gradient_is_p_minus_y_and_the_powers_make_the_probabilities(self, shift, true_class):
        parts = self.at(shift, true_class)
        labels = np.eye(4)[true_class]
        np.testing.assert_allclose(parts.gradient, np.array(parts.shifted.probabilities) - labels, atol=1e-6)
        np.testing.assert_allclose(
            np.array(parts.shifted.powers) / parts.shifted.total, parts.shifted.probabilities, atol=1e-6
        )

    def test_a_class_that_is_not_there_is_refused(self):
        with pytest.raises(ValueError, match="true_class is 4: it must be from 0 to 3"):
            self.at(0, true_class=4)
