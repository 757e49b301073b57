"""The chunker: words and their characters, and what a stack does with them.

x[t] = relu(W (E w[t], char BiLSTM of w[t]) + b)    p(action | all before): nn.StackLSTM
"""

import math
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.tagged.sentences import TagVocabulary
from swiftrnn.data.tagged.tags import Span, to_tags
from swiftrnn.tasks.tagging.find import Tagged
from swiftrnn.tasks.tagging.train import falling_adamw, mean_over_words


class Chunker(L.LightningModule):
    """Sentences to spans.

    Args:
        vocabulary: what there is.
        layer: of all that is recurrent, one of `nn.encoder.KINDS`.
        word_size, char_size: of their vectors; a char_size of 0 leaves characters out.
        char_hidden, hidden: of the layer of characters, in each direction, and of the others.
        char_depth, depth: layers on top of each other.
        char_ngrams: the longest run of characters that has a vector of its own.
        input_size: of a word as stack, outputs and words to come see it.
        action_size: of the vector of an action.
        replaced: how often a word seen once stands for the unknown one.
        foreign: how often characters, and words with all of theirs, stand for unknown ones.
        dropout: of features of words, one choice for a sentence, and of the state.
        beam: ways that are followed at a time.
        learning_rate: of AdamW at the start; falls to 0 along a line.
        steps: until then.
    """

    def __init__(
        self,
        vocabulary: TagVocabulary,
        layer: str = "lstm",
        word_size: int = 100,
        char_size: int = 25,
        char_hidden: int = 25,
        char_depth: int = 1,
        char_ngrams: int = 1,
        hidden: int = 100,
        depth: int = 2,
        input_size: int = 100,
        action_size: int = 16,
        replaced: float = 0.5,
        foreign: float = 0.02,
        dropout: float = 0.3,
        beam: int = 1,
        learning_rate: float = 2e-3,
        steps: int = 1000,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.types = [tag[2:] for tag in vocabulary.tags if tag.startswith("S-")]
        self.embedding = swift.TokenEmbedding(
            layer, len(vocabulary.words), word_size, len(vocabulary.chars), char_size, char_hidden,
            char_depth, char_ngrams, rare=vocabulary.rare, replaced=replaced,
            char_kinds=vocabulary.char_kinds, foreign=foreign, unknown=vocabulary.unknown,
        )  # fmt: skip
        self.inner = nn.Linear(self.embedding.output_size, input_size)
        self.chunker = swift.StackLSTM(
            layer, input_size, hidden, len(self.types), depth, action_size, dropout
        )
        self.dropout, self.beam = dropout, beam
        self.learning_rate, self.steps = learning_rate, steps

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """x, (T, B, input_size)."""
        names = ("words", "chars", "char_lengths", "word_of")
        x = self.embedding(*(batch[name] for name in names))
        if self.training:  # the same features for a whole sentence
            x = x * nn.functional.dropout(x.new_ones(x.shape[1:]), self.dropout)
        return torch.relu(self.inner(x))

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Loss in nats, the mean over words."""
        known = spans_of(batch["tags"].numpy(force=True))
        nats = self.chunker(self(batch), batch["lengths"], known)
        return mean_over_words(nats.sum(), batch)

    def found(self, batch: dict[str, Tensor]) -> list[Tagged]:
        """The spans of each sentence's likeliest way, and their part of the beam's probability."""
        every = self.chunker.n_best(self(batch), batch["lengths"], self.beam)
        found = []
        for ways, n in zip(every, batch["lengths"].tolist(), strict=True):
            shares = [math.exp(p - ways[0][0]) for p, _ in ways]
            odds = {
                span: sum(share for share, (_, spans) in zip(shares, ways, strict=True)
                          if span in spans) / sum(shares)
                for span in ways[0][1]
            }  # fmt: skip
            spans = {self._span(span): p for span, p in odds.items()}
            found.append(Tagged(to_tags(list(spans), n, "IOBES"), spans))
        return found

    def n_best(self, batch: dict[str, Tensor], n: int) -> list[list[tuple[float, list[Span]]]]:
        """Of each sentence the n likeliest readings that a beam as wide finds."""
        every = self.chunker.n_best(self(batch), batch["lengths"], max(n, self.beam))
        return [
            [(math.exp(p), [self._span(span) for span in spans]) for p, spans in ways[:n]]
            for ways in every
        ]

    def _span(self, span: tuple[int, int, int]) -> Span:
        return Span(self.types[span[0]], *span[1:])

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate falls along a line."""
        return falling_adamw(self, self.learning_rate, self.steps)


def spans_of(tags: np.ndarray) -> list[list[tuple[int, int, int]]]:
    """Spans (type, first, end) of sentences, from numbers of IOBES tags, (T, B)."""
    found: list[list[tuple[int, int, int]]] = [[] for _ in range(tags.shape[1])]
    place, inside = (tags - 1) % 4, tags > 0  # B, I, E, S
    firsts = np.argwhere((inside & ((place == 0) | (place == 3))).T)
    ends = np.argwhere((inside & (place >= 2)).T)
    for (b, first), (_, last) in zip(firsts.tolist(), ends.tolist(), strict=True):
        found[b].append((int(tags[first, b] - 1) // 4, first, last + 1))
    return found
