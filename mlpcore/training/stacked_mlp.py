"""K networks of one shape as one: stacked parameters, and forward and backward passes that serve all of them.

The operators are those that autograd would call for `MLPnet`, one after another, so that a network in a stack of K
computes what it computes alone, bit for bit on the CPU. Written out, they also save what autograd costs a network of
this size: its bookkeeping, and a fresh gradient of 1.5 MB at every step.

Not every operator gives a slice of a stack what it gives that slice alone. The processor's matrix products choose
their kernel by size and alignment, and sigmoid rounds the last elements of a tensor in a way of its own. So on the CPU
those parts go network by network (a few µs each), and so does everything where a hidden layer has no multiple of 16
units or a batch fewer than 16 images. The test compares stacks of every shape with their networks alone, bit for bit.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mlpcore.training.models import MLPnet

LINE = 16  # float32 numbers in 64 bytes, the alignment that matrix products are fastest at, and repeatable

aten = torch.ops.aten
STACKED_ACTIVATIONS = {
    "relu": (torch.relu, lambda gradient, output: aten.threshold_backward(gradient, output, 0)),
    "sigmoid": (torch.sigmoid, aten.sigmoid_backward),
    "tanh": (torch.tanh, aten.tanh_backward),
}


class StackedMLP:
    """K multilayer perceptrons with the same layer sizes and activation.

    weights[l] is (K, out, in), biases[l] is (K, out); weight_gradients and bias_gradients have the same shapes and
    keep their memory from step to step.
    """

    def __init__(self, models: Sequence[MLPnet], *, device: torch.device) -> None:
        self.on_cpu = device.type == "cpu"
        self.activation = models[0].activation
        rates = [model.dropout.p for model in models]
        self.drops = any(rates)
        self.drop_below = torch.tensor(rates, device=device).view(-1, 1, 1)
        self.keep_scale = torch.tensor([1 / (1 - rate) for rate in rates], device=device).view(-1, 1, 1)
        layers = [[getattr(model, f"fc{number}") for model in models] for number in range(1, models[0].depth + 1)]
        self.weights = [
            self._align(torch.stack([linear.weight.detach() for linear in layer]).to(device)) for layer in layers
        ]
        self.biases = [torch.stack([linear.bias.detach() for linear in layer]).to(device) for layer in layers]
        self.weight_gradients = [self._align(torch.zeros_like(weight)) for weight in self.weights]
        self.bias_gradients = [torch.zeros_like(bias) for bias in self.biases]
        self.is_uneven = any(linear.out_features % LINE for (linear, *_) in layers[:-1])

    def parameters(self, position: int) -> list[Tensor]:
        """The parameters of one network, weight and bias a layer, as leaf views whose .grad views the gradients."""
        parameters = []
        for layer in range(len(self.weights)):
            for values, gradients in (
                (self.weights[layer], self.weight_gradients[layer]),
                (self.biases[layer], self.bias_gradients[layer]),
            ):
                parameter = values[position].detach().requires_grad_()
                parameter.grad = gradients[position]
                parameters.append(parameter)
        return parameters

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these networks, in this order, and forget the others."""
        kept = torch.tensor(rows, device=self.drop_below.device)
        for stack in (self.weights, self.biases, self.weight_gradients, self.bias_gradients):
            stack[:] = [self._align(tensor[kept]) for tensor in stack]
        self.drop_below, self.keep_scale = self.drop_below[kept], self.keep_scale[kept]
        self.drops = bool(self.drop_below.any())

    def weight_norms(self) -> list[tuple[float, ...]]:
        """Measure the Euclidean norm of every layer's weights, a tuple a network; finite where the weights are."""
        # one after another: threads share the sum of a single norm, and take whole ones where there are several
        wide = torch.float64 if self.on_cpu or self.weights[0].device.type == "cuda" else torch.float32
        norms = [
            torch.stack([torch.linalg.vector_norm(own, dtype=wide) for own in weight]).tolist()
            for weight in self.weights
        ]
        return list(zip(*norms, strict=True))

    def forward(self, inputs: Sequence[tuple[Tensor, slice]]) -> Tensor:
        """Compute the logits (K, B, classes) in eval mode.

        inputs holds, for each batch, the images (B, in_features) and the networks it goes to.
        """
        if self._go_singly(inputs):
            return torch.cat([single._forward([(images, slice(None))]) for single, images in self._singles(inputs)])
        return self._forward(inputs)

    def forward_backward(
        self, inputs: Sequence[tuple[Tensor, slice]], labels: Tensor, uniform: Tensor | None
    ) -> Tensor:
        """Run one mini-batch through all networks, fill the gradients and return the losses (K,).

        labels is (K, B); uniform is (K, B, last hidden size) in [0, 1), what dropout draws from, None without dropout.
        """
        if not self._go_singly(inputs):
            return self._forward_backward(inputs, labels, uniform)
        losses = []
        for row, (single, images) in enumerate(self._singles(inputs)):
            own = None if uniform is None else uniform[row : row + 1]
            losses.append(single._forward_backward([(images, slice(None))], labels[row : row + 1], own))
        return torch.cat(losses)

    def _go_singly(self, inputs: Sequence[tuple[Tensor, slice]]) -> bool:
        """Whether each network must go through its layers alone to compute what it computes alone."""
        return self.on_cpu and (self.is_uneven or any(len(images) < LINE for images, _ in inputs))

    def _singles(self, inputs: Sequence[tuple[Tensor, slice]]) -> Iterator[tuple["StackedMLP", Tensor]]:
        """Each network as a stack of one, on the same memory, and the images it reads."""
        rows = range(len(self.drop_below))
        for images, networks in inputs:
            for row in rows[networks]:
                yield self._single(row), images

    def _single(self, row: int) -> "StackedMLP":
        single = copy.copy(self)
        for name in ("weights", "biases", "weight_gradients", "bias_gradients"):
            setattr(single, name, [tensor[row : row + 1] for tensor in getattr(self, name)])
        single.drop_below, single.keep_scale = self.drop_below[row : row + 1], self.keep_scale[row : row + 1]
        return single

    def _forward(self, inputs: Sequence[tuple[Tensor, slice]]) -> Tensor:
        hidden = self._first_layer(inputs)
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = self._linear(self._activate(hidden), weight, bias)
        return hidden

    def _forward_backward(
        self, inputs: Sequence[tuple[Tensor, slice]], labels: Tensor, uniform: Tensor | None
    ) -> Tensor:
        outputs = []  # of each hidden layer, what the next one reads
        hidden = self._first_layer(inputs)
        keep = None
        for layer in range(1, len(self.weights)):
            hidden = self._activate(hidden)
            outputs.append(hidden)
            if layer == len(self.weights) - 1 and uniform is not None:
                keep = (uniform >= self.drop_below) * self.keep_scale
                hidden = hidden * keep
            hidden = self._linear(hidden, self.weights[layer], self.biases[layer])

        log_probabilities = torch.log_softmax(hidden, dim=2)
        picked = log_probabilities.gather(2, labels.unsqueeze(2)).squeeze(2)
        losses = -picked.mean(dim=1)

        # d loss / d logits = (softmax − one-hot) / batch size
        gradient = torch.zeros_like(hidden).scatter_(2, labels.unsqueeze(2), -1 / labels.shape[1])
        gradient = aten._log_softmax_backward_data(gradient, log_probabilities, 2, hidden.dtype)
        for layer in range(len(self.weights) - 1, 0, -1):
            read = outputs[layer - 1]
            if layer == len(self.weights) - 1 and keep is not None:
                read = read * keep
            self._multiply(gradient, read, out=self.weight_gradients[layer])
            torch.sum(gradient, dim=1, out=self.bias_gradients[layer])
            gradient = self._linear_backward(gradient, self.weights[layer])
            if layer == len(self.weights) - 1 and keep is not None:
                gradient.mul_(keep)
            gradient = self._activate_backward(gradient, outputs[layer - 1])
        self._first_layer_backward(gradient, inputs)
        return losses

    def _activate(self, hidden: Tensor) -> Tensor:
        """Bend the outputs of a layer, (K, B, out)."""
        activate, _ = STACKED_ACTIVATIONS[self.activation]
        if self.on_cpu and self.activation != "relu":
            return torch.stack([activate(of_one) for of_one in hidden])
        return activate(hidden)

    def _activate_backward(self, gradient: Tensor, output: Tensor) -> Tensor:
        """Turn the gradient of what `_activate` returned into that of what it was given."""
        _, backward = STACKED_ACTIVATIONS[self.activation]
        if self.on_cpu and self.activation != "relu":
            return torch.stack([backward(*of_one) for of_one in zip(gradient, output, strict=True)])
        return backward(gradient, output)

    def _linear(self, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Multiply (K, B, in) with (K, out, in) and add (K, out); one network as nn.Linear does.

        Batched products have a kernel of their own for very small matrices, which sums in another order.
        """
        if self.on_cpu and len(hidden) == 1:
            return F.linear(hidden[0], weight[0], bias[0]).unsqueeze(0)
        return torch.baddbmm(bias.unsqueeze(1), hidden, weight.transpose(1, 2))

    def _linear_backward(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """Turn the gradient of what `_linear` returned into that of what it was given, (K, B, in)."""
        if self.on_cpu and len(gradient) == 1:
            return torch.mm(gradient[0], weight[0]).unsqueeze(0)
        return torch.bmm(gradient, weight)

    def _multiply(self, gradient: Tensor, read: Tensor, *, out: Tensor) -> None:
        """Multiply (K, B, out) with what the layer read, (K, B, in), into the gradient of its weights, (K, out, in)."""
        if self.on_cpu:
            if gradient.stride(0) % LINE:
                gradient = [of_one.clone() for of_one in gradient]  # each begins at a multiple of 64 bytes
            for of_one, read_by_one, out_of_one in zip(gradient, read, out, strict=True):
                torch.mm(of_one.t(), read_by_one, out=out_of_one)
        else:
            torch.bmm(gradient.transpose(1, 2), read, out=out)

    def _first_layer(self, inputs: Sequence[tuple[Tensor, slice]]) -> Tensor:
        """Multiply each batch once with the stacked weights of all networks that read it: (K, B, out)."""
        parts = []
        for images, networks in inputs:
            weight, bias = self.weights[0][networks], self.biases[0][networks]
            product = F.linear(images, weight.flatten(0, 1), bias.flatten())
            parts.append(product.view(len(images), len(weight), -1).transpose(0, 1))
        return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts)

    def _first_layer_backward(self, gradient: Tensor, inputs: Sequence[tuple[Tensor, slice]]) -> None:
        torch.sum(gradient, dim=1, out=self.bias_gradients[0])
        for images, networks in inputs:
            side_by_side = gradient[networks].transpose(0, 1).flatten(1)  # (B, networks · out)
            torch.mm(side_by_side.t(), images, out=self.weight_gradients[0][networks].flatten(0, 1))

    def _align(self, stack: Tensor) -> Tensor:
        """Copy (K, …) so that on the CPU each of the K begins at a multiple of 64 bytes."""
        size = stack[0].numel()
        if not self.on_cpu or size % LINE == 0:
            return stack
        padded = stack.new_empty(len(stack), -(-size // LINE) * LINE)
        return padded[:, :size].view(stack.shape).copy_(stack)
