"""Many small networks at once: their weights in one stack, their training, what is kept of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from swiftrnn.recipes.information_plane.data import Task

Activation = Literal["tanh", "relu", "softsign", "linear"]
ACTIVATIONS: dict[str, tuple[type[nn.Module], Callable[[Tensor], Tensor]]] = {
    "tanh": (nn.Tanh, torch.tanh),
    "relu": (nn.ReLU, torch.relu),
    "softsign": (nn.Softsign, functional.softsign),
    "linear": (nn.Identity, lambda x: x),
}
BOUNDED = ("tanh", "softsign")  # within [-1, 1]
Stack = dict[str, Tensor]  # by parameter's name, networks first


def layers_of(config: Any) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every layer, by the name of what it gives; the last: two classes."""
    widths = enumerate(pairwise((config.bits, *config.widths, 2)), start=1)
    return {f"layer_{number}": sizes for number, sizes in widths}


def network(config: Any, activation: str) -> nn.Sequential:
    """One of the networks, as a module: `linear_1`, `layer_1`, ... up to the probabilities."""
    net = nn.Sequential()
    for number, (name, sizes) in enumerate(layers_of(config).items(), start=1):
        net.add_module(f"linear_{number}", nn.Linear(*sizes))
        net.add_module(name, ACTIVATIONS[activation][0]())
    net[-1] = nn.Softmax(1)
    return net


def epochs_of(config: Any) -> list[int]:
    """The epochs to record: 0, then evenly on a logarithmic scale, with `since` and the last."""
    count, wanted, spaced = 0, min(config.records - 1, config.epochs), np.empty(0)
    while len(spaced) < wanted:  # the first ones fall together
        count += 1
        spaced = np.unique(np.geomspace(1, config.epochs, count + wanted).round().astype(int))
    spaced[np.abs(spaced[:-1] - config.since).argmin()] = config.since
    return [0, *map(int, spaced)]


def generator(*numbers: int) -> torch.Generator:
    """Chance that depends on these numbers alone, whoever else draws."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def initial(config: Any, activation: str, which: Sequence[int], dtype: torch.dtype) -> Stack:
    """New weights: theirs, normal within two deviations of 1 / sqrt(outputs); He's for ReLU."""
    found, relu = {}, activation == "relu"
    for one in which:
        chance = generator(config.seed, one)
        for number, (inputs, outputs) in enumerate(layers_of(config).values(), start=1):
            sd = math.sqrt(2 / inputs) if relu else 1 / math.sqrt(outputs)
            weight = torch.empty(outputs, inputs, dtype=torch.float64)
            nn.init.trunc_normal_(weight, std=sd, a=-2 * sd, b=2 * sd, generator=chance)
            bias = torch.full((outputs,), 0.1 if relu else 0.0)  # theirs, 0, kills whole networks
            found.setdefault(f"linear_{number}.weight", []).append(weight)
            found.setdefault(f"linear_{number}.bias", []).append(bias)
    return {name: torch.stack(each).to(dtype) for name, each in found.items()}


def logits(parameters: Mapping[str, Tensor], activation: str, inputs: Tensor) -> Tensor:
    """(K, bits, B) to (K, 2, B), samples last: written out, which is faster than a `vmap`."""
    act, layers = ACTIVATIONS[activation][1], len(parameters) // 2
    for number in range(1, layers + 1):
        bias = parameters[f"linear_{number}.bias"][..., None]
        inputs = torch.baddbmm(bias, parameters[f"linear_{number}.weight"], inputs)
        inputs = act(inputs) if number < layers else inputs
    return inputs


def train(
    config: Any, activation: str, which: Sequence[int], task: Task, dtype: Any = torch.float32
) -> Stack:
    """Train networks, by number, on batches of their own; weights at recorded epochs (R, K, ...).

    Adam and a sum of losses look at every number alone: a network is the same in any company.
    """
    weights = initial(config, activation, which, dtype)
    kept = {name: [each.clone()] for name, each in weights.items()}
    for each in weights.values():
        each.requires_grad_()
    optimizer = torch.optim.Adam(weights.values(), lr=config.rate, fused=True)
    inputs, labels = task.inputs[task.train].T.to(dtype), task.labels[task.train]
    size, recorded = config.batch_size or len(labels), epochs_of(config)
    for epoch in range(1, config.epochs + 1):
        chances = [generator(config.seed, one, epoch) for one in which]
        order = torch.stack([torch.randperm(len(labels), generator=each) for each in chances])
        batches = inputs[:, order].split(size, 2), labels[order].split(size, 1)
        for x, y in zip(*batches, strict=True):
            optimizer.zero_grad()
            found = logits(weights, activation, x.transpose(0, 1))
            (functional.cross_entropy(found, y, reduction="sum") / y.shape[1]).backward()
            optimizer.step()
        if epoch in recorded:
            for name, each in weights.items():
                kept[name].append(each.detach().clone())
    return {name: torch.stack(each) for name, each in kept.items()}
