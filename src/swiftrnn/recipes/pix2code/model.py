"""A drafter: a screenshot is read once, then its program is written name by name.

f = convolutions(screenshot)                     features (C, H / 16, W / 16), with coordinates
s = sum softplus(V f - 3)                        how many elements of each kind there are
m = down(across(f))                              recurrent layers along rows, then along columns
x = E y[t-1] + G pool(f)                         a glance at the whole, in 4 x 4 fields
x = x + tanh(W [h; attention(h, m)])             h = layer(x); as often as there are blocks
p(y[t] | y[..t-1], screenshot) = softmax(U x + b)

All steps of training go through in one call. What the published network does with 48 names at a
time, each time with the screenshot anew, `published.py` has.
"""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.screens.automaton import END, PAD, START, automaton
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.nn.attention import Memory
from swiftrnn.nn.decoding import Decoded, PerInput, beam_search
from swiftrnn.nn.rules import Automaton, Rules
from swiftrnn.recipes.pix2code.augment import jittered
from swiftrnn.recipes.pix2code.batches import Symbols
from swiftrnn.recipes.pix2code.data import box
from swiftrnn.recipes.pix2code.eye import Counter, Eye
from swiftrnn.training import sizes
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler

AT_ONCE = 32  # screenshots that are read together
WAVES = 4  # sines and cosines of each coordinate
FIELDS = 4  # along each side, of a glance
HEADS = 4  # of attention


