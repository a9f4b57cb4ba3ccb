"""K networks of one shape with stacked parameters, trained by one forward and backward pass.

The passes call the operators that autograd would call for `MLPnet`, in the same order, so that a network in a stack
computes what it computes alone, bit for bit on the CPU. Writing them out also saves what autograd costs a network of
this size: its bookkeeping, and a new gradient of 1.5 MB at every step.

Some operators round differently for a network in a stack than for the same network alone. Matrix products on the CPU
choose their kernel by size and alignment, and sigmoid rounds the last elements of a tensor differently. So on the CPU
these parts run network by network (a few µs each). If a hidden layer's size is not a multiple of 16, or a batch has
fewer than 16 images, the whole pass does. A test compares stacks of every shape with their networks alone.
"""

import copy
from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mlpcore.runs.kernel_rule import Kernel, KernelRule
from mlpcore.training.kernels import matmul
from mlpcore.training.kernels.matmul import ALIGNMENT, widest_float
from mlpcore.training.losses import LabelSmoothing, stacked_cross_entropy
from mlpcore.training.models import MLPnet, activate, activate_backward

Inputs = Sequence[tuple[Tensor, slice]]  # batches of images (B, in_features), each with the networks that read it


class StackedMLP:
    """K multilayer perceptrons with the same layer sizes and activation.

    weights[l] is (K, out, in), biases[l] is (K, out). weight_gradients and bias_gradients have the same shapes and keep
    their memory from step to step; where oneDNN computes a gradient, it allocates it, and only the .grad of the
    parameters is right. On the CPU all networks share the memory of the first layer's weight gradient.

    Args:
        models: The networks at their initial weights.
        device: Where the stack is.
        rule: Which library computes which float32 product on the CPU.
        precision: The numbers that training multiplies, "float32" or "bfloat16"; sums and all else are float32.
        label_smoothing: Of each network's training loss. Default: none.
    """

    def __init__(
        self,
        models: Sequence[MLPnet],
        *,
        device: torch.device,
        rule: KernelRule = KernelRule.MKL,
        precision: str = "float32",
        label_smoothing: Sequence[float] = (),
    ) -> None:
        self.on_cpu = device.type == "cpu"
        self.rule = rule if self.on_cpu else KernelRule.MKL
        self.trains_in_bfloat16 = precision == "bfloat16"
        self.activation = models[0].activation
        rates = [model.dropout.p for model in models]
        self.has_dropout = any(rates)
        self.dropout_rates = torch.tensor(rates, device=device).view(-1, 1, 1)
        self.keep_scale = torch.tensor([1 / (1 - rate) for rate in rates], device=device).view(-1, 1, 1)
        layers = [[getattr(model, f"fc{number}") for model in models] for number in range(1, models[0].depth + 1)]
        classes = layers[-1][0].out_features
        self.smoothing = LabelSmoothing.build(label_smoothing, classes, device) if any(label_smoothing) else None
        self.weights = [
            matmul.align(torch.stack([linear.weight.detach() for linear in layer]).to(device)) for layer in layers
        ]
        self.biases = [torch.stack([linear.bias.detach() for linear in layer]).to(device) for layer in layers]
        self.weight_gradients = [matmul.align(torch.zeros_like(weight)) for weight in self.weights]
        if self.on_cpu:
            self.weight_gradients[0] = torch.zeros_like(self.weights[0][0]).expand_as(self.weights[0])
        self.bias_gradients = [torch.zeros_like(bias) for bias in self.biases]
        self.is_unaligned = any(linear.out_features % ALIGNMENT for (linear, *_) in layers[:-1])
        of_one = [tensor[0] for pair in zip(self.weights, self.biases, strict=True) for tensor in pair]
        self._first_backward: list[tuple[Tensor, Tensor]] = []  # by row: the gradient of its outputs, and its images
        self._leaves = [[torch.empty_like(tensor).requires_grad_() for tensor in of_one] for _ in models]
        self._connect()

    def parameters(self, position: int) -> list[Tensor]:
        """Return one network's weight and bias per layer, as leaf tensors that share memory with the stacks.

        They are the same tensors for as long as the network is in the stack.
        """
        return self._leaves[position]

    def _connect(self) -> None:
        """Let the leaf tensors of every network share memory with the stacks."""
        stacks = list(zip(self.weights, self.weight_gradients, self.biases, self.bias_gradients, strict=True))
        for position, leaves in enumerate(self._leaves):
            for layer, (weights, weight_gradients, biases, bias_gradients) in enumerate(stacks):
                weight, bias = leaves[2 * layer : 2 * layer + 2]
                weight.data, weight.grad = weights[position], weight_gradients[position]
                bias.data, bias.grad = biases[position], bias_gradients[position]

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep these networks, in ascending order, and remove the others.

        They move up in the memory of the whole stack, so that removing one needs no copy of the others.
        """
        for stack in (self.weights, self.biases, self.weight_gradients, self.bias_gradients):
            stack[:] = [self._move_up(tensor, rows) for tensor in stack]
        self.dropout_rates, self.keep_scale = self.dropout_rates[list(rows)], self.keep_scale[list(rows)]
        self.smoothing = self.smoothing and self.smoothing[list(rows)]
        self.has_dropout = bool(self.dropout_rates.any())
        self._leaves = [self._leaves[row] for row in rows]
        self._connect()

    def _move_up(self, tensor: Tensor, rows: Sequence[int]) -> Tensor:
        for target, source in enumerate(rows):
            if target != source:
                tensor[target].copy_(tensor[source])
        return tensor[: len(rows)]

    def view(self, rows: slice) -> "StackedMLP":
        """Return networks side by side as a stack on the same memory."""
        view = copy.copy(self)
        for name in ("weights", "biases", "weight_gradients", "bias_gradients"):
            setattr(view, name, [tensor[rows] for tensor in getattr(self, name)])
        view._leaves = self._leaves[rows]
        view.dropout_rates, view.keep_scale = self.dropout_rates[rows], self.keep_scale[rows]
        view.smoothing = self.smoothing and self.smoothing[rows]
        return view

    def weight_norms(self) -> list[tuple[float, ...]]:
        """Compute the Euclidean norm of every layer's weights, one tuple per network; finite if the weights are."""
        # one by one: of several norms at once each thread sums whole ones, of a single norm they share the sum
        wide = widest_float(self.weights[0].device)
        norms = [
            torch.stack([torch.linalg.vector_norm(own, dtype=wide) for own in weight]).tolist()
            for weight in self.weights
        ]
        return list(zip(*norms, strict=True))

    def forward(self, inputs: Inputs) -> Tensor:
        """Compute the logits (K, B, classes) in eval mode."""
        return deque(self.iterate_layers(inputs), maxlen=1).pop()

    def iterate_layers(self, inputs: Inputs) -> Iterator[Tensor]:
        """Iterate over each hidden layer's answers in eval mode, and at last the logits: (K, B, out)."""
        if not self._runs_separately(inputs):
            return self._iterate_layers(inputs)
        each = [view._iterate_layers([(images, slice(None))]) for view, images in self._split_rows(inputs)]
        return (torch.cat(answers) for answers in zip(*each, strict=True))

    def forward_backward(self, inputs: Inputs, labels: Tensor, uniform: Tensor | None) -> Tensor:
        """Run a mini-batch through all networks, write the gradients and return the losses (K,).

        On the CPU the first layer's weights still lack theirs: `complete_gradients` computes them.

        labels is (K, B). uniform (K, B, last hidden size), drawn from [0, 1), decides what dropout drops; None without
        dropout.
        """
        # products of bfloat16 numbers are summed in another order for other sizes
        if not self._runs_separately(inputs) and not (self.on_cpu and self.trains_in_bfloat16):
            return self._forward_backward(inputs, labels, uniform)
        losses, first_backward = [], []
        for row, (view, images) in enumerate(self._split_rows(inputs)):
            uniform_of_row = None if uniform is None else uniform[row : row + 1]
            losses.append(view._forward_backward([(images, slice(None))], labels[row : row + 1], uniform_of_row))
            first_backward += view._first_backward
        self._first_backward = first_backward
        return torch.cat(losses)

    def complete_gradients(self, row: int) -> None:
        """Compute the gradient that one network lacks after `forward_backward`; it takes the memory of the last one's.

        The optimizer then finds its 1.6 MB in the processor's cache: a step of 16 runs with Adam takes a sixth less.
        """
        if not self.on_cpu:
            return
        gradient, images = self._first_backward[row]
        weight = self._leaves[row][0]
        if self.trains_in_bfloat16:
            product = matmul.multiply_bfloat16(gradient.t().unsqueeze(0), images.unsqueeze(0))
            self.weight_gradients[0][row].copy_(product[0])
        elif self._kernel(len(images), 0) == "oneDNN":
            weight.grad = matmul.weight_gradient(gradient, images)
        else:
            torch.mm(gradient.t(), images, out=self.weight_gradients[0][row])

    def _runs_separately(self, inputs: Inputs) -> bool:
        """Whether each network must run by itself to compute what it computes alone."""
        return self.on_cpu and (self.is_unaligned or any(len(images) < ALIGNMENT for images, _ in inputs))

    def _split_rows(self, inputs: Inputs) -> Iterator[tuple["StackedMLP", Tensor]]:
        """Iterate over the networks as stacks of one on the same memory, each with the images it reads."""
        rows = range(len(self.dropout_rates))
        for images, networks in inputs:
            for row in rows[networks]:
                yield self.view(slice(row, row + 1)), images

    def _iterate_layers(self, inputs: Inputs) -> Iterator[Tensor]:
        hidden = self._first_layer(inputs)
        for layer in range(1, len(self.weights)):
            hidden = activate(hidden, self.activation)
            yield hidden
            hidden = self._linear(hidden, layer)
        yield hidden

    def _forward_backward(self, inputs: Inputs, labels: Tensor, uniform: Tensor | None) -> Tensor:
        outputs, layer_inputs = [], []  # of each hidden layer after its activation, and after dropout
        in_bfloat16 = self.trains_in_bfloat16
        is_activated = self.activation == "relu" and len(self.weights) > 1 and not in_bfloat16
        hidden = self._first_layer(inputs, in_bfloat16=in_bfloat16, relu=is_activated)
        mask = None
        for layer in range(1, len(self.weights)):
            if layer > 1 or not is_activated:
                hidden = activate(hidden, self.activation)
            outputs.append(hidden)
            if layer == len(self.weights) - 1 and uniform is not None:
                mask = (uniform >= self.dropout_rates) * self.keep_scale
                hidden = hidden * mask
            layer_inputs.append(hidden)
            hidden = self._linear(hidden, layer, in_bfloat16=in_bfloat16)

        losses, gradient = stacked_cross_entropy(hidden, labels, self.smoothing)
        for layer in range(len(self.weights) - 1, 0, -1):
            self._weight_gradient(gradient, layer_inputs[layer - 1], layer)
            torch.sum(gradient, dim=1, out=self.bias_gradients[layer])
            gradient = self._linear_backward(gradient, self.weights[layer])
            if layer == len(self.weights) - 1 and mask is not None:
                gradient.mul_(mask)
            gradient = activate_backward(gradient, outputs[layer - 1], self.activation)
        self._first_layer_backward(gradient, inputs)
        return losses

    def _kernel(self, batch_size: int, layer: int) -> Kernel:
        _, outputs, inputs = self.weights[layer].shape
        return self.rule.choose_kernel(batch_size, inputs, outputs)

    def _linear(self, hidden: Tensor, layer: int, *, in_bfloat16: bool = False) -> Tensor:
        """Compute a layer of every network: (K, B, in) times (K, out, in) plus (K, out).

        A single network uses nn.Linear's product: batched products sum very small matrices in another order.
        """
        weight, bias = self.weights[layer], self.biases[layer]
        if in_bfloat16:
            return matmul.multiply_bfloat16(hidden, weight.transpose(1, 2)) + bias.unsqueeze(1)
        kernel = self._kernel(hidden.shape[1], layer)
        if self.on_cpu and len(hidden) == 1:
            return matmul.linear(hidden[0], weight[0], bias[0], kernel).unsqueeze(0)
        if kernel == "oneDNN":
            return torch.stack([matmul.linear(*own, kernel) for own in zip(hidden, weight, bias, strict=True)])
        return torch.baddbmm(bias.unsqueeze(1), hidden, weight.transpose(1, 2))

    def _linear_backward(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """Turn the gradient of linear layers' outputs into that of their inputs, (K, B, in)."""
        if self.trains_in_bfloat16:
            return matmul.multiply_bfloat16(gradient, weight)
        if self.on_cpu and len(gradient) == 1:
            return torch.mm(gradient[0], weight[0]).unsqueeze(0)
        return torch.bmm(gradient, weight)

    def _weight_gradient(self, gradient: Tensor, layer_input: Tensor, layer: int) -> None:
        """Set the gradient of a layer's weights, (K, out, in), from (K, B, out) and the inputs (K, B, in)."""
        if self.trains_in_bfloat16:
            self.weight_gradients[layer].copy_(matmul.multiply_bfloat16(gradient.transpose(1, 2), layer_input))
            return
        if not self.on_cpu:
            torch.bmm(gradient.transpose(1, 2), layer_input, out=self.weight_gradients[layer])
            return
        # clones begin at a multiple of 64 bytes
        gradients = [part.clone() for part in gradient] if gradient.stride(0) % ALIGNMENT else gradient
        kernel = self._kernel(gradient.shape[1], layer)
        for row, (gradient_of_one, input_of_one) in enumerate(zip(gradients, layer_input, strict=True)):
            if kernel == "oneDNN":
                self._leaves[row][2 * layer].grad = matmul.weight_gradient(gradient_of_one, input_of_one)
            else:
                torch.mm(gradient_of_one.t(), input_of_one, out=self.weight_gradients[layer][row])

    def _first_layer(self, inputs: Inputs, *, in_bfloat16: bool = False, relu: bool = False) -> Tensor:
        """Compute the first layer, (K, B, out), in one product of each batch with all networks that read it.

        relu: also apply ReLU; not in bfloat16.
        """
        parts = []
        for images, networks in inputs:
            weight, bias = self.weights[0][networks].flatten(0, 1), self.biases[0][networks].flatten()
            if in_bfloat16:
                product = matmul.multiply_bfloat16(images.unsqueeze(0), weight.t().unsqueeze(0))[0] + bias
            else:
                product = matmul.linear(images, weight, bias, self._kernel(len(images), 0), relu=relu)
            parts.append(product.view(len(images), -1, self.biases[0].shape[1]).transpose(0, 1))
        return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts)

    def _first_layer_backward(self, gradient: Tensor, inputs: Inputs) -> None:
        torch.sum(gradient, dim=1, out=self.bias_gradients[0])
        if self.on_cpu:
            rows = range(len(gradient))
            self._first_backward = [(gradient[row], images) for images, networks in inputs for row in rows[networks]]
            return
        for images, networks in inputs:
            side_by_side = gradient[networks].transpose(0, 1).flatten(1)  # (B, networks · out)
            into = self.weight_gradients[0][networks].flatten(0, 1)
            if self.trains_in_bfloat16:
                into.copy_(matmul.multiply_bfloat16(side_by_side.t().unsqueeze(0), images.unsqueeze(0))[0])
            else:
                torch.mm(side_by_side.t(), images, out=into)
