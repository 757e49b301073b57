"""Vectors to sample, and what their angles and those of images are held against."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from swiftrnn.analysis.samples.angles import angle, angle_between
from swiftrnn.analysis.samples.isotropy import effective_dimension, isotropy_test
from swiftrnn.data import images

CHUNK = 2**21  # numbers sampled at a time
Sampler = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(draw: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Directions that favour none."""
    return draw.standard_normal(shape)


def positive_entries(draw: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Uniform in 0..1: all of them around one direction, as activations after a ReLU are."""
    return draw.random(shape)


def unequal_axes(draw: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Around 0, but axis k is 1 / k as wide as the first, as principal components are."""
    return draw.standard_normal(shape) / np.arange(1, shape[1] + 1)


CONTROLS: tuple[Sampler, ...] = (positive_entries, unequal_axes)


def sampled(sampler: Sampler, n: int, pairs: int, seed: int) -> np.ndarray:
    """Angles of independent pairs of vectors."""
    draw = np.random.default_rng([seed, n])
    parts, size = [], max(1, CHUNK // n)
    for start in range(0, pairs, size):
        rows = min(size, pairs - start)
        parts.append(angle_between(sampler(draw, (rows, n)), sampler(draw, (rows, n))))
    return np.concatenate(parts)


def measured(config: Any, n: int) -> tuple[dict[str, float], dict[str, float]]:
    """What angles in n dimensions are; and the p-values of vectors that are not isotropic."""
    theta = sampled(normal, n, config.pairs, config.seed)
    exact = stats.kstest(theta, angle(n).cdf)
    usual = stats.kstest(theta, stats.norm(np.pi / 2, 1 / math.sqrt(n)).cdf)
    found = {
        "mean": float(np.degrees(theta.mean())), "variance": float(theta.var()),
        "spread": float(theta.std() * math.sqrt(n)), "pvalue": float(exact.pvalue),
        "distance": float(exact.statistic), "baseline_normal": float(usual.statistic),
    }  # fmt: skip
    failing = {}
    for sampler in CONTROLS:
        theta = sampled(sampler, n, min(config.pairs, 10_000), config.seed)
        pvalue = stats.kstest(theta, angle(n).cdf).pvalue
        failing[f"control_{sampler.__name__}"] = float(pvalue)
    return {f"{name}_{n}": value for name, value in found.items()}, failing


def crowd(count: int, n: int, seed: int) -> float:
    """The largest |cosine| among so many random vectors."""
    vectors = np.random.default_rng([seed, n, count]).standard_normal((count, n))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return float(np.abs(np.triu(vectors @ vectors.T, 1)).max())


def images_of(config: Any) -> dict[str, Tensor]:
    """Pixels in 0..1 as vectors, by the name of the data set."""
    if config.made_up:
        return {"made_up": images.made_up(config.images, config.seed).scaled(0, 1)}
    found = {}
    for name in config.data:
        part = images.known(name, "test")
        few = min(config.images, len(part))
        (some,) = images.parts(part, (few,), config.seed)
        found[name.replace("-", "_")] = some.scaled(0, 1)
    return found


def measured_images(
    config: Any, name: str, vectors: Tensor
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Effective dimensions of images as they are and around their mean; angles to be drawn."""
    draw = np.random.default_rng([config.seed, len(vectors)])
    found, shown = {f"{name}_pixels": float(vectors.shape[1])}, {}
    shuffled = torch.from_numpy(draw.permuted(vectors.numpy(), axis=0))
    for way, centred, these in (
        ("raw", False, vectors), ("centred", True, vectors), ("shuffled", True, shuffled),
    ):  # fmt: skip
        size = effective_dimension(these, centred, config.image_pairs, config.seed)
        found[f"{name}_{way}"] = size.by_square.value
        found[f"{name}_{way}_error"] = size.by_square.error
        found[f"{name}_{way}_by_angle"] = size.by_angle.value
        found[f"{name}_{way}_by_likelihood"] = size.by_likelihood.value
        if way != "shuffled":
            found[f"{name}_{way}_pvalue"] = isotropy_test(these, centred, config.seed).pvalue
            around = these - these.mean(0) if centred else these
            order = torch.from_numpy(draw.permutation(len(these)))
            half = len(order) // 2
            pairs = around[order[:half]], around[order[half : 2 * half]]
            shown[way] = angle_between(*pairs)
    return found, shown