class Recurrent(nn.Module):
    """What depends on the kind of layer.

    Args:
        layer: one of `nn.encoder.KINDS`.
        features: channels of the convolutions, and coordinates.
        size: of embeddings, and between blocks.
        hidden: of the layer; half of it in each direction of the encoder.
        depth: blocks of the decoder.
    """

    def __init__(self, layer: str, features: int, size: int, hidden: int, depth: int) -> None:
        super().__init__()
        half = max(1, hidden // 2)
        self.across = swift.Encoder(layer, features, half)
        self.down = swift.Encoder(layer, 2 * half, half)
        self.blocks = nn.ModuleList(
            swift.Encoder(layer, size, hidden, bidirectional=False) for _ in range(depth)
        )


class Drafter(L.LightningModule):
    """Screenshots to programs.

    Args:
        symbols: of the platform.
        side: the longer one of the images that are read.
        layer: one of `nn.encoder.KINDS`.
        channels: of the first convolution; a multiple of 8.
        size: of the embedding of a name.
        hidden: of SRU; other layers are as wide as makes them as large.
        depth: blocks of the decoder.
        dropout: of features and embeddings, and between blocks.
        jitter: of screenshots while training; see `augment.jittered`.
        count: whether it learns to count; see `eye.Counter`.
        longest: names of a program.
        learning_rate: of AdamW, after the warm-up.
        warmup: updates in which it rises from 0.
        knee: updates after which it falls with the inverse square root.
    """

    def __init__(
        self,
        symbols: Symbols,
        side: int = 256,
        layer: str = "sru",
        channels: int = 16,
        size: int = 64,
        hidden: int = 128,
        depth: int = 2,
        dropout: float = 0.1,
        jitter: float = 0.1,
        count: bool = True,
        longest: int = 160,
        learning_rate: float = 2e-3,
        warmup: int = 100,
        knee: int = 1000,
    ) -> None:
        super().__init__()
        self.symbols, self.jitter = symbols, jitter
        self.size = box(symbols.platform, side)
        self.learning_rate, self.warmup, self.knee = learning_rate, warmup, knee
        self.eye = Eye(channels)
        self.counter = Counter(self.eye.channels, symbols.leaves) if count else None
        features = self.eye.channels + 4 * WAVES
        width = sizes.width_for(
            layer, hidden, lambda name, width: Recurrent(name, features, size, width, depth)
        )
        self.recurrent = Recurrent(layer, features, size, width, depth)
        seen = self.recurrent.down.output_size
        self.norm = nn.LayerNorm(seen)
        self.glance = nn.Linear(FIELDS**2 * self.eye.channels, size)
        self.query = nn.ModuleList(nn.Linear(width, size) for _ in range(depth))
        self.attention = nn.ModuleList(
            swift.MultiHeadAttention(size, HEADS, seen) for _ in range(depth)
        )
        self.mix = nn.ModuleList(nn.Linear(width + size, size) for _ in range(depth))
        self.embedding = nn.Embedding(len(symbols), size, PAD)
        self.readout = nn.Linear(size, len(symbols))
        self.dropout = nn.Dropout(dropout)
        self.longest = longest
        table = torch.tensor(automaton(PLATFORMS[symbols.platform], longest))
        self.table: Tensor
        self.register_buffer("table", table, persistent=False)

    def see(self, pixels: Tensor) -> Tensor:
        """Screenshots (B, 3, H, W) of uint8 to features (B, C, H / 16, W / 16)."""
        return self.eye(pixels.float() / 127.5 - 1)

    def encode(self, f: Tensor) -> tuple[Tensor, list[Memory]]:
        """Features (B, C, H / 16, W / 16) to a glance (1, B, E), and a memory for each block."""
        glance = self.glance(nn.functional.adaptive_avg_pool2d(f, FIELDS).flatten(1))[None]
        x = f.permute(2, 3, 0, 1)  # (H / 16, W / 16, B, C)
        x = self.dropout(torch.cat([x, _places(x)], -1))
        H, W, B = x.shape[:3]
        rows = x.permute(1, 0, 2, 3).flatten(1, 2)  # (W, H B, C)
        x = self.recurrent.across(rows, torch.full((H * B,), W, device=x.device))
        x = x.unflatten(1, (H, B)).permute(1, 0, 2, 3).flatten(1, 2)  # (H, W B, C)
        x = self.recurrent.down(x, torch.full((W * B,), H, device=x.device))
        seen = self.norm(x.unflatten(1, (W, B)).flatten(0, 1))  # (H W, B, C)
        memories = [attention.memory(seen) for attention in self.attention]  # pyright: ignore
        return glance, memories

    def forward(
        self, encoded: tuple[Tensor, list[Memory]], tokens: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (T, B) to scores of what follows each (T, B, V), and queries of the last block."""
        glance, memories = encoded
        x, q = self.dropout(self.embedding(tokens)) + glance, glance
        for block, query, attention, mix, memory in self._blocks(memories):
            h = block(x, lengths)
            q = query(h)
            both = torch.cat([h, attention(q, memory)], -1)
            x = x + self.dropout(mix(both).tanh())
        return self.readout(x), q

    def _blocks(self, memories: list[Memory]) -> Any:
        parts = (self.recurrent.blocks, self.query, self.attention, self.mix, memories)
        return zip(*parts, strict=True)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The mean loss of a name, and where it counts that of a count."""
        tokens, lengths = batch["tokens"], batch["lengths"]
        f = self.see(jittered(batch["pixels"], self.jitter))
        logits, _ = self(self.encode(f), tokens[:-1], lengths - 1)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), tokens[1:].flatten(), ignore_index=PAD
        )
        return loss + self.counter.loss(f, tokens) if self.counter else loss

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last name of each hypothesis (N,) to scores of the next, for `nn.decoding`."""
        before, shared = state
        glance, memories = shared.value
        inputs = glance.shape[1]
        glances = PerInput.unfold(glance.expand(len(tokens) // inputs, -1, -1))
        x, after = self.embedding(tokens) + glances, []
        parts = zip(self._blocks(memories), before, strict=True)
        for (block, query, attention, mix, memory), old in parts:
            h, new = block.step(x, old)
            context = PerInput.unfold(attention(PerInput.fold(query(h), inputs), memory))
            x = x + mix(torch.cat([h, context], -1)).tanh()
            after.append(new)
        return self.readout(x), (after, shared)

    @torch.no_grad()
    def draft(self, pixels: Tensor, beam: int = 1, by_count: bool = True) -> list[Decoded]:
        """The best program of each screenshot (B, 3, H, W) of uint8, as tokens.

        Of what a beam finds the likeliest, or by count what probability and counts agree on best.
        """
        rules = Rules(END, self.longest, constraint=Automaton(self.table))
        found: list[Decoded] = []
        for some in pixels.split(AT_ONCE):
            f = self.see(some)
            start = torch.full((len(some),), START, device=some.device)
            state = ([None] * len(self.attention), PerInput(self.encode(f)))
            drafts = beam_search(self.step, state, start, rules, beam, n_best=beam)
            if self.counter and by_count:
                found += map(self.counter.best, drafts, self.counter(f))
            else:
                found += (best for best, *_ in drafts)
        return found

    @torch.no_grad()
    def looks(self, pixels: Tensor, programs: Sequence[Any]) -> list[Tensor]:
        """Where it looks for each name of a program: (T, H / 16, W / 16) of each screenshot."""
        batch = self.symbols.padded(programs)
        tokens, lengths = (batch[name].to(pixels.device) for name in ("tokens", "lengths"))
        encoded = self.encode(self.see(pixels))
        _, q = self(encoded, tokens[:-1], lengths - 1)
        weights = self.attention[-1].weights(q, encoded[1][-1]).mean(0)  # pyright: ignore
        size = [side // 16 for side in pixels.shape[2:]]
        return [
            weights[: length - 2, i].unflatten(-1, size)
            for i, length in enumerate(lengths.tolist())
        ]

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate depends on the number of the update only."""
        optimizer = torch.optim.AdamW(self.parameters(), self.learning_rate, fused=True)
        schedule = scheduler(optimizer, InverseSquareRoot(self.knee, self.warmup))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def _places(x: Tensor) -> Tensor:
    """Coordinates (H, W, B, 4 WAVES) as sines and cosines, so that attention can peak anywhere."""
    H, W, B = x.shape[:3]
    found = []
    for n, sizes_ in ((H, (H, 1)), (W, (1, W))):
        at = torch.linspace(0, 1, n, device=x.device, dtype=x.dtype).view(*sizes_, 1)
        angles = torch.pi * at * 2.0 ** torch.arange(WAVES, device=x.device, dtype=x.dtype)
        found += [angles.sin(), angles.cos()]
    return torch.cat([each.expand(H, W, WAVES) for each in found], -1)[:, :, None].expand(
        H, W, B, -1
    )
