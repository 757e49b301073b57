"""What is measured on trained networks: information by every estimator, gradients, who is dead."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from swiftrnn.analysis.networks.plane import compression, several
from swiftrnn.analysis.networks.recorder import Recorder, dead_units, gradient_snr
from swiftrnn.analysis.samples import information, linear_gaussian
from swiftrnn.analysis.samples.neighbours import kozachenko_leonenko
from swiftrnn.recipes.information_plane import model
from swiftrnn.recipes.information_plane.data import Task, made, shuffled
from swiftrnn.recipes.information_plane.model import ACTIVATIONS, Stack, epochs_of, layers_of
from swiftrnn.runs import folder

RESULTS = "results.safetensors"  # of a trial's folder
CHANCE = 0.02  # of accuracy on train above the larger class: below it a network learnt nothing
COMPRESSED = 0.5  # bits of drop, peak to end, above which we say so; it has to fall since, too


def snapshots(kept: Stack) -> list[Stack]:
    """The weights (K, ...) of each recorded epoch."""
    return [{n: each[r] for n, each in kept.items()} for r in range(len(kept["linear_1.bias"]))]


def activations(config: Any, activation: str, weights: Stack, task: Task) -> list[Tensor]:
    """What every layer gives for every pattern: (K, N, units) in float64 for each layer."""
    net, names = model.network(config, activation).double(), list(layers_of(config))
    found = []
    with Recorder(net, task.inputs, names) as recorder:
        for one in range(len(weights["linear_1.bias"])):
            net.load_state_dict({name: each[one] for name, each in weights.items()})
            found.append(recorder.record(one, keep=False))
    return [torch.stack([each[name] for each in found]) for name in names]


def edges_of(config: Any, activation: str, kept: Stack, task: Task) -> Tensor:
    """Theirs: 30 bins on [-1, 1]; of unbounded units 100 over all of them in the finished run."""
    if activation in model.BOUNDED:
        return information.fixed_edges(-1, 1, config.bins)
    ends = []
    for weights in snapshots(kept):
        *hidden, _ = activations(config, activation, weights, task)
        ends.append(torch.cat(hidden, -1).flatten(1).aminmax(dim=1))
    lows, highs = (torch.stack(each, 1) for each in zip(*ends, strict=True))
    low, high = lows.amin(1, keepdim=True), highs.amax(1, keepdim=True)
    return low + (high - low) * information.fixed_edges(0, 1, config.bins_unbounded)


def measured(config: Any, activation: str, kept: Stack, task: Task) -> Tensor:
    """Bits (K, R, layers, estimators, 2)."""
    act, edges = ACTIVATIONS[activation][1], edges_of(config, activation, kept, task)
    output = information.fixed_edges(-1, 1, config.bins), torch.sigmoid  # of two: a softmax
    records = []
    for weights in snapshots(kept):
        layers, found = activations(config, activation, weights, task), []
        for values, how in zip(layers, [(edges, act)] * (len(layers) - 1) + [output], strict=True):
            each = several(values, task.labels, *how, config.bins, config.variances)
            found.append(torch.stack([torch.stack(bits, -1) for bits in each.values()], 1))
        records.append(torch.stack(found, 1))
    return torch.stack(records, 1)


@torch.no_grad()
def scores(kept: Stack, activation: str, task: Task) -> Stack:
    """Accuracy on train and on test (K, R, 2), and I(class taken; label) on test (K, R)."""
    x = task.inputs.T.to(kept["linear_1.bias"].dtype).expand(kept["linear_1.bias"].shape[1], -1, -1)
    taken = [model.logits(each, activation, x).argmax(1) for each in snapshots(kept)]
    classes = torch.stack(taken, 1)
    right = (classes == task.labels).double()
    accuracy = [right[..., rows].mean(-1) for rows in (task.train, task.test)]
    unseen = classes[..., task.test, None].double()
    decided = information.binned(unseen, task.labels[task.test]).label
    return {"accuracy": torch.stack(accuracy, -1), "decided": decided}


def death(config: Any, activation: str, kept: Stack, task: Task, known: Tensor) -> Stack:
    """Who is dead (K): a constant last hidden layer, or no more known than the larger class.

    And the share of hidden units (K) that give the same for every pattern.
    """
    *hidden, _ = activations(config, activation, snapshots(kept)[-1], task)
    still = [dead_units(each) for each in hidden]
    larger = task.labels[task.train].bincount().max() / len(task.train)
    dead = still[-1].all(1) | (known < larger + CHANCE)
    return {"dead": dead, "dead_units": torch.cat(still, 1).double().mean(1)}


def closely(config: Any, activation: str, kept: Stack, task: Task) -> Stack:
    """Gradients' signal to noise (C, R, layers), and Kraskov's entropy (C, 2) since and at the end.

    Of the first networks only: both look at every sample or at every pair of them.
    """
    net, epochs = model.network(config, activation), epochs_of(config)
    x, y = task.inputs[task.train].float(), task.labels[task.train]
    few = snapshots({name: each[:, : config.closely] for name, each in kept.items()})
    ratios, entropies = [], []
    for weights in few:
        for one in range(len(weights["linear_1.bias"])):
            net.load_state_dict({name: each[one] for name, each in weights.items()})
            found = gradient_snr(net[:-1], functional.cross_entropy, x, y)
            ratios.append([value for name, value in found.items() if name.endswith("weight")])
    for weights in (few[epochs.index(config.since)], few[-1]):
        last = activations(config, activation, weights, task)[-2]
        entropies.append(torch.stack([kozachenko_leonenko(each, 2, 1e-16) for each in last]))
    snr = torch.tensor(ratios).unflatten(0, (len(epochs), -1)).transpose(0, 1)
    return {"snr": snr, "kraskov": torch.stack(entropies, 1)}


def trial(config: Any, point: Mapping[str, Any], out: Path) -> dict[str, float]:
    """Train and measure a group of networks with one activation; its folder keeps the results."""
    torch.set_num_threads(1)  # groups share the machine
    task, activation, first = made(config), point["activation"], point["group"] * config.group
    which = range(first, min(first + config.group, config.networks))
    kept = model.train(config, activation, which, task)
    found = {"bits": measured(config, activation, kept, task)} | scores(kept, activation, task)
    found |= death(config, activation, kept, task, found["accuracy"][:, -1, 0])
    if not point["group"]:
        found |= closely(config, activation, kept, task)
    with folder.whole(out / RESULTS) as part:
        save_file({name: each.contiguous() for name, each in found.items()}, part)
    return {"accuracy": float(found["accuracy"][:, -1, 1].mean())}


def together(folders: Sequence[Path]) -> Stack:
    """The results of all groups of an activation as one, group 0 first."""
    parts = [load_file(each / RESULTS) for each in folders]
    return {name: torch.cat([p[name] for p in parts if name in p]) for name in parts[0]}


def estimators(config: Any) -> list[str]:
    """Names, in the order of the results."""
    kde = [f"{side}_{v:g}" for v in config.variances for side in ("kde", "kde_lower")]
    return ["binned", "adaptive", "net_input", "float32", *kde]


def verdicts(config: Any, found: Stack) -> dict[str, float]:
    """Means over live networks, of their last hidden layer; only counts where all are dead."""
    live = ~found["dead"]
    metrics = {"live": float(live.sum()), "dead": float((~live).sum()),
               "baseline_untrained": float(found["accuracy"][:, 0, 1].mean())}  # fmt: skip
    if not bool(live.any()):
        return metrics
    train_, test = found["accuracy"][live, -1].mean(0).tolist()
    metrics |= {"accuracy_train": train_, "accuracy": test,
                "decided": float(found["decided"][live, -1].mean()),
                "dead_units": float(found["dead_units"][live].mean())}  # fmt: skip
    last = found["bits"][live, :, -2, :, 0].transpose(1, 2)
    drops, changes = compression(last, epochs_of(config).index(config.since))
    for name, drop, change in zip(estimators(config), drops.mean(0), changes.mean(0), strict=True):
        metrics |= {f"drop_{name}": float(drop), f"change_{name}": float(change)}
        metrics[f"compresses_{name}"] = float(drop >= COMPRESSED and change < 0)
    few = live[: len(found["snr"])]
    if bool(few.any()):
        noise = found["snr"][few, :, -2].mean(0)
        metrics |= {"snr_start": float(noise[0]), "snr_peak": float(noise.max()),
                    "snr_end": float(noise[-1])}  # fmt: skip
        entropies = found["kraskov"][few].mean(0)
        metrics["change_kraskov"] = float(entropies[1] - entropies[0])
    return metrics


def control(config: Any, task: Task) -> dict[str, float]:
    """The same with labels of others: what networks take then tells nothing of unseen ones."""
    activation, random = config.activations[0], shuffled(task, config.seed)
    which = range(min(config.closely, config.networks))
    found = scores(model.train(config, activation, which, random), activation, random)
    train_, test = found["accuracy"][:, -1].mean(0).tolist()
    return {"control_random_labels": float(found["decided"][:, -1].mean()),
            "control_accuracy_train": train_, "control_accuracy": test}  # fmt: skip


def exact(config: Any) -> dict[str, float]:
    """Without samples: one neuron as its weight grows, and a deep linear student that overfits."""
    weights, bins = torch.logspace(-2, 4, 60), config.bins
    tanh = linear_gaussian.one_neuron(weights, information.fixed_edges(-1, 1, bins), torch.atanh)
    above = information.fixed_edges(0, 1e5, 100_000)  # bins of width 1, never too few
    relu = linear_gaussian.one_neuron(weights, above, lambda h: h)
    chance = model.generator(config.seed)
    x = torch.randn(100, 100, generator=chance, dtype=torch.float64) / 10
    teacher, noise = torch.randn(2, 100, 1, generator=chance, dtype=torch.float64)
    passed = linear_gaussian.descend(x, x @ teacher + noise, [100], range(0, 1001, 20), rate=1.0)
    bits = torch.stack([linear_gaussian.linear_information(first) for first, _ in passed])
    error = [float(linear_gaussian.generalisation_error(w, teacher.T, 1.0)) for _, w in passed]
    return {
        "exact_tanh_peak": float(tanh.max()), "exact_tanh_end": float(tanh[-1]),
        "exact_relu_drop": float(compression(relu)[0]), "exact_relu_end": float(relu[-1]),
        "exact_linear_drop": float(compression(bits)[0]), "exact_linear_end": float(bits[-1]),
        "exact_linear_error_best": min(error), "exact_linear_error_end": error[-1],
    }  # fmt: skip
