"""A recurrent language model: embedding, one kind of layer, and a linear read-out.

e[t] = E[x[t]] + P sum_n F[hash(x[t-n+1..t])],    h, state = layer(e, state)
p(x[t+1] | x[0..t]) = softmax(W (h[t] + e[t]) + b)

With tied weights W = E, and h[t] takes the place of h[t] + e[t].
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.language_model.stack import Stack, has_lstm, one_step
from swiftrnn.training.techniques.muon import Muon, matrices_of
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler
from swiftrnn.training.techniques.variational_dropout import locked

LAYERS = ("sru", "qrnn", "mingru", "lstm", "gru", "conv")
CONV_SHAPES = ((3, 8), (6, 3), (9, 2))  # blocks, kernel for 1, 2, 3 layers: they see 512 or more
TIED = 0.1  # vectors of words begin within this of 0, where the read-out has the same


def build_layer(name: str, hidden: int, depth: int) -> nn.Module:
    """The recurrent part: (T, B, hidden) and a state to the same and a state.

    For one of `LAYERS` with `depth` layers on top of each other (the convolution: `CONV_SHAPES`).

    Raises:
        ValueError: there is no such layer.
    """
    if name not in LAYERS:
        raise ValueError(
            f"a language model needs a layer of {', '.join(LAYERS)}; got {name!r}; choose one"
        )
    if name == "conv":
        blocks, kernel = CONV_SHAPES[min(depth, len(CONV_SHAPES)) - 1]
        return swift.CausalConv(hidden, hidden, max(blocks, depth), kernel_size=kernel)
    ours: dict[str, Any] = {"sru": swift.SRU, "qrnn": swift.QRNN, "mingru": swift.MinGRU}
    kinds = ours | {"lstm": nn.LSTM, "gru": nn.GRU}
    return kinds[name](hidden, hidden, num_layers=depth)


def detach(state: Any) -> Any:
    """A state without its history; a part of a larger tensor gets memory of its own."""
    if isinstance(state, Tensor):
        part = state.untyped_storage().nbytes() > state.nbytes
        return state.detach().clone() if part else state.detach()
    return None if state is None else tuple(detach(each) for each in state)


@cache
def check_lstm_in_bfloat16() -> None:
    """Refuse what torch's LSTM cannot do in bfloat16 on this processor.

    Raises:
        ValueError: it cannot.
    """
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(2, 2)(torch.zeros(2, 1, 2))
    except RuntimeError as error:
        raise ValueError(
            "torch's LSTM in bfloat16 needs a processor with AVX-512; got one without "
            f"({str(error).partition('.')[0]}); give --dtype float32, or another layer"
        ) from None


class LanguageModel(L.LightningModule):
    """Predicts the next byte or word.

    Args:
        layer: one of `LAYERS`.
        hidden: width of embedding and layer.
        depth: layers on top of each other.
        vocabulary: how many different tokens there are.
        ngrams: the longest run of tokens that has a vector of its own; 1 for none.
        ngram_rows: how many vectors there are for such runs; a power of two.
        cutoffs: where clusters of rare tokens begin in the read-out; see `nn.AdaptiveSoftmax`.
        tied: whether the read-out has the vectors of the embedding.
        dropout: of vectors of tokens, between layers and before the read-out, with one mask for
            all tokens of a batch's sequence (variational).
        word_dropout: how often a word is left out of a batch, wherever it occurs.
        weight_drop: of weights of the layer: torch's from state to state, ours from the input.
        optimizer: adamw, or muon, which makes the layer's matrices learn by orthogonal updates.
        learning_rate: of the optimizer, after the warm-up.
        warmup: updates in which the rate rises from 0.
        knee: updates after which it falls with the inverse square root.
        steps: updates until it falls to 0, along a line; 0 for the inverse square root.
        weight_decay: of AdamW.
        dtype: float32 or bfloat16, of the arithmetic; weights and loss are float32.
    """

    def __init__(
        self,
        layer: str = "sru",
        hidden: int = 512,
        depth: int = 2,
        vocabulary: int = 256,
        ngrams: int = 1,
        ngram_rows: int = 1 << 16,
        cutoffs: Sequence[int] = (),
        tied: bool = False,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        weight_drop: float = 0.0,
        optimizer: str = "adamw",
        learning_rate: float = 4e-3,
        weight_decay: float = 0.01,
        warmup: int = 50,
        knee: int = 500,
        steps: int = 0,
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        self.embedding = swift.NgramEmbedding(vocabulary, hidden, ngrams, ngram_rows)
        if dropout or weight_drop:
            self.layer = Stack(partial(build_layer, layer, hidden), depth, dropout, weight_drop)
        else:
            self.layer = build_layer(layer, hidden, depth)
        self.readout = swift.AdaptiveSoftmax(hidden, vocabulary, cutoffs)
        self.tied, self.dropout, self.word_dropout = tied, dropout, word_dropout
        if tied:
            vectors: Any = self.embedding.tokens.weight
            nn.init.uniform_(vectors, -TIED, TIED)
            nn.init.zeros_(self.readout.bias)
            self.readout.weight = vectors
        self.optimizer, self.weight_decay = optimizer, weight_decay
        self.learning_rate, self.warmup = learning_rate, warmup
        self.knee, self.steps = knee, steps
        self.head = (*cutoffs, vocabulary)[0]  # scores that every token costs
        self.mixed = dtype == "bfloat16"
        self.vocabulary = Vocabulary()  # of bytes; whoever builds one of words puts it here
        self.carried: Any = None  # the state at the end of the last batch

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B) and a state to logits (T, B, V) in float32 and the state after them."""
        return self._through(self.layer, tokens, state)

    def read(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B) and a state to the logits (B, V) after the last, and the state there.

        Where T is large this takes far less memory than all logits.
        """
        hidden_TBH, state = self._hidden(self.layer, tokens, state)
        return self._logits(hidden_TBH[-1]), state

    def step(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One token of each stream, (B,), and a state to logits (B, V) and the next state."""
        logits_1BV, state = self._through(self._layer_step, tokens[None], state)
        return logits_1BV[0], state

    def _layer_step(self, x_1BH: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden_BH, state = one_step(self.layer, x_1BH[0], state)
        return hidden_BH[None], state

    def _through(self, layer: Any, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden_TBH, state = self._hidden(layer, tokens, state)
        return self._logits(hidden_TBH), state

    def _logits(self, hidden: Tensor) -> Tensor:
        with self._autocast():
            return self.readout.logits(hidden).float()

    def _hidden(self, layer: Any, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """What the read-out sees, (T, B, H), and the state."""
        past, state = state or (None, None)
        if self.mixed and has_lstm(self.layer) and tokens.device.type == "cpu":
            check_lstm_in_bfloat16()
        with self._autocast():
            embedded_TBH, past = self.embedding(tokens, past)
            if self.training and self.word_dropout:
                embedded_TBH = embedded_TBH * self._kept(tokens, embedded_TBH)
            hidden_TBH, state = layer(locked(embedded_TBH, self._p), state)
            if not self.tied:
                hidden_TBH = hidden_TBH + embedded_TBH
            return locked(hidden_TBH, self._p), (past, state)

    @property
    def _p(self) -> float:
        return self.dropout if self.training else 0.0

    def _kept(self, tokens: Tensor, like: Tensor) -> Tensor:
        """For each token 0, or 1 over the part that is kept; the same wherever a word occurs."""
        words = like.new_ones(self.embedding.tokens.num_embeddings)
        return nn.functional.dropout(words, self.word_dropout)[tokens][..., None]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed)

    def losses(self, tokens: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B), what follows them (T, B), and a state to losses (T, B), nats, and state.

        With clusters in the read-out this costs far less than all logits.
        """
        hidden_TBH, state = self._hidden(self.layer, tokens, state)
        with self._autocast():
            return self.readout(hidden_TBH, targets), state

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """Mean loss in nats of (T + 1, B) tokens, going on from the batch before."""
        losses_TB, state = self.losses(batch[:-1], batch[1:], self.carried)
        self.carried = detach(state)
        return losses_TB.mean()

    def configure_optimizers(self) -> Any:
        """AdamW or Muon, whose rate depends on the number of the update only."""
        optimizer = Muon(  # AdamW, where there are no matrices
            matrices_of(self.layer) if self.optimizer == "muon" else (),
            self.parameters(),
            self.learning_rate,
            steps=3,  # 5 learnt no more per update and took longer
            betas=(0.9, 0.99),
            weight_decay=self.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )
        schedule = scheduler(optimizer, self.rate)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def rate(self, step: float) -> float:
        """What the learning rate is multiplied by at update `step`, counted from 0."""
        if not self.steps:
            return InverseSquareRoot(self.knee, self.warmup)(step)
        return min(1.0, (step + 1) / max(self.warmup, 1)) * max(0.0, 1 - step / self.steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: the carried state belongs to a checkpoint."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: take it back."""
        self.carried = checkpoint["carried"]
