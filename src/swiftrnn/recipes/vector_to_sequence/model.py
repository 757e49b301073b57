"""An image to a vector, a vector to letters.

v = tanh(W convolutions(image))                  one vector, which is all that goes across
h[t] = layer([E y[t-1]; v])                      any recurrent layer, from an empty state
p(y[t] | y[..t-1], image) = softmax(U [h[t]; v] + b)
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.nn.decoding import greedy
from swiftrnn.nn.rules import Automaton, Rules
from swiftrnn.recipes.vector_to_sequence.data import DIGITS, SIDE
from swiftrnn.recipes.vector_to_sequence.spelling import END, PAD, START, Letters
from swiftrnn.training import sizes
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler

AT_ONCE = 256  # images that are read together


def width_for(layer: str, size: int, hidden: int) -> int:
    """The width at which a layer is as large as SRU at `hidden`."""
    return sizes.width_for(
        layer, hidden, lambda name, width: swift.Encoder(name, size, width, bidirectional=False)
    )


class Speller(L.LightningModule):
    """Images of three digits to the words of their number.

    Args:
        letters: of the language.
        layer: one of `nn.encoder.KINDS`.
        channels: of the first convolution; the next have two and four times as many.
        vector: size of the vector between image and words.
        size: of embeddings of letters.
        hidden: of SRU; other layers are as wide as makes them as large.
        dropout: of the vector.
        learning_rate: of AdamW, at first.
        knee: updates after which it falls with the inverse square root.
    """

    def __init__(
        self,
        letters: Letters,
        layer: str = "sru",
        channels: int = 16,
        vector: int = 128,
        size: int = 32,
        hidden: int = 128,
        dropout: float = 0.1,
        learning_rate: float = 2e-3,
        knee: int = 1000,
    ) -> None:
        super().__init__()
        self.letters, self.learning_rate, self.knee = letters, learning_rate, knee
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, channels, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(),
        )  # fmt: skip
        high, wide = -(-SIDE // 8), -(-DIGITS * SIDE // 8)
        self.vector = nn.Linear(4 * channels * high * wide, vector)
        self.embedding = nn.Embedding(len(letters), size, PAD)
        width = width_for(layer, size + vector, hidden)
        self.layer = swift.Encoder(layer, size + vector, width, bidirectional=False)
        self.readout = nn.Linear(width + vector, len(letters))
        self.dropout = nn.Dropout(dropout)

    def encode(self, strips: Tensor) -> Tensor:
        """Images (B, 28, 84) of uint8, bright on black, to vectors (B, V)."""
        x = strips[:, None].float() / 255
        return self.dropout(self.vector(self.convolutions(x)).tanh())

    def forward(self, vectors: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Vectors (B, V) and tokens (T, B) to scores of what follows each (T, B, letters)."""
        v = vectors.expand(len(tokens), -1, -1)
        h = self.layer(torch.cat([self.embedding(tokens), v], -1), lengths)
        return self.readout(torch.cat([h, v], -1))

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The mean loss of a letter."""
        tokens, lengths = batch["tokens"], batch["lengths"]
        logits = self(self.encode(batch["strips"]), tokens[:-1], lengths - 1)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), tokens[1:].flatten(), ignore_index=PAD
        )

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last letter of each word (B,) to scores of the next, for `nn.decoding`."""
        before, vectors_1BV = state
        x = torch.cat([self.embedding(tokens), vectors_1BV[0]], -1)
        h, after = self.layer.step(x, before)
        return self.readout(torch.cat([h, vectors_1BV[0]], -1)), (after, vectors_1BV)

    @torch.no_grad()
    def read(self, strips: Tensor) -> list[str]:
        """The words of each image, letter by letter, the likeliest each time."""
        table = torch.zeros(1, len(self.letters), dtype=torch.long, device=strips.device)
        table[0, [PAD, START]] = -1
        rules, found = Rules(END, self.letters.longest, constraint=Automaton(table)), []
        for some in strips.split(AT_ONCE):
            start = torch.full((len(some),), START, device=some.device)
            state = (None, self.encode(some)[None])
            found += greedy(self.step, state, start, rules)
        return [self.letters.text(each.tokens) for each in found]

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate depends on the number of the update only."""
        optimizer = torch.optim.AdamW(self.parameters(), self.learning_rate, fused=True)
        schedule = scheduler(optimizer, InverseSquareRoot(self.knee))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
