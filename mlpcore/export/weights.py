"""Export a network's weights as safetensors, with the lines that load them into plain PyTorch."""

import json

from safetensors.torch import save

from mlpcore.recipes.recipe import Recipe
from mlpcore.training.replay.network import TrainedNetwork

LAYERS = {"relu": "torch.nn.ReLU()", "tanh": "torch.nn.Tanh()", "sigmoid": "torch.nn.Sigmoid()"}


def write_weights(trained: TrainedNetwork, recipe: Recipe) -> bytes:
    """Write a network as a safetensors file.

    Its tensors are the weights and biases of `torch.nn.Sequential`, by their names there, and `mean` and `std`
    (numbers per image,), which normalise raw pixels from 0 to 255 or raw points. Its metadata are the recipe, the step,
    the classes and the shape of an image, as JSON.
    """
    network = trained.network
    tensors = {"mean": trained.mean.clone(), "std": trained.std.clone()}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        tensors |= {f"{2 * layer}.weight": weight, f"{2 * layer}.bias": bias}
    metadata = {
        "format": "pt",
        "recipe": recipe.model_dump_json(),
        "step": str(network.step),
        "classes": json.dumps(trained.classes),
        "image_shape": json.dumps(trained.image_shape),
    }
    return save(tensors, metadata)


def write_loading_code(trained: TrainedNetwork, file: str) -> str:
    """Write the six lines that load a file of `write_weights` into plain PyTorch, and a seventh that uses `images`."""
    layers = [f"torch.nn.Linear({weight.shape[1]}, {weight.shape[0]})" for weight in trained.network.weights]
    model = f", {LAYERS[trained.activation]}, ".join(layers)
    return f"""import torch
from safetensors.torch import load_file

weights = load_file({file!r})
mean, std = weights.pop("mean"), weights.pop("std")
model = torch.nn.Sequential({model})
model.load_state_dict(weights)

logits = model((images.flatten(1) - mean) / std)
"""
