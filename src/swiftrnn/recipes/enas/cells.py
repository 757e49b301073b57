"""The space of recurrent cells: what a cell is, how it is written, and which cells are the same.

A cell has nodes 1 .. L. Node l reads one node before it, 0 .. l - 1, through a function; node 0
mixes the input with the last state, and the next state is the mean of the others:

s[0] = s + sigmoid(t) (tanh(h) - s)          (h, t) = W_x x + W_s s
s[l] = s[p] + sigmoid(t) (f(h) - s[p])       (h, t) = W_l s[p]        p, f: the choice of node l
s'   = mean of s[1] .. s[L]

Source: the authors' second code (google-research/enas_lm); they withdrew their first.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

FUNCTIONS = ("tanh", "relu", "sigmoid", "identity")


@dataclass(frozen=True, order=True)
class Cell:
    """A recurrent cell: of each node, the node that it reads and its function.

    Raises:
        ValueError: there is no node, a node does not read one before it, or there is no such
            function.

    Examples:
        >>> cell = Cell.read("0:tanh 0:relu 1:identity")
        >>> print(cell.canonical())
        0:relu 0:tanh 2:identity
    """

    nodes: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("a cell needs at least one node; got none; give one as 0:tanh")
        for number, (before, function) in enumerate(self.nodes, 1):
            if not 0 <= before < number:
                raise ValueError(
                    f"node {number} of a cell needs a node from 0 to {number - 1} to read; got "
                    f"{before}"
                )
            if function not in FUNCTIONS:
                raise ValueError(
                    f"node {number} of a cell needs a function of {', '.join(FUNCTIONS)}; got "
                    f"{function!r}"
                )

    def __str__(self) -> str:
        return " ".join(f"{before}:{function}" for before, function in self.nodes)

    @classmethod
    def read(cls, text: str) -> "Cell":
        """What `str` wrote: for each node the one it reads, a colon, and the function.

        Raises:
            ValueError: it is something else.
        """
        parts = [each.partition(":") for each in text.split()]
        if not all(before.isascii() and before.isdigit() for before, _, _ in parts):
            raise ValueError(
                f"a cell needs NODE:FUNCTION for each node, such as 0:tanh 1:relu; got {text!r}"
            )
        return cls(tuple((int(before), function) for before, _, function in parts))

    def canonical(self) -> "Cell":
        """The same network with its nodes in one order: the least of all that describe it.

        The next state is a mean, so a cell is a tree whose children have no order.
        """
        found: list[tuple[int, str]] = []

        def write(tree: tuple, parent: int) -> None:
            for branch in tree:
                found.append((parent, branch[0]))
                write(branch[1], len(found))

        write(self._tree(0), 0)
        return Cell(tuple(found))

    def _tree(self, node: int) -> tuple:
        """Of what reads a node: function and tree of each, sorted."""
        return tuple(sorted(
            (function, self._tree(number))
            for number, (before, function) in enumerate(self.nodes, 1) if before == node
        ))  # fmt: skip


def count(nodes: int) -> int:
    """How many descriptions there are of cells of so many nodes.

    Examples:
        >>> count(3)
        384
    """
    return len(FUNCTIONS) ** nodes * math.factorial(nodes)


def every(nodes: int) -> Iterator[Cell]:
    """Every description of a cell of so many nodes."""
    reads = product(*(range(number) for number in range(1, nodes + 1)))
    for before in reads:
        for functions in product(FUNCTIONS, repeat=nodes):
            yield Cell(tuple(zip(before, functions, strict=True)))


def distinct(nodes: int) -> list[Cell]:
    """Every cell of so many nodes, once.

    Examples:
        >>> len(distinct(3))
        188
    """
    return sorted({cell.canonical() for cell in every(nodes)})


def choices(cells: Sequence[Cell]) -> tuple[Tensor, Tensor]:
    """Cells as numbers: of each node, (G, L), the one that it reads and that of its function."""
    before = torch.tensor([[node for node, _ in cell.nodes] for cell in cells])
    functions = [[FUNCTIONS.index(name) for _, name in cell.nodes] for cell in cells]
    return before, torch.tensor(functions)


def cells_of(before: Tensor, functions: Tensor) -> list[Cell]:
    """What `choices` came from."""
    return [
        Cell(tuple((p, FUNCTIONS[f]) for p, f in zip(*each, strict=True)))
        for each in zip(before.tolist(), functions.tolist(), strict=True)
    ]


def run(
    x: Tensor, state: Tensor, recurrent: Tensor, nodes: Sequence[Tensor], before: Tensor,
    functions: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Cells of G architectures over a sequence, side by side.

    Args:
        x: (T, G, B, 2 H) the product of each input with W_x.
        state: (G, B, H).
        recurrent: (G, H, 2 H) W_s.
        nodes: L times (G, H, 2 H) W_l.
        before: (G, L) the node that each node reads.
        functions: (G, L) the number of its function.

    Returns:
        All states (T, G, B, H), and the last.
    """
    depth = len(nodes)
    reads = [[(before[:, n] == p)[:, None, None] for p in range(n + 1)] for n in range(depth)]
    is_of = [[(functions[:, n] == f)[:, None, None] for f in range(4)] for n in range(depth)]
    found = []
    for x_t in x:
        values = [_mixed(x_t + state @ recurrent, state, None)]
        for weight, read, of in zip(nodes, reads, is_of, strict=True):
            source = values[0]
            for chosen, value in zip(read[1:], values[1:], strict=True):
                source = torch.where(chosen, value, source)
            values.append(_mixed(source @ weight, source, of))
        state = torch.stack(values[1:]).mean(0)
        found.append(state)
    return torch.stack(found) if found else state.new_zeros(0, *state.shape), state


def _mixed(product: Tensor, source: Tensor, of: Sequence[Tensor] | None) -> Tensor:
    """source + sigmoid(t) (f(h) - source), with tanh where no function is chosen."""
    h, t = product.chunk(2, -1)
    if of is None:
        value = h.tanh()
    else:
        value = torch.where(of[0], h.tanh(), h)
        value = torch.where(of[1], h.relu(), value)
        value = torch.where(of[2], h.sigmoid(), value)
    return torch.lerp(source, value, t.sigmoid())
