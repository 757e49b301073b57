"""Drawings of programs with a rectangle for each name: screens that need no browser."""

import torch
from torch import Tensor

from swiftrnn.data.screens.grammar import FULL
from swiftrnn.data.screens.program import Node, Program

COLOURS = {
    "page": (255, 255, 255), "panel": (225, 225, 225), "tab": (60, 60, 60),
    "active": (50, 120, 230), "green": (60, 170, 70), "orange": (240, 150, 30),
    "red": (210, 50, 50), "title": (20, 20, 20), "text": (150, 150, 150),
}  # fmt: skip
LINE = 4  # pixels of a thing, and as many between two


def drawn(program: Program, size: tuple[int, int]) -> Tensor:
    """A program of a web page as an image (3, H, W) of uint8."""
    image = torch.empty(3, *size, dtype=torch.uint8)
    _fill(image, "page")
    down = 2
    for node in program.body.children:
        if node.name == "header":
            for i, tab in enumerate(node.children):
                look = program.kinds[tab.name].look or "tab"
                _fill(image[:, down : down + LINE, 2 + 12 * i : 10 + 12 * i], look)
            down += 2 * LINE
        else:
            down += _row(image[:, down:], node, program)
    return image


def _row(image: Tensor, row: Node, program: Program) -> int:
    """Draw cells side by side, each with its things below each other; their height."""
    most, unit, right = 0, image.shape[2] / FULL, 0
    for cell in row.children:
        width = program.kinds[cell.name].width
        first, last = round(right * unit) + 1, round((right + width) * unit) - 1
        panel = image[:, : LINE * len(cell.children) + 2, first:last]
        _fill(panel, "panel")
        for i, thing in enumerate(cell.children):
            kind, top = program.kinds[thing.name], 2 + LINE * i
            wide = {"button": 8, "title": 6}.get(kind.role, 10)
            high = LINE - 2 if kind.role == "button" else 2
            _fill(
                panel[:, top : top + high, 2 : 2 + wide],
                kind.look if kind.role == "button" else kind.role,
            )
        most, right = max(most, LINE * len(cell.children) + 4), right + width
    return most


def _fill(part: Tensor, colour: str) -> None:
    part[:] = torch.tensor(COLOURS[colour], dtype=torch.uint8)[:, None, None]
