"""The tagger: words and their characters, read in both directions, and scores of whole sequences.

x[t] = (E w[t], char BiLSTM of w[t])    h = BiLSTM(dropout(x))    P = W tanh(V h)    score: nn.CRF
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.sentences import TagVocabulary, folded
from swiftrnn.data.tags import may_follow
from swiftrnn.data.vectors import Vectors

REPLACED = 0.5  # of the words seen once, at each sight: their vector becomes that of the unknown
UNIFORM = 3**0.5  # times 1 / sqrt(size): the paper's bounds of a vector of that size


def allowed(tags: list[str]) -> swift.Allowed:
    """What IOBES allows."""
    rows = [[may_follow(a, b) for b in tags] for a in tags]
    edges = [[may_follow(None, t) for t in tags], [may_follow(t, None) for t in tags]]
    return swift.Allowed(torch.tensor(rows), *map(torch.tensor, edges))


class Tagger(L.LightningModule):
    """Sentences to tags.

    Args:
        vocabulary: what there is.
        layer: of characters and words, one of `nn.encoder.KINDS`.
        word_size, char_size: of their vectors; a char_size of 0 leaves characters out.
        char_hidden, hidden: of the two recurrent layers, in each direction.
        char_depth, depth: of characters and of words, layers on top of each other.
        bigrams: whether a word's vector also depends on the word before it.
        crf: whether sequences are scored as a whole, or each tag by itself.
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
        hidden: int = 100,
        depth: int = 1,
        bigrams: bool = False,
        crf: bool = True,
        dropout: float = 0.5,
        learning_rate: float = 2e-3,
        steps: int = 1000,
    ) -> None:
        super().__init__()
        self.vocabulary, tags = vocabulary, vocabulary.tags
        runs = 2 if bigrams else 1
        self.word = swift.NgramEmbedding(len(vocabulary.words), word_size, runs, 1 << 16)
        size = word_size
        self.char = self.spelling = None
        if char_size:
            self.char = nn.Embedding(max(1, len(vocabulary.chars)), char_size)
            self.spelling = swift.Encoder(layer, char_size, char_hidden, char_depth)
            size += self.spelling.output_size
        self.encoder = swift.Encoder(layer, size, hidden, depth, dropout=dropout)
        self.inner = nn.Linear(self.encoder.output_size, hidden)
        self.readout = nn.Linear(hidden, len(tags))
        self.crf = swift.CRF(len(tags), allowed=allowed(tags)) if crf else None
        self.dropout, self.learning_rate, self.steps = dropout, learning_rate, steps
        rare = torch.zeros(len(vocabulary.words), dtype=torch.bool)
        rare[vocabulary.rare] = True
        self.register_buffer("rare", rare, persistent=False)
        for table in (self.word.tokens.weight, *([self.char.weight] if self.char else [])):
            bound = UNIFORM / table.shape[1] ** 0.5
            nn.init.uniform_(table, -bound, bound)

    @torch.no_grad()
    def start_from(self, vectors: Vectors) -> None:
        """Give words the vectors that they have elsewhere."""
        known = {folded(word, self.vocabulary.lower): v for word, v in vectors.of.items()}
        for i, word in enumerate(self.vocabulary.words):
            if word in known:
                self.word.tokens.weight[i] = torch.from_numpy(known[word])

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The score of each tag at each step, (T, B, K)."""
        words = batch["words"]
        if self.training:
            gone = self.get_buffer("rare")[words] & (
                torch.rand(words.shape, device=words.device) < REPLACED
            )
            words = words.masked_fill(gone, 0)
        parts = [self.word(words)[0]]
        if self.char is not None and self.spelling is not None:
            spelt = self.spelling(self.char(batch["chars"]), batch["char_lengths"])
            ends = self.spelling.ends(spelt, batch["char_lengths"])
            parts.append(ends[batch["word_of"]])
        x = self.dropped(torch.cat(parts, -1))
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
            return self.crf(emissions, tags, lengths, "token_mean")
        inside = torch.arange(len(tags), device=tags.device)[:, None] < lengths
        return nn.functional.cross_entropy(emissions[inside], tags[inside])

    @torch.no_grad()
    def decode(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Scores (T, B, K), and the likeliest tags (T, B)."""
        emissions, crf = self(batch), self.crf
        if crf is None:
            return emissions, emissions.argmax(-1)
        return emissions, crf.decode(emissions, batch["lengths"])

    def confidence(
        self, emissions: Tensor, path: Tensor, spans: list[tuple[int, int, int]], lengths: Tensor
    ) -> list[float]:
        """How likely it is that spans (b, first, end) have their tags."""
        if self.crf is not None:
            return self.crf.span_probabilities(emissions, path, spans, lengths)
        p = emissions.softmax(-1).gather(2, path[..., None])[..., 0]
        return [float(p[first:end, b].prod()) for b, first, end in spans]

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate falls along a line."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.learning_rate, weight_decay=0.01, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: max(0.0, 1 - step / self.steps)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
