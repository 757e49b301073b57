"""What is known of the next byte after the last k bytes, and after all of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swiftrnn.recipes.markov_order.model import ByteModel

STREAMS = 16  # pieces of a text that are read side by side
PLACES = 8192  # where a text is measured, unless told otherwise
AT_ONCE = 1 << 17  # bytes that go through a model in one call
COUNTED = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # that are counted


def ladder(longest: int) -> list[int]:
    """The histories that are measured: 1, 2, 4, ... bytes.

    Examples:
        >>> ladder(10)
        [1, 2, 4, 8]
    """
    return [1 << i for i in range(longest.bit_length())]


@torch.no_grad()
def after_all(model: ByteModel, streams: Tensor, chunk: int = 256) -> Tensor:
    """Bits of each byte of streams (T, B) but the first, after all before it: (T - 1, B).

    Nothing but the state goes from one chunk of the streams to the next.
    """
    found, state = [], None
    for start in range(0, len(streams) - 1, chunk):
        after = streams[start + 1 : start + 1 + chunk]
        logits, state = model(streams[start : start + len(after)], state)
        found.append(_bits(logits, after))
    return torch.cat(found) if found else streams.new_zeros(0, streams.shape[1], dtype=torch.float)


@torch.no_grad()
def after_last(model: ByteModel, rows: Tensor) -> Tensor:
    """Bits of the last byte of each row (N, k + 1), after the k bytes before it alone: (N,)."""
    found, many = [], max(1, AT_ONCE // max(1, rows.shape[1] - 1))
    for some in rows.split(many):
        hidden, _ = model.hidden(some[:, :-1].t())
        found.append(_bits(model.readout(hidden[-1]), some[:, -1]))
    return torch.cat(found)


def _bits(logits: Tensor, after: Tensor) -> Tensor:
    losses = nn.functional.cross_entropy(logits.flatten(0, -2), after.flatten(), reduction="none")
    return losses.view(after.shape) / math.log(2)


class Places:
    """Places of a text where the next byte is predicted, from all over it.

    The text is cut into pieces, each read from its beginning; places lie in their second halves, so
    "all bytes before" are at least half a piece.

    Args:
        content: the text.
        places: how many, about.
        longest: bytes that lie before each place at least.

    Raises:
        ValueError: the text is too short.
    """

    def __init__(self, content: bytes, places: int, longest: int) -> None:
        length = len(content) // STREAMS
        if length < 2 * longest + 2:
            raise ValueError(
                f"measuring needs a test part of at least {STREAMS * (2 * longest + 2):,} bytes; "
                f"got {len(content):,}; give a longer text, or a smaller --longest"
            )
        self.content = content[: length * STREAMS]
        self.streams = _numbers(self.content).view(STREAMS, length).t()
        some = np.linspace(length // 2 + 1, length - 1, max(1, places // STREAMS)).astype(int)
        self.rows = np.unique(some)
        self.places = (np.arange(STREAMS)[:, None] * length + self.rows).ravel()

    def histories(self, order: int) -> Tensor:
        """Each place with the bytes before it, (N, order + 1)."""
        text = _numbers(self.content)
        return text[torch.from_numpy(self.places)[:, None] + torch.arange(-order, 1)]


def _numbers(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).astype(np.int64))


def measure(model: ByteModel, test: Places, longest: int) -> dict[str, float]:
    """Bits per byte after the last k bytes (`bits_k`) and after all (`bits_full`).

    `state_error`: how many bits the prediction of any byte differs at most from that of one pass
    over the whole text, if nothing but the state goes from one part of it to the next. `memory`:
    the shortest history with which no more than `NEAR` bits are lost.
    """
    found = {}
    for order in ladder(longest):
        found[f"bits_{order}"] = after_last(model, test.histories(order)).double().mean().item()
    whole = after_all(model, test.streams, len(test.streams))
    found["bits_full"] = whole[test.rows - 1].double().mean().item()
    parts = after_all(model, test.streams, 61)
    found["state_error"] = (whole - parts).abs().max().item()
    near = [o for o in ladder(longest) if found[f"bits_{o}"] - found["bits_full"] < NEAR]
    found["memory"] = near[0] if near else 2 * ladder(longest)[-1]
    return found


NEAR = 0.05  # bits per byte: with so much more than all of the past, a history is called enough


def of_text(model: ByteModel, content: bytes, orders: Sequence[int]) -> list[tuple[int, float]]:
    """Mean bits of the bytes of a text but its first, after at most k bytes and after all.

    Returns:
        (k, bits) for each order that is shorter than the text's past, and one for all of it.
    """
    text = _numbers(content)[:, None]
    whole = after_all(model, text)[:, 0]  # of byte 1, 2, ...
    most, found = len(whole), []
    for order in [each for each in orders if each < most]:
        windows = text[:, 0].unfold(0, order + 1, 1)
        rest = after_last(model, windows)
        bits = torch.cat([whole[: order - 1], rest]).double().mean().item()
        found.append((order, bits))
    return [*found, (most, whole.double().mean().item())] if most else []


def excess(found: dict[str, Any], entropies: dict[int, float], longest: int) -> float:
    """The most bits by which a model exceeds the entropy of a source, over all orders."""
    exact = {order: entropies[min(order, max(entropies))] for order in ladder(longest)}
    return max(found[f"bits_{order}"] - bits for order, bits in exact.items())
