"""The published network: of 48 tokens and the whole screenshot to the next token, one at a time.

v = relu(W2 relu(W1 flat(convolutions(screenshot))))     the same for all 48 tokens
q = LSTM(LSTM(onehot y[t-48..t-1]))                      128 units
p(y[t]) = softmax(U LSTM(LSTM([q; v]))[last] + b)        512 units

A batch holds 64 windows in the order of the data, as published, so few screenshots that each is
read once for all of its windows: what comes out is the same.

Source: Beltramelli (2017), "pix2code", sections 3.1 to 3.4.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, one_hot

from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import Program
from swiftrnn.recipes.pix2code.data import Screens

WINDOW, SIDE, BATCH = 48, 256, 64
LONGEST = 150  # tokens that are written
SPECIAL = (" ", "<START>", "<END>", "\n", ",", "{", "}")  # padding first
FILTERS = (32, 64, 128)


def spelled(program: Program) -> list[str]:
    """A program as the published network writes it: with braces, commas and ends of lines."""
    return [*str(program).replace(",", " ,").replace("\n", " \n ").split(" "), "\n"]


class Published(L.LightningModule):
    """The network of pix2code.

    Args:
        platform: one of `grammar.PLATFORMS`.
    """

    def __init__(self, platform: str) -> None:
        super().__init__()
        self.names = (*SPECIAL, *PLATFORMS[platform].names)
        self.number = {name: i for i, name in enumerate(self.names)}
        layers: list[nn.Module] = []
        before, side = 3, SIDE
        for filters in FILTERS:
            layers += [nn.Conv2d(before, filters, 3), nn.ReLU(), nn.Conv2d(filters, filters, 3),
                       nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]  # fmt: skip
            before, side = filters, (side - 4) // 2
        self.eye = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(before * side * side, 1024), nn.ReLU(),
            nn.Dropout(0.3), nn.Linear(1024, 1024), nn.ReLU(), nn.Dropout(0.3),
        )  # fmt: skip
        self.language = nn.LSTM(len(self.names), 128, 2)
        self.decoder = nn.LSTM(1024 + 128, 512, 2)
        self.readout = nn.Linear(512, len(self.names))

    def see(self, pixels: Tensor) -> Tensor:
        """Screenshots (B, 3, H, W) of uint8, stretched to 256 x 256, to vectors (B, 1024)."""
        x = interpolate(pixels.float() / 255, (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.eye(x)

    def forward(self, seen: Tensor, windows: Tensor) -> Tensor:
        """Vectors (B, 1024) and tokens (48, B) to scores of what follows (B, V)."""
        q, _ = self.language(one_hot(windows, len(self.names)).to(seen.dtype))
        both = torch.cat([q, seen.expand(len(q), -1, -1)], -1)
        return self.readout(self.decoder(both)[0][-1])

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The mean loss of a token."""
        seen = self.see(batch["pixels"])[batch["of"]]
        return nn.functional.cross_entropy(self(seen, batch["windows"]), batch["after"])

    @torch.no_grad()
    def draft(self, pixels: Tensor) -> list[list[str]]:
        """The likeliest token each time, of each screenshot; nothing says what may follow."""
        B = len(pixels)
        seen = torch.cat([self.see(some) for some in pixels.split(8)])
        written = torch.zeros(WINDOW, B, dtype=torch.long)
        written[-1] = self.number["<START>"]
        found: list[list[str]] = [[] for _ in range(B)]
        live = torch.ones(B, dtype=torch.bool)
        for _ in range(LONGEST):
            token = self(seen, written[-WINDOW:]).argmax(-1)
            for i in live.nonzero()[:, 0].tolist():
                name = self.names[int(token[i])]
                if name == "<END>":
                    live[i] = False
                else:
                    found[i].append(name)
            if not live.any():
                break
            written = torch.cat([written, token[None]])
        return found

    def configure_optimizers(self) -> Any:
        """As published; gradients are clipped one by one."""
        optimizer = torch.optim.RMSprop(self.parameters(), 1e-4, alpha=0.9)
        for parameter in self.parameters():
            parameter.register_hook(lambda grad: grad.clamp(-1, 1))
        return optimizer


class Windows:
    """Batches of 64 windows in the order of the data, over and over.

    Args:
        screens: to learn from.
        model: whose tokens these are.
    """

    def __init__(self, screens: Screens, model: Published) -> None:
        self.screens = screens
        number, self.rows = model.number, []
        for program in screens.programs:
            names = ["<START>", *spelled(program), "<END>"]
            self.rows.append([number[name] for name in names])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        held: list[tuple[int, list[int], int]] = []
        for which, row in enumerate(self.rows):
            padded = [0] * WINDOW + row
            for place in range(1, len(row)):
                held.append((which, padded[place : place + WINDOW], row[place]))
                if len(held) == BATCH:
                    yield self._batch(held)
                    held = []

    def _batch(self, held: Sequence[tuple[int, list[int], int]]) -> dict[str, Tensor]:
        which = sorted({each[0] for each in held})
        return {
            "pixels": self.screens.pixels[which],
            "of": torch.tensor([which.index(each[0]) for each in held]),
            "windows": torch.tensor([each[1] for each in held]).t(),
            "after": torch.tensor([each[2] for each in held]),
        }
