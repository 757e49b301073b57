"""A translator: an encoder, attention, and a decoder that writes one token after the other.

m[s] = encoder(E x)[s]                         of the source, read in one direction or in both
h[t] = decoder([F y[t-1]; tanh(W_v v)])        v: what each direction of the encoder put out last
c[t] = sum_s a[t, s] m[s]                      a[t]: attention of h[t]; no c without attention
p(y[t] | y[..t-1], x) = softmax(F tanh(W_o [h[t]; c[t]]) + b)

The decoder does not see c[t-1] (no input feeding), so all steps of training go through in one call.
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.tokenizer import PAD
from swiftrnn.nn.attention import Memory
from swiftrnn.nn.decoding import PerInput
from swiftrnn.tasks.translating.train import optimizer
from swiftrnn.training import sizes
from swiftrnn.training.techniques.muon import matrices_of

Batch = dict[str, Tensor]


class Recurrent(nn.Module):
    """What depends on the kind of layer: the encoder and the decoder.

    Args:
        layer: one of `nn.encoder.KINDS`.
        size: of embeddings, and of the vector that the decoder gets at every step.
        hidden: of the layer, in each direction.
        depth: layers on top of each other.
        bidirectional: whether the encoder has two directions.
        dropout: between layers.
    """

    def __init__(
        self, layer: str, size: int, hidden: int, depth: int, bidirectional: bool, dropout: float
    ) -> None:
        super().__init__()
        self.encoder = swift.Encoder(layer, size, hidden, depth, bidirectional, dropout)
        self.decoder = swift.Encoder(layer, 2 * size, hidden, depth, False, dropout)


def width_for(layer: str, size: int, hidden: int, depth: int, bidirectional: bool) -> int:
    """The width at which a layer makes encoder and decoder as large as SRU at `hidden`."""
    return sizes.width_for(
        layer, hidden, lambda name, width: Recurrent(name, size, width, depth, bidirectional, 0.0)
    )


class Translator(L.LightningModule):
    """Sentences to their translations.

    Args:
        languages: the tokens of both.
        layer: of encoder and decoder, one of `nn.encoder.KINDS`.
        size: of embeddings.
        hidden: of SRU in each direction; other layers are as wide as makes them as large.
        depth: layers on top of each other.
        bidirectional: whether the encoder reads in both directions.
        attention: the score, or "none".
        dropout: of embeddings, between layers and before the softmax.
        smoothing: of labels.
        learning_rate: of the optimizer, after the warm-up.
        optimizer: "muon" for the matrices between embeddings and softmax, or "adamw" for all.
    """

    def __init__(
        self,
        languages: Languages,
        layer: str = "sru",
        size: int = 256,
        hidden: int = 256,
        depth: int = 2,
        bidirectional: bool = True,
        attention: str = "general",
        dropout: float = 0.2,
        smoothing: float = 0.1,
        learning_rate: float = 1e-2,
        optimizer: str = "muon",
    ) -> None:
        super().__init__()
        self.languages, self.smoothing = languages, smoothing
        self.learning_rate, self.optimizer = learning_rate, optimizer
        self.sources = nn.Embedding(len(languages.source), size, PAD)
        self.targets = nn.Embedding(len(languages.target), size, PAD)
        for table in (self.sources, self.targets):
            nn.init.normal_(table.weight, std=size**-0.5)
        width = width_for(layer, size, hidden, depth, bidirectional)
        self.recurrent = Recurrent(layer, size, width, depth, bidirectional, dropout)
        self.bridge = nn.Linear(self.recurrent.encoder.output_size, size)
        self.attention = None
        if attention != "none":
            self.memory = nn.Linear(self.recurrent.encoder.output_size, width)
            self.attention = swift.Attention(width, width, attention)
        self.mix = nn.Linear(width * (1 if attention == "none" else 2), size)
        self.bias = nn.Parameter(torch.zeros(len(languages.target)))
        self.dropout = nn.Dropout(dropout)

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Tensor, Memory | None]:
        """Tokens (S, B) and lengths (B) to a vector (1, B, E) and what is attended to."""
        x = self.dropout(self.sources(sources))
        found = self.recurrent.encoder(x, lengths)
        vector = self.bridge(self.recurrent.encoder.ends(found, lengths)).tanh()[None]
        if self.attention is None:
            return vector, None
        return vector, self.attention.memory(self.memory(self.dropout(found)), lengths)

    def _decoded(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """What the softmax sees, (T, B, E), and the weights (T, B, S), all steps at once."""
        vector, memory = self.encode(batch["sources"], batch["source_lengths"])
        y = self.dropout(self.targets(batch["targets"][:-1]))
        both = torch.cat([y, vector.expand(len(y), -1, -1)], -1)
        h = self.recurrent.decoder(both, batch["target_lengths"] - 1)
        return self._mixed(h, memory)

    def _mixed(self, h: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        weights = None
        if self.attention is not None and memory is not None:
            context, weights = self.attention(h, memory)
            h = torch.cat([h, context], -1)
        return self.dropout(self.mix(h).tanh()), weights

    def logits(self, mixed: Tensor) -> Tensor:
        """(..., E) to scores of the target tokens (..., V)."""
        return nn.functional.linear(mixed, self.targets.weight, self.bias)

    def losses(self, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """The loss of each target token but the first, in nats, sentence by sentence: (N,)."""
        mixed, _ = self._decoded(batch)
        after = batch["targets"][1:]
        inside = torch.arange(len(after), device=after.device)[:, None] < (
            batch["target_lengths"] - 1
        )
        return nn.functional.cross_entropy(
            self.logits(mixed[inside]), after[inside], reduction="none", label_smoothing=smoothing
        )

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The mean loss of a batch's target tokens."""
        return self.losses(batch, self.smoothing).mean()

    def attended(self, batch: Batch) -> Tensor | None:
        """How much each target token but the first attends to each source token, (T, B, S)."""
        return self._decoded(batch)[1]

    def start(self, sources: Tensor, lengths: Tensor) -> Any:
        """The state before the first token, for `step`."""
        return None, PerInput(self.encode(sources, lengths))

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last token (N,) of hypotheses, equally many of each source, to scores (N, V)."""
        before, shared = state
        vector, memory = shared.value
        inputs = vector.shape[1]
        vectors = PerInput.unfold(vector.expand(len(tokens) // inputs, -1, -1))
        x = torch.cat([self.targets(tokens), vectors], -1)
        h, after = self.recurrent.decoder.step(x, before)
        mixed, _ = self._mixed(PerInput.fold(h, inputs), memory)
        return self.logits(PerInput.unfold(mixed)), (after, shared)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Muon for what lies between embeddings and softmax, or AdamW for all."""
        muon, tables = self.optimizer == "muon", ("sources", "targets")
        inside = [each for name, each in self.named_children() if name not in tables]
        return optimizer(self, matrices_of(nn.ModuleList(inside if muon else [])),
                         self.learning_rate)  # fmt: skip
