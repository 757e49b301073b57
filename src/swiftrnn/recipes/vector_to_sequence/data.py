"""Strips of three digits side by side, and the numbers they show; made of images of one digit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data import images
from swiftrnn.data.batches import generator
from swiftrnn.data.images import Images
from swiftrnn.recipes.vector_to_sequence.spelling import END, PAD, START, Letters, spelled

SIDE, DIGITS = 28, 3
NUMBERS = 10**DIGITS
VALID = 5_000  # of the training images of single digits


@dataclass(frozen=True)
class Digits:
    """Images of single digits.

    Attributes:
        pixels: (N, 28, 28) of uint8, bright on black, all zeros first, then all ones, and so on.
        counts: (10,): how many there are of each digit.
    """

    pixels: Tensor
    counts: Tensor

    @classmethod
    def of(cls, found: Images) -> "Digits":
        """Sorted by what they show.

        Raises:
            ValueError: a digit has no image.
        """
        counts = torch.bincount(found.labels, minlength=10)
        if not counts.all():
            raise ValueError("strips need images of all ten digits; got none of some")
        return cls(found.pixels[found.labels.argsort(stable=True)], counts)

    def strips(
        self, numbers: Tensor, draw: torch.Generator | None = None, shift: int = 0
    ) -> Tensor:
        """An image of each number, (N, 28, 84): any image of each digit, moved a little.

        Args:
            numbers: (N,) from 0 to 999.
            draw: of random numbers; torch's own by default.
            shift: the most that a digit is moved, in pixels, up, down, left and right.
        """
        count, high, wide = len(numbers), SIDE + 2 * shift, DIGITS * SIDE + 2 * shift
        found = torch.zeros(count, high, wide, dtype=torch.uint8)
        each, firsts = torch.arange(count)[:, None, None], self.counts.cumsum(0) - self.counts
        for column, place in enumerate((100, 10, 1)):
            digit = numbers // place % 10
            which = (torch.rand(count, generator=draw) * self.counts[digit]).long()
            moves = torch.randint(2 * shift + 1, (count, 2, 1, 1), generator=draw)
            down = moves[:, 0] + torch.arange(SIDE)[:, None]
            right = moves[:, 1] + torch.arange(SIDE) + column * SIDE
            at = (each, down, right)
            found[at] = torch.maximum(found[at], self.pixels[firsts[digit] + which])
        return found[:, shift : shift + SIDE, shift : shift + DIGITS * SIDE]


def mnist() -> tuple[Digits, Digits, Digits]:
    """Handwritten digits: to learn from, to look at while learning, and to test on."""
    known, test = images.known("mnist", "train"), images.known("mnist", "test")
    rows = torch.arange(len(known))
    parts = known.take(rows[:-VALID]), known.take(rows[-VALID:]), test
    train, valid, tested = map(Digits.of, parts)
    return train, valid, tested


def made_up(seed: int) -> tuple[Digits, Digits, Digits]:
    """A blurred pattern of its own for each digit, with noise: nothing is downloaded."""
    draw = np.random.default_rng(seed)
    coarse = draw.random((10, 4, 4)) > 0.5
    patterns = np.pad(coarse.repeat(5, 1).repeat(5, 2) * 200.0, ((0, 0), (4, 4), (4, 4)))

    def part(count: int) -> Digits:
        labels = np.arange(count) % 10
        pixels = (patterns[labels] + draw.normal(0, 25, (count, SIDE, SIDE))).clip(0, 255)
        made = torch.from_numpy(pixels.astype(np.uint8))
        return Digits.of(Images(made, torch.from_numpy(labels), tuple("0123456789")))

    return part(400), part(100), part(200)


def held_out(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """The numbers that are learnt from, and those that never are."""
    order = torch.randperm(NUMBERS, generator=torch.Generator().manual_seed(seed))
    return order[count:].sort().values, order[:count].sort().values


class Strips:
    """Endless batches of strips and their numbers in letters.

    Args:
        digits: images of single digits.
        numbers: that are shown, each as often as the others.
        letters: of the language.
        language: of the words.
        batch_size: strips of a batch.
        shift: the most that a digit is moved, in pixels.
        permuted: whether each strip gets the words of another one: the control.
    """

    def __init__(
        self,
        digits: Digits,
        numbers: Tensor,
        letters: Letters,
        language: str,
        batch_size: int,
        shift: int,
        permuted: bool = False,
    ) -> None:
        self.digits, self.numbers, self.batch_size = digits, numbers, batch_size
        self.shift, self.permuted, self.draw = shift, permuted, generator()
        words = [[START, *letters.tokens(spelled(n, language)), END] for n in range(NUMBERS)]
        self.words = torch.full((NUMBERS, letters.longest + 2), PAD)
        for number, row in enumerate(words):
            self.words[number, : len(row)] = torch.tensor(row)
        self.lengths = torch.tensor([len(row) for row in words])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            picked = self.numbers[torch.randint(
                len(self.numbers), (self.batch_size,), generator=self.draw
            )]  # fmt: skip
            strips = self.digits.strips(picked, self.draw, self.shift)
            if self.permuted:
                picked = picked[torch.randperm(len(picked), generator=self.draw)]
            yield {"strips": strips} | self.spelled(picked)

    def spelled(self, numbers: Tensor) -> dict[str, Tensor]:
        """Tokens (T, B) of numbers, from start to end, and how many each has (B)."""
        lengths = self.lengths[numbers]
        return {"tokens": self.words[numbers, : int(lengths.max())].t(), "lengths": lengths}
