"""The tagger: words and their characters, read in both directions, and scores of whole sequences.

x[t] = (E w[t], char BiLSTM of w[t])    h = BiLSTM(dropout(x))    P = W tanh(V h)    score: nn.CRF
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.tagged.sentences import TagVocabulary
from swiftrnn.data.tagged.tags import Span, may_follow, spans
from swiftrnn.tasks.tagging.find import Tagged
from swiftrnn.tasks.tagging.train import falling_adamw, mean_over_words


def allowed(names: list[str]) -> swift.Allowed:
    """What IOBES allows."""
    rows = [[may_follow(a, b) for b in names] for a in names]
    edges = [[may_follow(None, t) for t in names], [may_follow(t, None) for t in names]]
    return swift.Allowed(torch.tensor(rows), *map(torch.tensor, edges))


class Tagger(L.LightningModule):
    """Sentences to tags.

    Args:
        vocabulary: what there is.
        layer: of characters and words, one of `nn.encoder.KINDS`.
        word_size, char_size: of their vectors; a char_size of 0 leaves characters out.
        char_hidden, hidden: of the two recurrent layers, in each direction.
        char_depth, depth: of characters and of words, layers on top of each other.
        char_ngrams: the longest run of characters that has a vector of its own.
        bigrams: whether a word's vector also depends on the word before it.
        crf: whether sequences are scored as a whole, or each tag by itself.
        replaced: how often a word seen once stands for the unknown one.
        foreign: how often characters, and words with all of theirs, stand for unknown ones.
        dropout: of features of x and of the layer's output, one choice for a sentence.
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
        depth: int = 1,
        bigrams: bool = False,
        crf: bool = True,
        replaced: float = 0.5,
        foreign: float = 0.02,
        dropout: float = 0.5,
        learning_rate: float = 2e-3,
        steps: int = 1000,
    ) -> None:
        super().__init__()
        self.vocabulary, tags = vocabulary, vocabulary.tags
        self.embedding = swift.TokenEmbedding(
            layer, len(vocabulary.words), word_size, len(vocabulary.chars), char_size, char_hidden,
            char_depth, char_ngrams, bigrams, vocabulary.rare, replaced,
            vocabulary.char_kinds, foreign=foreign, unknown=vocabulary.unknown,
        )  # fmt: skip
        self.encoder = swift.Encoder(
            layer, self.embedding.output_size, hidden, depth, dropout=dropout
        )
        self.inner = swift.Linear(self.encoder.output_size, hidden)
        self.readout = swift.Linear(hidden, len(tags))
        self.crf = swift.CRF(len(tags), allowed=allowed(tags)) if crf else None
        self.dropout, self.learning_rate, self.steps = dropout, learning_rate, steps

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The score of each tag at each step, (T, B, K)."""
        names = ("words", "chars", "char_lengths", "word_of")
        x = self.dropped(self.embedding(*(batch[name] for name in names)))
        h = self.dropped(self.encoder(x, batch["lengths"]))
        return self.readout(torch.tanh(self.inner(h)))

    def dropped(self, x: Tensor) -> Tensor:
        """While training, x without some of its features, the same ones for a whole sentence."""
        if not self.training:
            return x
        return x * nn.functional.dropout(x.new_ones(x.shape[1:]), self.dropout)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Loss in nats, the mean over words."""
        emissions, tags, lengths = self(batch), batch["tags"], batch["lengths"]
        if self.crf is not None:
            return mean_over_words(self.crf(emissions, tags, lengths, "sum"), batch)
        inside = torch.arange(len(tags), device=tags.device)[:, None] < lengths
        scores, right = emissions[inside], tags[inside]
        return mean_over_words(nn.functional.cross_entropy(scores, right, reduction="sum"), batch)

    @torch.no_grad()
    def decode(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Scores (T, B, K), and the likeliest tags (T, B)."""
        emissions, crf = self(batch), self.crf
        if crf is None:
            return emissions, emissions.argmax(-1)
        return emissions, crf.decode(emissions, batch["lengths"])

    def found(self, batch: dict[str, Tensor]) -> list[Tagged]:
        """The likeliest tags of each sentence, and how likely their spans are."""
        emissions, path = self.decode(batch)
        names = [[self.vocabulary.tags[k] for k in column] for column in path.t().tolist()]
        names = [row[:n] for row, n in zip(names, batch["lengths"].tolist(), strict=True)]
        known = [spans(row) for row in names]
        places = [(b, s.first, s.end) for b, row in enumerate(known) for s in row]
        odds = iter(self._odds(emissions, path, places, batch["lengths"]))
        return [
            Tagged(row, {s: next(odds) for s in each})
            for row, each in zip(names, known, strict=True)
        ]

    def _odds(
        self, emissions: Tensor, path: Tensor, places: list[tuple[int, int, int]], lengths: Tensor
    ) -> list[float]:
        """How likely it is that spans (b, first, end) have the tags of the path."""
        if self.crf is not None:
            return self.crf.span_probabilities(emissions, path, places, lengths)
        p = emissions.softmax(-1).gather(2, path[..., None])[..., 0]
        return [float(p[first:end, b].prod()) for b, first, end in places]

    def n_best(self, batch: dict[str, Tensor], n: int) -> list[list[tuple[float, list[Span]]]]:
        """Of each sentence the n likeliest readings; without a CRF only the first."""
        lengths = batch["lengths"]
        if self.crf is None:
            odds, path = self(batch).softmax(-1).max(-1)
            inside = torch.arange(len(path), device=path.device)[:, None] < lengths
            paths, p = path[None], torch.where(inside, odds, 1).prod(0)[None]
        else:
            paths, p = self.crf.n_best(self(batch), n, lengths)
        found = []
        for b, length in enumerate(lengths.tolist()):
            names = [
                [self.vocabulary.tags[k] for k in row] for row in paths[:, :length, b].tolist()
            ]
            found.append([(q, spans(row)) for q, row in zip(p[:, b].tolist(), names, strict=True)])
        return found

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate falls along a line."""
        return falling_adamw(self, self.learning_rate, self.steps)
