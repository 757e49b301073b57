"""Gradient accumulation: 1 x 32 lines against 8 x 4, exactly and as a mean of means.

Paper: Su (2019), "Gradient accumulation", kexue.fm/archives/6794 (a post); the weights of tokens:
transformers pull request 34191 (2024).
Differs: a language model of lines for a perceptron on MNIST, because there counts do not differ.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch

from swiftrnn import limits
from swiftrnn.data.text import standard_library
from swiftrnn.recipes.accumulation.figures import curves
from swiftrnn.recipes.accumulation.model import WAYS, first_gradients, lines_of, train


@dataclass(frozen=True)
class Config(limits.Checked):
    """Ours throughout; the post's is a perceptron on MNIST with 100 batches of 1."""

    updates: limits.Count = 400
    batch_size: limits.Size = 32  # lines of an update
    window: limits.Size = 8  # micro-batches it is cut into; a divisor of the batch size
    hidden: limits.Size = 64
    rate: limits.Positive = 5e-3  # of AdamW, falling along a cosine
    clip: limits.Positive = 1.0  # the largest norm of an update's gradient
    train_lines: limits.Count = 20_000  # of this machine's Python library
    test_lines: Annotated[int, limits.Range(1, 100_000)] = 500
    seed: limits.Seed = 0  # of all that is drawn

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("batch_size", self.batch_size, self.train_lines)
        if self.batch_size % self.window:
            raise ValueError(
                "accumulation needs a window that divides batch_size; "
                f"got {self.window} and {self.batch_size}"
            )


SMOKE = Config(updates=30, hidden=16, train_lines=500, test_lines=50)
CLAIMS = {"mnist_accuracy_alone": 97.0, "mnist_accuracy_accumulated": 98.0}  # theirs: < 97, 98+
PICTURE = "curves.png"  # of the run folder, for the documentation
HEADLINE = ("test_nats_whole", "test_nats_exact", "test_nats_usual", "largest_gap_exact",
            "largest_gap_usual", "gradient_error_usual")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train four models that start alike and see the same lines; compare every loss."""
    torch.set_num_threads(1)
    text = standard_library()
    count = config.train_lines + config.test_lines
    lines = lines_of(text.train, count, config.seed)
    found = {way: train(way, config, lines, out) for way in WAYS}
    metrics = {f"test_nats_{way}": found[way]["test"][0] for way in WAYS}
    whole = torch.tensor(found["whole"]["losses"], dtype=torch.float64)
    for way in WAYS[1:]:
        gaps = (torch.tensor(found[way]["losses"], dtype=torch.float64) - whole).abs() / whole
        metrics[f"largest_gap_{way}"] = float(gaps.max())
    metrics |= first_gradients(config, lines)
    counts = torch.bincount(torch.cat(lines), minlength=256).double()
    odds = counts / counts.sum()
    metrics["baseline_bytes_alone"] = float(torch.special.entr(odds).sum())
    curves({way: found[way]["losses"] for way in WAYS}, out / "curves.png")
    return metrics
