"""Where two images were looked at, one window after the other, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from swiftrnn.tasks.image import Image


class Glimpse(NamedTuple):
    """A window: on which image (0 or 1), and its edges in shares of a side.

    The edges may lie beyond the image.
    """

    image: int
    top: float
    left: float
    bottom: float
    right: float


class Looks(NamedTuple):
    """Both images as they were seen, (N, N) of uint8, and windows in their order."""

    images: tuple[Tensor, Tensor]
    windows: tuple[Glimpse, ...]


@dataclass(frozen=True)
class Glimpses:
    """Two images and the windows on them, `Looks`."""

    name: str = "glimpses"
    widget: str | Path = "glimpses"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """Both images, and for each window which image, and its edges."""
        image = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
        window = {"type": "array", "items": {"type": "number"}, "minItems": 5, "maxItems": 5}
        about = "each window: which image (0 or 1), top, left, bottom, right in shares of a side"
        properties = {
            "images": {"type": "array", "items": image, "minItems": 2, "maxItems": 2},
            "windows": {"type": "array", "items": window, "description": about},
        }
        return {"type": "object", "title": "Where it looked", "properties": properties,
                "required": list(properties), "description": "if asked"}  # fmt: skip

    def read(self, raw: Any) -> Looks:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        try:
            first, second = (Image(1).read(each) for each in raw["images"])
            windows = tuple(_window(each) for each in raw["windows"])
        except (TypeError, KeyError) as error:
            raise ValueError(f"glimpses needs two images and windows; {error}") from None
        return Looks((first, second), windows)

    def write(self, value: Looks, form: str) -> Any:
        """An object for "json"; for "text" the middle of each window, and its side."""
        if form == "json":
            images = [Image(1).write(each, "json") for each in value.images]
            windows = [
                [each.image, *(round(edge, 4) for edge in each[1:])] for each in value.windows
            ]
            return {"images": images, "windows": windows}
        lines = [
            f"{('first', 'second')[each.image]:<8}{50 * (each.left + each.right):4.0f} % from the "
            f"left, {50 * (each.top + each.bottom):.0f} % down, "
            f"{100 * (each.right - each.left):.0f} % wide\n"
            for each in value.windows
        ]
        return "".join(lines)

    def size(self, value: Looks) -> int:
        """How many windows."""
        return len(value.windows)


def _window(raw: Sequence[float]) -> Glimpse:
    image, *edges = raw
    if image not in (0, 1) or len(edges) != 4 or not np.isfinite(edges).all():
        raise ValueError(f"a glimpse needs 0 or 1 and four finite edges; got {raw!r}")
    return Glimpse(int(image), *map(float, edges))


def looks(images: tuple[Tensor, Tensor], boxes: Tensor) -> Looks:
    """Windows (T, 4) on two images in turn, the first one first."""
    rows = torch.as_tensor(boxes).tolist()
    return Looks(images, tuple(Glimpse(t % 2, *row) for t, row in enumerate(rows)))
