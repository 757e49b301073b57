"""A small language model of lines, and four ways to make an update from a batch of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import seed_everything
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from swiftrnn.nn import SRU
from swiftrnn.runs import folder
from swiftrnn.training.techniques.accumulate import Accumulator
from swiftrnn.training.techniques.schedule import cosine, scheduler

WAYS = ("whole", "exact", "usual", "small")
LONGEST = 300  # bytes of a line; as in the notes of those who found the error: 4 to 300 tokens
SHORTEST = 4


class Language(nn.Module):
    """Bytes (T, B) to scores of the next one, (T, B, 256)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embedding, self.layer = nn.Embedding(256, hidden), SRU(hidden, hidden)
        self.head = nn.Linear(hidden, 256)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Scores; those beyond a line's length mean nothing."""
        return self.head(self.layer(self.embedding(tokens), lengths=lengths)[0])


def lines_of(text: bytes, count: int, seed: int) -> list[Tensor]:
    """So many lines of a text, drawn at random, as bytes; short and long ones are left out."""
    lines = [line for line in text.split(b"\n") if SHORTEST < len(line) <= LONGEST]
    draw = torch.Generator().manual_seed(seed)
    picked = torch.randperm(len(lines), generator=draw)[:count].tolist()
    return [torch.frombuffer(bytearray(lines[i]), dtype=torch.uint8).long() for i in picked]


def summed(model: Language, lines: Sequence[Tensor]) -> tuple[Tensor, int]:
    """The loss of lines in nats, summed over their bytes, and how many those are."""
    lengths = torch.tensor([len(line) - 1 for line in lines])
    tokens, targets = (pad_sequence(part) for part in
                       ([line[:-1] for line in lines], [line[1:] for line in lines]))  # fmt: skip
    inside = torch.arange(len(tokens))[:, None] < lengths
    scores = model(tokens, lengths)[inside]
    return cross_entropy(scores, targets[inside], reduction="sum"), int(lengths.sum())


def micro_batches(lines: Sequence[Tensor], size: int) -> list[list[Tensor]]:
    """Parts of a batch with lines of about the same length, as loaders make them."""
    ordered = sorted(lines, key=len)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def made(config: Any) -> tuple[Language, torch.optim.Optimizer, Any]:
    """A model with new weights, AdamW, and a rate that falls along a cosine."""
    seed_everything(config.seed, verbose=False)
    model = Language(config.hidden).double()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=0.01)
    return model, optimizer, scheduler(optimizer, cosine(config.updates, warmup=10))


def step_of(way: str, config: Any) -> tuple[Language, Callable[[Sequence[Tensor]], float]]:
    """A model, and a function that updates it from a batch and gives the batch's mean loss."""
    model, optimizer, rates = made(config)
    size = config.batch_size // config.window
    ours = Accumulator(model, optimizer, config.window, clip=config.clip, scheduler=rates)

    def update(lines: Sequence[Tensor]) -> float:
        parts = micro_batches(lines, size)
        if way == "exact":
            for part in parts:
                ours.add(*summed(model, part))
            return float(ours.loss)
        if way == "usual":  # a mean of means
            losses = [summed(model, part) for part in parts]
            for loss, count in losses:
                (loss / count / len(parts)).backward()
        else:
            losses = [summed(model, lines if way == "whole" else lines[:size])]
            (losses[0][0] / losses[0][1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad()
        rates.step()
        return float(sum(loss.item() for loss, _ in losses) / sum(count for _, count in losses))

    return model, update


def train(way: str, config: Any, lines: Sequence[Tensor], out: Path) -> dict[str, list[float]]:
    """Losses of all updates of one way, and of test at the end; from `out` if it is done."""
    path = out / f"{way}.json"
    if path.exists():
        return folder.read_json(path, ("losses", "test"))
    model, update = step_of(way, config)
    train_lines, test_lines = lines[: -config.test_lines], lines[-config.test_lines :]
    draw, losses = torch.Generator().manual_seed(config.seed), []
    for _ in range(config.updates):
        rows = torch.randint(len(train_lines), (config.batch_size,), generator=draw)
        losses.append(update([train_lines[i] for i in rows.tolist()]))
    with torch.no_grad():
        total, count = summed(model, test_lines)
    found = {"losses": losses, "test": [float(total) / count]}
    folder.write_json(path, found)
    return found


def first_gradients(config: Any, lines: Sequence[Tensor]) -> dict[str, float]:
    """How far the gradients of a first batch are from that of the whole: relative errors."""
    model, _, _ = made(config)
    parts = micro_batches(lines[: config.batch_size], config.batch_size // config.window)

    def gradient(losses: list[Tensor]) -> Tensor:
        model.zero_grad()
        for loss in losses:
            loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    total, count = summed(model, lines[: config.batch_size])
    right = gradient([total / count])
    pairs = [summed(model, part) for part in parts]
    usual = gradient([loss / n / len(pairs) for loss, n in pairs])
    exact = gradient([loss for loss, _ in (summed(model, part) for part in parts)]) / count
    return {
        "gradient_error_exact": float((exact - right).norm() / right.norm()),
        "gradient_error_usual": float((usual - right).norm() / right.norm()),
        "gradient_cosine_usual": float(torch.cosine_similarity(usual, right, dim=0)),
    }
