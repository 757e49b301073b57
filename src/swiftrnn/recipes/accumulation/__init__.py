"""Gradient accumulation: 1 x 32 lines against 8 x 4, exactly and as a mean of means.

Paper: Su (2019), "Gradient accumulation", kexue.fm/archives/6794 (a post); the weights of tokens:
transformers pull request 34191 (2024).
Differs: a language model of lines for a perceptron on MNIST, because there counts do not differ.
"""

from dataclasses import dataclass
from typing import Annotated

import torch

from swiftrnn.data.text import standard_library
from swiftrnn.recipes.accumulation.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.accumulation.figures import curves
from swiftrnn.recipes.accumulation.model import WAYS, first_gradients, lines_of, train
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults are ours; the source trains a perceptron on MNIST with 100 batches of 1."""

    updates: limits.Count = 400  # updates of the weights
    batch_size: limits.Size = 32  # lines in an update
    window: limits.Size = 8  # micro-batches in an update; divides the batch size
    hidden: limits.Size = 64  # hidden size
    rate: limits.Positive = 5e-3  # peak learning rate of AdamW; cosine decay
    clip: limits.Positive = 1.0  # largest gradient norm
    train_lines: limits.Count = 20_000  # training lines, of the source code of Python's library
    test_lines: Annotated[int, limits.Range(1, 100_000)] = 500  # test lines
    seed: limits.Seed = 0  # random seed

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("batch_size", self.batch_size, self.train_lines)
        if self.batch_size % self.window:
            raise ValueError(
                "accumulation needs a window that divides batch_size; "
                f"got {self.window} and {self.batch_size}"
            )


SMOKE = Config(updates=15, hidden=16, train_lines=500, test_lines=50)
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train four models that start alike and see the same lines; compare every loss."""
    torch.set_num_threads(1)
    text = standard_library()
    count = config.train_lines + config.test_lines
    lines = lines_of(text.train, count, config.seed)
    found = {way: train(way, config, lines, out.path) for way in WAYS}
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
    return Result(metrics, picture="curves.png")
