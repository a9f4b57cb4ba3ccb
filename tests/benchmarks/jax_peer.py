"""The same work in JAX: jit around lax.scan over all steps, for one network, and with vmap for several at a time."""

import os
from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
import torch

from tests.benchmarks.work import BATCH, EPOCH, LR, MEAN, STD, Files, as_rows

FULL_BATCHES = EPOCH - 1  # scan needs batches of one size: the last, smaller one is left out
SIZES = ((3072, 128), (128, 64), (64, 10))


@cache
def compile_epoch(threads: int) -> tuple[Callable[..., Any], Callable[..., Any], float]:
    """Compile training and the test pass of one network; also return the seconds it took."""
    jax, jnp = _import_jax(threads)
    images = jax.ShapeDtypeStruct((50_000, 3072), jnp.uint8), jax.ShapeDtypeStruct((50_000,), jnp.int32)
    tests = jax.ShapeDtypeStruct((10_000, 3072), jnp.uint8), jax.ShapeDtypeStruct((10_000,), jnp.int32)
    order = jax.ShapeDtypeStruct((FULL_BATCHES, BATCH), jnp.int32)
    parameters = jax.eval_shape(_draw_parameters, jax.random.key(0))
    began = perf_counter()
    train = jax.jit(_train).lower(parameters, *images, order, jax.random.key(0)).compile()
    count_hits = jax.jit(_count_hits).lower(parameters, *tests).compile()
    return train, count_hits, perf_counter() - began


def run_jax(files: Files) -> float:
    """JAX: jit and lax.scan over the whole epoch, compiled before."""
    train, count_hits, _seconds = compile_epoch(torch.get_num_threads())
    jax, jnp = _import_jax(torch.get_num_threads())
    parts = []
    for split in ("train", "test"):
        images, labels = files.read(split)
        parts += [jnp.asarray(as_rows(images)), jnp.asarray(labels.astype(np.int32))]
    order = np.random.default_rng().permutation(len(parts[0]))[: FULL_BATCHES * BATCH].reshape(-1, BATCH)
    key = jax.random.key(0)
    parameters = train(_draw_parameters(key), *parts[:2], jnp.asarray(order.astype(np.int32)), key)
    return float(count_hits(parameters, *parts[2:])) / len(parts[3])


def build_vmap(
    networks: int, steps: int, images: torch.Tensor, labels: torch.Tensor, threads: int
) -> Callable[[], object]:
    """Compile `steps` steps of several networks that share their batches; the result trains them once.

    images (N, 3072) as bytes, labels (N,).
    """
    jax, jnp = _import_jax(threads)
    rows, targets = jnp.asarray(images.numpy()), jnp.asarray(labels.numpy().astype(np.int32))
    order = np.random.default_rng(0).integers(len(rows), size=(steps, BATCH)).astype(np.int32)
    keys = jax.random.split(jax.random.key(0), networks)
    parameters = jax.vmap(_draw_parameters)(keys)
    train = jax.jit(jax.vmap(_train, in_axes=(0, None, None, None, 0)))
    arguments = parameters, rows, targets, jnp.asarray(order), keys
    compiled = train.lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


@cache
def _import_jax(threads: int) -> tuple[Any, Any]:
    cores = os.sched_getaffinity(0)
    if threads == 1:  # XLA's threads, which are started at its first use, keep to one core
        os.sched_setaffinity(0, {min(cores)})
    import jax
    import jax.numpy as jnp

    jnp.zeros(1).block_until_ready()
    os.sched_setaffinity(0, cores)
    return jax, jnp


def _draw_parameters(key: Any) -> Any:
    import jax

    parameters = []
    for inputs, outputs in SIZES:
        key, first, second = jax.random.split(key, 3)
        bounds = {"minval": -(inputs**-0.5), "maxval": inputs**-0.5}
        weight = jax.random.uniform(first, (inputs, outputs), **bounds)
        parameters.append((weight, jax.random.uniform(second, (outputs,), **bounds)))
    return parameters


def _classify(parameters: Any, images: Any, key: Any = None) -> Any:
    import jax
    import jax.numpy as jnp

    mean, std = (255 * jnp.repeat(jnp.array(value), 1024) for value in (MEAN, STD))
    hidden = (images.astype(jnp.float32) - mean) / std
    for weight, bias in parameters[:-1]:
        hidden = jax.nn.relu(hidden @ weight + bias)
    if key is not None:
        hidden = jnp.where(jax.random.uniform(key, hidden.shape) >= 0.5, 2 * hidden, 0.0)
    weight, bias = parameters[-1]
    return hidden @ weight + bias


def _compute_loss(parameters: Any, images: Any, labels: Any, key: Any) -> Any:
    import jax
    import jax.numpy as jnp

    scores = jax.nn.log_softmax(_classify(parameters, images, key))
    return -jnp.take_along_axis(scores, labels[:, None], 1).mean()


def _train(parameters: Any, images: Any, labels: Any, order: Any, key: Any) -> Any:
    """Train with Adam, one step per row of `order` (steps, BATCH)."""
    import jax
    import jax.numpy as jnp

    def step(carried: Any, picked: Any) -> Any:
        (parameters, first, second, number), key = carried
        key, own = jax.random.split(key)
        gradients = jax.grad(_compute_loss)(parameters, images[picked], labels[picked], own)
        number = number + 1
        first = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, first, gradients)
        second = jax.tree.map(lambda old, new: 0.999 * old + 0.001 * new * new, second, gradients)
        rate, scale = LR / (1 - 0.9**number), 1 / (1 - 0.999**number)
        parameters = jax.tree.map(
            lambda value, m, v: value - rate * m / (jnp.sqrt(scale * v) + 1e-8), parameters, first, second
        )
        return ((parameters, first, second, number), key), None

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    (state, _key), _ = jax.lax.scan(step, ((parameters, zeros, zeros, jnp.float32(0)), key), order)
    return state[0]


def _count_hits(parameters: Any, images: Any, labels: Any) -> Any:
    import jax

    def add(hits: Any, batch: Any) -> Any:
        return hits + (_classify(parameters, batch[0]).argmax(1) == batch[1]).sum(), None

    return jax.lax.scan(add, 0, (images.reshape(-1, 500, 3072), labels.reshape(-1, 500)))[0]
