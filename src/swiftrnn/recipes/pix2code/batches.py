"""The names of a platform as numbers, and batches of screenshots and their programs."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from swiftrnn.data.batches import generator
from swiftrnn.data.screens import automaton
from swiftrnn.data.screens.automaton import END, PAD, START
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.mixing import Mixer
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
        mixed: share of screenshots that are put together from others, where they can be.
    """

    def __init__(
        self,
        screens: Screens,
        symbols: Symbols,
        batch_size: int,
        real: Screens | None = None,
        permuted: bool = False,
        mixed: float = 0.0,
    ) -> None:
        few = 0 if real is None else max(1, batch_size // SHARE)
        parts = [(screens, batch_size - few)] + ([(real, few)] if real else [])
        self.draw = generator()
        self.parts = [
            (each, Mixer(each.pixels, each.programs, self.draw), count) for each, count in parts
        ]
        self.symbols, self.permuted, self.mixed = symbols, permuted, mixed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            some = [self._some(*part) for part in self.parts]
            programs = [each for part in some for each in part.programs]
            if self.permuted:
                order = torch.randperm(len(programs), generator=self.draw)
                programs = [programs[i] for i in order.tolist()]
            pixels = torch.cat([part.pixels for part in some])
            yield {"pixels": pixels} | self.symbols.padded(programs)

    def _some(self, screens: Screens, mixer: Mixer, count: int) -> Screens:
        few = int((torch.rand(count, generator=self.draw) < self.mixed).sum()) if mixer.pages else 0
        rows = torch.randint(len(screens), (count - few,), generator=self.draw)
        plain = screens.take(rows.tolist())
        drawn = [mixer.draw() for _ in range(few)]
        pixels = torch.stack([*plain.pixels, *(each for each, _ in drawn)])
        return Screens(pixels, plain.programs + tuple(program for _, program in drawn))
