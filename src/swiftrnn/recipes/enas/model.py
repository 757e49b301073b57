"""Language models whose recurrent cells are of several architectures at once.

`Shared` has one set of weights for all cells of a space: node l has a matrix for each node that it
may read and each function. `Apart` has weights of its own for each of its cells. In both, cells run
side by side in one batch: the weights of each are gathered, and products are grouped.
"""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.enas.cells import FUNCTIONS, Cell, choices, run
from swiftrnn.training.techniques.variational_dropout import locked

TIED = 0.1  # vectors of words begin within this of 0; the read-out has the same


def adamw(module: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW over what a module learns; `fit` sets the rate."""
    fused = next(module.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        module.parameters(), rate, betas=(0.9, 0.99), weight_decay=0.01, fused=fused
    )


def matrix(*shape: int) -> nn.Parameter:
    """Weights (..., I, O) of the size that keeps the size of what goes through."""
    return nn.Parameter(torch.empty(shape).uniform_(-1, 1) * (3 / shape[-2]) ** 0.5)


class Shared(nn.Module):
    """One set of weights for all cells of a space.

    Args:
        nodes: L, of a cell.
        size: H, of words and states.
        vocabulary: V, how many words there are.
    """

    def __init__(self, nodes: int, size: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.empty(vocabulary, size).uniform_(-TIED, TIED))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.input, self.recurrent = matrix(size, 2 * size), matrix(size, 2 * size)
        self.nodes = nn.ParameterList(
            matrix(len(FUNCTIONS) * node, size, 2 * size) for node in range(1, nodes + 1)
        )

    def losses(
        self, batch: Tensor, before: Tensor, functions: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Losses in nats of words, and the state after them.

        Args:
            batch: (T + 1, G, B) words of streams, B for each of G cells.
            before: (G, L) of the cells, see `cells.choices`.
            functions: (G, L) of the cells.
            state: (G, B, H), or None for the beginning.

        Returns:
            (T, G, B), and (G, B, H).
        """
        x = self.words[batch[:-1]]
        state = x.new_zeros(*batch.shape[1:], x.shape[-1]) if state is None else state
        rows = [functions[:, n] * (n + 1) + before[:, n] for n in range(len(self.nodes))]
        nodes = [weight[row] for weight, row in zip(self.nodes, rows, strict=True)]
        groups = len(before)
        hidden, state = run(
            x @ self.input, state, self.recurrent.expand(groups, -1, -1), nodes, before, functions
        )
        logits = nn.functional.linear(hidden, self.words, self.bias)
        after = batch[1:]
        losses = nn.functional.cross_entropy(
            logits.flatten(0, -2), after.flatten(), reduction="none"
        )
        return losses.view(after.shape), state


class Apart(L.LightningModule):
    """Cells with weights of their own, trained side by side on the same words.

    Args:
        cells: G, all of one space.
        size: as of `Shared`; so is the next.
        vocabulary: how many words there are.
        dropout: of words and of what the read-out sees, one mask for all steps of a sequence.
        learning_rate: the peak; `fit` sets the rate.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        size: int,
        vocabulary: int,
        dropout: float = 0.0,
        learning_rate: float = 3e-3,
    ) -> None:
        super().__init__()
        self.cells, self.dropout, self.learning_rate = tuple(cells), dropout, learning_rate
        self.before: Tensor
        self.functions: Tensor
        for name, numbers in zip(("before", "functions"), choices(cells), strict=True):
            self.register_buffer(name, numbers, persistent=False)
        groups = len(cells)
        self.words = nn.Parameter(torch.empty(groups, vocabulary, size).uniform_(-TIED, TIED))
        self.bias = nn.Parameter(torch.zeros(groups, 1, vocabulary))
        self.input = matrix(groups, size, 2 * size)
        self.recurrent = matrix(groups, size, 2 * size)
        self.nodes = nn.ParameterList(
            matrix(groups, size, 2 * size) for _ in range(self.before.shape[1])
        )
        self.carried: Any = None  # the state at the end of the last batch

    def hidden(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Words (T, B) to all states (T, G, B, H), and the last."""
        x = self.words[:, tokens].transpose(0, 1)  # (T, G, B, H)
        state = x.new_zeros(x.shape[1:]) if state is None else state
        products = locked(x, self._p) @ self.input
        return run(
            products, state, self.recurrent, list(self.nodes), self.before, self.functions
        )  # fmt: skip

    @property
    def _p(self) -> float:
        return self.dropout if self.training else 0.0

    def logits(self, hidden: Tensor) -> Tensor:
        """(G, N, H) to the scores of words (G, N, V)."""
        return torch.baddbmm(self.bias, hidden, self.words.transpose(1, 2))

    def losses(
        self, tokens: Tensor, targets: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Words (T, B), what follows them, and a state to losses (T, G, B), nats, and state."""
        hidden, state = self.hidden(tokens, state)
        seen = locked(hidden, self._p).transpose(0, 1).flatten(1, 2)
        logits = self.logits(seen)  # (G, T B, V)
        after = targets.flatten().expand(len(logits), -1)
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1), after.flatten(), reduction="none"
        )
        return losses.view(len(logits), *targets.shape).transpose(0, 1), state

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """The losses of all cells, each a mean over words; each has its own weights."""
        losses, state = self.losses(batch[:-1], batch[1:], self.carried)
        self.carried = state.detach()
        return losses.mean((0, 2)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return adamw(self, self.learning_rate)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: the carried state belongs to a checkpoint."""
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: take it back."""
        self.carried = checkpoint["carried"]


class Writer(nn.Module):
    """A language model of one found cell: what `predict` and `serve` continue texts with.

    Args:
        network: of one cell.
        vocabulary: its words.
    """

    def __init__(self, network: Apart, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.network, self.vocabulary = network, vocabulary
        self.head = len(vocabulary)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.device

    def read(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Words (T, B) and a state to the logits (B, V) after the last, and the state there."""
        hidden, state = self.network.hidden(tokens, state)
        return self.network.logits(hidden[-1])[0], state

    def step(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One word of each text, (B,), and a state to logits (B, V) and the next state."""
        return self.read(tokens[None], state)

    def losses(self, tokens: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Words (T, B), what follows them, and a state to losses (T, B) in nats, and the state."""
        losses, state = self.network.losses(tokens, targets, state)
        return losses[:, 0], state
