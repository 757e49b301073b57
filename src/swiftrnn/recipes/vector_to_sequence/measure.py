"""How many images are read without a mistake, beside what needs no training."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.recipes.vector_to_sequence.data import DIGITS, SIDE, Digits
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.recipes.vector_to_sequence.spelling import spelled

COUNT = 2_000  # test images of numbers trained on, and as many of the others
SHOWN = 12  # in the picture
TEST_SEED = 12_345  # test images are the same for all seeds but for the numbers held out


def exact(found: Sequence[str], words: Sequence[str]) -> float:
    """Percent of words that are right from the first letter to the last."""
    return 100 * sum(a == b for a, b in zip(found, words, strict=True)) / len(words)


def shown_of(digits: Digits, numbers: Tensor, language: str) -> tuple[Tensor, list[str]]:
    """Images of numbers, each as often as the others, and their words."""
    draw = torch.Generator().manual_seed(TEST_SEED)
    shown = numbers.repeat(-(-COUNT // len(numbers)))[:COUNT]
    return digits.strips(shown, draw), [spelled(number, language) for number in shown.tolist()]


def measure(
    model: Speller, digits: Digits, seen: Tensor, unseen: Tensor, config: Any
) -> tuple[dict[str, float], dict[str, Any]]:
    """Exact matches, in percent; examples, and what is read wrongly."""
    found: dict[str, float] = {}
    details: dict[str, Any] = {"examples": [], "wrong": []}
    for name, numbers in (("seen", seen), ("unseen", unseen)):
        if not len(numbers):
            continue
        strips, words = shown_of(digits, numbers, config.language)
        read = model.read(strips)
        found[name] = exact(read, words)
        step = max(1, len(words) // (SHOWN // 2))
        details["examples"] += [
            (strips[i], read[i], words[i], name) for i in range(0, len(words), step)
        ][: SHOWN // 2]
        details["wrong"] += [
            {"part": name, "words": word, "read": each}
            for each, word in zip(read, words, strict=True) if each != word
        ][:SHOWN]  # fmt: skip
    return found, details


def baselines(
    digits: tuple[Digits, Digits, Digits], seen: Tensor, unseen: Tensor, config: Any
) -> dict[str, float]:
    """Exact matches of what needs no training of a network, in percent.

    `baseline_nearest_mean` takes for each third of an image the digit whose mean image is the
    nearest; `baseline_most_common` always says the same number.
    """
    found = {"baseline_most_common": 100 / len(seen)}
    ends = digits[0].counts.cumsum(0).tolist()
    starts = [0, *ends[:-1]]
    pixels = digits[0].pixels
    means = torch.stack([pixels[a:b].float().mean(0) for a, b in zip(starts, ends, strict=True)])
    for name, numbers in (("seen", seen), ("unseen", unseen)):
        if not len(numbers):
            continue
        strips, words = shown_of(digits[2], numbers, config.language)
        thirds = strips.view(len(strips), SIDE, DIGITS, SIDE).transpose(1, 2).flatten(2).float()
        nearest = torch.cdist(thirds, means.flatten(1)).argmin(-1)
        read = (nearest * torch.tensor([100, 10, 1])).sum(1).tolist()
        right = [spelled(number, config.language) for number in read]
        found[f"baseline_nearest_mean_{name}"] = exact(right, words)
    return found
