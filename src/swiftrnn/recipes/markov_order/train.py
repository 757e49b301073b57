"""Training a byte model, and reading it back."""

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import seed_everything
from torch import Tensor

from swiftrnn.data.lanes import Lanes, excerpts
from swiftrnn.data.text import Text
from swiftrnn.recipes.markov_order.measure import STREAMS, after_all
from swiftrnn.recipes.markov_order.model import ByteModel
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit

VALID = 65_536  # bytes measured during training, from all over valid


def train(config: Any, out: RunFolder, text: Text) -> Fitted:
    """Train the first layer and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss` (train, nats), and `bits` (per byte of valid).
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})
    model = untrained(config)
    valid = streams(excerpts(numbers(text.valid), VALID))
    fitted = fit(
        model, Lanes(numbers(text.train), config.batch_size, config.time, config.seed),
        out=out.path, steps=config.steps, seconds=config.seconds, average=True, resume=True,
        valid=lambda now: {"bits": after_all(now, valid).mean().item()}, clip=config.clip,
        name=config.layers[0],
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def numbers(content: bytes) -> Tensor:
    """The bytes of a text."""
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())


def streams(tokens: Tensor) -> Tensor:
    """A text cut into pieces that are read side by side, (T, B)."""
    length = len(tokens) // STREAMS
    return tokens[: length * STREAMS].view(STREAMS, length).t().long()


def untrained(config: Any) -> ByteModel:
    """An untrained model of the first layer."""
    names = signature(ByteModel).parameters
    given = {name: getattr(config, name) for name in names if name != "layer"}
    return ByteModel(config.layers[0], **given)


def load(config: Any, out: Path) -> ByteModel:
    """Read back what `train` wrote to a folder."""
    return weights.built(lambda: untrained(config), out / folder.WEIGHTS)
