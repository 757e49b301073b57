"""What is compared in training and testing, drawn by alphabet, character and drawer.

Neither the drawer nor the image gives an answer away: the two drawings of a pair are by different
people whether the characters are the same or not, and all candidates of a run are by one person,
what is to be recognised by another.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from swiftrnn.data.batches import generator
from swiftrnn.recipes.one_shot.data import Drawings

TOGETHER = 8  # characters of one alphabet in a group of pairs


class Run(NamedTuple):
    """One drawing of each of several characters, and others to be recognised.

    Attributes:
        support: (K, 32, 32) of uint8: the candidates, by one person.
        query: (Q, 32, 32), by another person.
        right: (Q): the candidate that shows the same character.
    """

    support: Tensor
    query: Tensor
    right: Tensor


class Index:
    """The drawings of each character by each drawer; draws some of them at random.

    Args:
        drawings: of which each alphabet has two characters, and each character two drawers.
        draw: of random numbers; torch's own by default.

    Raises:
        ValueError: there are fewer.
    """

    def __init__(self, drawings: Drawings, draw: torch.Generator | None = None) -> None:
        self.draw, self.rows = draw, {}
        self.drawers: dict[int, list[int]] = {}
        self.characters: dict[int, list[int]] = {}
        ids = torch.stack([drawings.alphabet, drawings.character, drawings.drawer], 1).tolist()
        for row, (alphabet, character, drawer) in enumerate(ids):
            if character not in self.drawers:
                self.characters.setdefault(alphabet, []).append(character)
            self.drawers.setdefault(character, []).append(drawer)
            self.rows[character, drawer] = row
        for alphabet, known in self.characters.items():
            if len(known) < 2 or any(len({*self.drawers[each]}) < 2 for each in known):
                raise ValueError(
                    "drawings need two characters in each alphabet, each by two drawers; got "
                    f"fewer in {drawings.names[alphabet]}"
                )
        self.alphabets = sorted(self.characters)

    def alphabet(self) -> int:
        """A random one, a larger one more often."""
        sizes = torch.tensor([float(len(self.characters[a])) for a in self.alphabets])
        return self.alphabets[int(torch.multinomial(sizes, 1, generator=self.draw))]

    def some(self, known: Sequence[int], count: int) -> list[int]:
        """Some of what is known, each once, in random order."""
        return [known[i] for i in torch.randperm(len(known), generator=self.draw)[:count].tolist()]

    def two_halves(self, characters: Sequence[int]) -> list[list[int]]:
        """Rows of a drawing of each by someone of one half of the people, and of the other half."""
        people = sorted({drawer for each in characters for drawer in self.drawers[each]})
        half = {*self.some(people, len(people) // 2)}
        found: list[list[int]] = [[], []]
        for each in characters:
            known = self.some(self.drawers[each], len(self.drawers[each]))
            one = next((d for d in known if d in half), known[0])
            other = next((d for d in known if d not in half and d != one), None)
            if other is None:  # who drew it are all of one half
                other = next(d for d in known if d != one)
            found[0].append(self.rows[each, one])
            found[1].append(self.rows[each, other])
        return found

    def two_people(self, characters: Sequence[int]) -> list[list[int]]:
        """Rows of a drawing of each by one person, and by another; else as `two_halves`."""
        both = sorted(set.intersection(*({*self.drawers[each]} for each in characters)))
        if len(both) < 2:
            return self.two_halves(characters)
        return [[self.rows[each, one] for each in characters] for one in self.some(both, 2)]


class Pairs:
    """Endless batches of pairs.

    A batch consists of groups: characters of one alphabet, each drawn by two people, and none who
    drew a first drawing of a group drew a second one. Each first drawing is compared with the
    second of its own character, and with those of others.

    Args:
        drawings: to learn from.
        groups: of a batch.
        different: pairs of different characters for each pair of the same one.
        permuted: whether the labels are permuted: the control.
    """

    def __init__(
        self, drawings: Drawings, groups: int, different: int = 1, permuted: bool = False
    ) -> None:
        self.draw = generator()
        self.pixels, self.index = drawings.pixels, Index(drawings, self.draw)
        self.groups, self.different, self.permuted = groups, different, permuted

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """First and second drawings (M, 32, 32), the group of each (M), and pairs (M, R).

        A pair is the second drawing that a first one is compared with, each as often as the others;
        `same` (M, R) says whether the character is the same.
        """
        while True:
            rows: list[list[int]] = [[], []]
            pairs, group = [], []
            for number in range(self.groups):
                known = self.index.characters[self.index.alphabet()]
                two = self.index.two_halves(self.index.some(known, TOGETHER))
                count, each = len(two[0]), torch.arange(len(two[0]))[:, None]
                away = 1 + torch.randperm(count - 1, generator=self.draw)
                away = away.repeat(self.different)[: self.different]
                pairs.append(
                    len(rows[0]) + (each + torch.cat([torch.zeros(1).long(), away])) % count
                )
                group += [number] * count
                for found, some in zip(rows, two, strict=True):
                    found += some
            paired = torch.cat(pairs)
            same = paired == torch.arange(len(paired))[:, None]
            if self.permuted:
                same = same.flatten()[torch.randperm(same.numel(), generator=self.draw)].view_as(
                    same
                )
            yield {
                "first": self.pixels[rows[0]], "second": self.pixels[rows[1]],
                "group": torch.tensor(group), "pairs": paired, "same": same,
            }  # fmt: skip


def runs(
    drawings: Drawings, count: int, ways: int, draw: torch.Generator, across: bool = False
) -> list[Run]:
    """Runs of one alphabet each, as the published ones, or across all.

    Args:
        drawings: of characters.
        count: of runs.
        ways: candidates of a run; fewer where an alphabet has fewer.
        draw: of random numbers.
        across: whether candidates are of any alphabet.
    """
    index, found = Index(drawings, draw), []
    for _ in range(count):
        known = sorted(index.drawers) if across else index.characters[index.alphabet()]
        support, query = index.two_people(index.some(known, ways))
        found.append(Run(drawings.pixels[support], drawings.pixels[query],
                         torch.arange(len(query))))  # fmt: skip
    return found
