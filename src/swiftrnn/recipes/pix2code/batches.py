"""The names of a platform as numbers, and batches of screenshots and their programs."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from swiftrnn.data.screens import automaton
from swiftrnn.data.screens.automaton import END, PAD, START
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import Program, of_names
from swiftrnn.recipes.pix2code.data import Screens

SHARE = 4  # every so many of a batch are real, where made and real ones are learnt from


class Symbols:
    """The names of a platform as numbers.

    Args:
        platform: one of `grammar.PLATFORMS`.
    """

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.names = automaton.symbols(PLATFORMS[platform])
        self._number = {name: i for i, name in enumerate(self.names)}
        kinds = PLATFORMS[platform].kinds  # leaves: those that hold nothing
        self.leaves = [i for i, n in enumerate(self.names) if n in kinds and not kinds[n].holds]

    def __len__(self) -> int:
        return len(self.names)

    def tokens(self, program: Program) -> list[int]:
        """A program without start and end."""
        return [self._number[name] for name in program.names]

    def program(self, tokens: Sequence[int]) -> Program:
        """The program of tokens."""
        return of_names([self.names[token] for token in tokens], self.platform)

    def padded(self, programs: Sequence[Program]) -> dict[str, Tensor]:
        """Tokens (T, B) from start to end, and how many each program has (B)."""
        rows = [[START, *self.tokens(each), END] for each in programs]
        lengths = torch.tensor([len(row) for row in rows])
        found = torch.full((int(lengths.max()), len(rows)), PAD)
        for column, row in enumerate(rows):
            found[: len(row), column] = torch.tensor(row)
        return {"tokens": found, "lengths": lengths}


class Batches:
    """Endless batches of screenshots and their programs.

    Args:
        screens: to learn from.
        symbols: of their platform.
        batch_size: of a batch.
        real: others, of which every fourth of a batch is; None for none.
        permuted: whether each screenshot gets the program of another one: the control.
    """

    def __init__(
        self,
        screens: Screens,
        symbols: Symbols,
        batch_size: int,
        real: Screens | None = None,
        permuted: bool = False,
    ) -> None:
        self.screens, self.symbols, self.batch_size = screens, symbols, batch_size
        self.real, self.permuted = real, permuted

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        few = 0 if self.real is None else max(1, self.batch_size // SHARE)
        while True:
            some = [self._some(self.screens, self.batch_size - few)]
            if self.real is not None:
                some.append(self._some(self.real, few))
            programs = [each for part in some for each in part.programs]
            if self.permuted:
                programs = [programs[i] for i in torch.randperm(len(programs)).tolist()]
            pixels = torch.cat([part.pixels for part in some])
            yield {"pixels": pixels} | self.symbols.padded(programs)

    def _some(self, screens: Screens, count: int) -> Screens:
        return screens.take(torch.randint(len(screens), (count,)).tolist())
