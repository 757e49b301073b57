"""A model of bytes that knows nothing but its state.

h[t], s[t] = layer(E x[t], s[t-1]),    p(x[t+1] | x[0..t]) = softmax(W h[t] + b)

While it trains, some streams forget their state before an update, so that it also learns to predict
when it has seen little.
"""

from typing import Any, get_args

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn.nn.encoder import OURS, TORCHS
from swiftrnn.recipes.markov_order.config import Layer
from swiftrnn.training import sizes
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler

LAYERS: tuple[str, ...] = get_args(Layer)
KINDS: dict[str, Any] = OURS | TORCHS
BYTES = 256


def recurrent(layer: str, size: int, hidden: int, depth: int) -> nn.Module:
    """The layers whose state is looked at: (T, B, size) and a state to (T, B, hidden) and one."""
    return KINDS[layer](size, hidden, num_layers=depth)


def width_for(layer: str, size: int, hidden: int, depth: int) -> int:
    """The width at which a layer with its read-out is as large as SRU at `hidden`."""

    def make(name: str, width: int) -> nn.Module:
        return nn.ModuleList([recurrent(name, size, width, depth), nn.Linear(width, BYTES)])

    return sizes.width_for(layer, hidden, make)


def each(function: Any, state: Any) -> Any:
    """A function of tensors over a state."""
    if isinstance(state, Tensor):
        return function(state)
    return None if state is None else tuple(each(function, part) for part in state)


class ByteModel(L.LightningModule):
    """Predicts the next byte from its state alone.

    Args:
        layer: one of `LAYERS`.
        size: of embeddings.
        hidden: of SRU; other layers are as wide as makes them as large.
        depth: layers on top of each other.
        forget: probability that a stream begins an update without its state.
        learning_rate: of AdamW, after the warm-up.
        warmup: updates in which it rises from 0.
        knee: updates after which it falls with the inverse square root.
    """

    def __init__(
        self,
        layer: str = "sru",
        size: int = 128,
        hidden: int = 384,
        depth: int = 2,
        forget: float = 0.5,
        learning_rate: float = 4e-3,
        warmup: int = 50,
        knee: int = 500,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BYTES, size)
        width = width_for(layer, size, hidden, depth)
        self.layer = recurrent(layer, size, width, depth)
        self.readout = nn.Linear(width, BYTES)
        self.forget, self.learning_rate = forget, learning_rate
        self.warmup, self.knee = warmup, knee
        self.carried: Any = None  # the state at the end of the last batch

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Bytes (T, B) and a state to logits (T, B, 256) and the state after them."""
        hidden, state = self.hidden(tokens, state)
        return self.readout(hidden), state

    def hidden(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Bytes (T, B) and a state to what the read-out sees (T, B, H), and the state."""
        return self.layer(self.embedding(tokens), state)

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """Mean loss in nats of (T + 1, B) bytes, going on from the batch before."""
        kept = (torch.rand(batch.shape[1]) >= self.forget)[:, None]
        before = each(lambda part: torch.where(kept, part, 0), self.carried)
        logits, state = self(batch[:-1], before)
        self.carried = each(lambda part: part.detach().clone(), state)
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch[1:].flatten())

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate depends on the number of the update only."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        schedule = scheduler(optimizer, InverseSquareRoot(self.knee, self.warmup))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: the carried state belongs to a checkpoint."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: take it back."""
        self.carried = checkpoint["carried"]
