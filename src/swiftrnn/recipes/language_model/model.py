"""A recurrent language model: embedding, one kind of layer, and a linear read-out.

e[t] = E[x[t]] + P sum_n F[hash(x[t-n+1..t])],    h, state = layer(e, state)
p(x[t+1] | x[0..t]) = softmax(W (h[t] + e[t]) + b)
"""

import math
from bisect import bisect_left
from functools import cache, partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.training.muon import Muon, matrices_of

LAYERS = ("sru", "qrnn", "mingru", "lstm", "gru", "conv")
CONV_SHAPES = ((3, 8), (6, 3), (9, 2))  # blocks, kernel for 1, 2, 3 layers: they see 512 or more
TOLERANCE = 0.02  # how far apart two sizes may be and still be called equal
EVEN = 16  # multiples suit the vector units: the rivals shall have them, too


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


@cache  # a search asks again and again
def parameters_of(
    name: str, hidden: int, depth: int, vocabulary: int = 256, ngrams: int = 1
) -> int:
    """How many trainable parameters a model has, the table of n-grams aside; allocates nothing."""
    with torch.device("meta"):
        model = LanguageModel(name, hidden, depth, vocabulary, ngrams, ngram_rows=1)
    size = sum(p.numel() for p in model.parameters())
    return size - (model.embedding.ngrams.weight.numel() if ngrams > 1 else 0)


def hidden_for(
    name: str, parameters: int, depth: int, vocabulary: int = 256, ngrams: int = 1
) -> int:
    """The most even width at which `parameters_of` gives, within 2 %, the number that is wanted.

    Raises:
        ValueError: no width comes within 2 %.
    """
    size = partial(parameters_of, name, depth=depth, vocabulary=vocabulary, ngrams=ngrams)
    middle = bisect_left(range(1, 1 << 16), parameters, key=size)
    off = {w: abs(size(w) / parameters - 1) for w in range(max(middle - EVEN, 1), middle + EVEN)}
    close = [width for width, by in off.items() if by < TOLERANCE]
    best = max(close or off, key=lambda w: (math.gcd(w, EVEN) if close else 1, -off[w]))
    if off[best] > TOLERANCE:
        raise ValueError(
            f"{name} needs a size it can come within 2 % of; got {parameters:,} parameters, and "
            f"width {best} is off by {off[best]:.1%}; give a larger --hidden"
        )
    return best


def detach(state: Any) -> Any:
    """A state without its history; a part of a larger tensor gets memory of its own."""
    if isinstance(state, Tensor):
        part = state.untyped_storage().nbytes() > state.nbytes
        return state.detach().clone() if part else state.detach()
    return None if state is None else tuple(detach(each) for each in state)


class LanguageModel(L.LightningModule):
    """Predicts the next byte or word.

    Args:
        layer: one of `LAYERS`.
        hidden: width of embedding and layer.
        depth: layers on top of each other.
        vocabulary: how many different tokens there are.
        ngrams: the longest run of tokens that has a vector of its own; 1 for none.
        ngram_rows: how many vectors there are for such runs; a power of two.
        optimizer: adamw, or muon, which makes the layer's matrices learn by orthogonal updates.
        learning_rate: of the optimizer, after the warm-up.
        warmup: updates in which the rate rises from 0.
        knee: updates after which it falls with the inverse square root.
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
        optimizer: str = "adamw",
        learning_rate: float = 4e-3,
        warmup: int = 50,
        knee: int = 500,
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        self.embedding = swift.NgramEmbedding(vocabulary, hidden, ngrams, ngram_rows)
        self.layer = build_layer(layer, hidden, depth)
        self.readout = swift.Linear(hidden, vocabulary)
        self.optimizer = optimizer
        self.learning_rate, self.warmup, self.knee = learning_rate, warmup, knee
        self.mixed = dtype == "bfloat16"
        self.vocabulary = Vocabulary()  # of bytes; whoever builds one of words puts it here
        self.carried: Any = None  # the state at the end of the last batch

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B) and a state to logits (T, B, V) in float32 and the state after them."""
        return self._through(self.layer, tokens, state)

    def step(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One token of each stream, (B,), and a state to logits (B, V) and the next state."""
        logits_1BV, state = self._through(self._layer_step, tokens[None], state)
        return logits_1BV[0], state

    def _layer_step(self, x_1BH: Tensor, state: Any) -> tuple[Tensor, Any]:
        if not hasattr(self.layer, "step"):  # torch's own layers
            return self.layer(x_1BH, state)
        hidden_BH, state = self.layer.step(x_1BH[0], state)  # pyright: ignore
        return hidden_BH[None], state

    def _through(self, layer: Any, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        past, state = state or (None, None)
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.mixed):
            embedded_TBH, past = self.embedding(tokens, past)
            hidden_TBH, state = layer(embedded_TBH, state)
            logits_TBV = self.readout(hidden_TBH + embedded_TBH)
        return logits_TBV.float(), (past, state)

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """Mean loss in nats of (T + 1, B) tokens, going on from the batch before."""
        logits_TBV, state = self(batch[:-1], self.carried)
        self.carried = detach(state)
        return nn.functional.cross_entropy(logits_TBV.flatten(0, 1), batch[1:].flatten())

    def configure_optimizers(self) -> Any:
        """AdamW or Muon, whose rate depends on the number of the update only."""
        optimizer = Muon(  # AdamW, where there are no matrices
            matrices_of(self.layer) if self.optimizer == "muon" else (),
            self.parameters(),
            self.learning_rate,
            steps=3,  # 5 learnt no more per update and took longer
            betas=(0.9, 0.99),
            weight_decay=0.01,
            fused=self.device.type in ("cpu", "cuda"),
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def rate(self, step: int) -> float:
        """What the learning rate is multiplied by at update `step`, counted from 0."""
        rising = min(1.0, (step + 1) / max(self.warmup, 1))
        return rising * min(1.0, math.sqrt(self.knee / (step + 1)))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: the carried state belongs to a checkpoint."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: take it back."""
        self.carried = checkpoint["carried"]
