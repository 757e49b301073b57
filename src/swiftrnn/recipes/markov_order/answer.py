"""How much of the past each byte of a text needs: what a trained model says of it."""

from collections.abc import Sequence
from typing import Any

from swiftrnn.recipes.markov_order.measure import ladder, of_text
from swiftrnn.recipes.markov_order.model import ByteModel
from swiftrnn.tasks import NoOptions

LONGEST = 256  # bytes of history; the last point of a curve is all there is
ORDERS = ("bytes of the past", "bits per byte")  # the axes of a curve


def answer(
    model: ByteModel, texts: Sequence[str], _: NoOptions
) -> list[tuple[tuple[float, float], ...]]:
    """Bits per byte of each text against how many bytes before it the model saw."""
    found: list[Any] = []
    for text in texts:
        content = text.encode("utf-8", "surrogateescape")
        found.append(tuple((float(k), bits) for k, bits in of_text(model, content, orders())))
    return found


def orders() -> list[int]:
    """The histories of a curve."""
    return ladder(LONGEST)


def work(text: str, _: NoOptions) -> float:
    """Characters, each of which is predicted from each history."""
    return len(text) * (1 + sum(min(order, len(text)) for order in orders()) / 64)
