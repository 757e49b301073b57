"""Networks that keep track of where they are, from how they move.

coordinates            tau dx/dt = -x + W f(x) + W_in i + b + noise,   y = W_out f(x)
    loss = mean (y - position)^2 + decay (mean W_in^2 + mean W_out^2) + cost mean f(x)^2
places                 x[t] = f(W x[t-1] + W_in v[t]),   p = softmax(W_out x)
    loss = cross-entropy of place cells + decay |W|^2
places_and_directions  LSTM, a linear layer with dropout, p and q = softmax(...) of both kinds
    loss = cross-entropy of place cells and of head direction cells + decay |W|^2
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.walking.arenas import Arena
from swiftrnn.recipes.grid_cells.targets import DIRECTIONS, PlaceCells, direction_cells
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler

HIDDEN = 128  # of the LSTM
DROPOUT = 0.5  # of the linear layer, as published
DT = 0.02  # seconds of a step, as `foraging` has them
Batch = dict[str, Tensor]  # positions (T + 1, N, 2), headings, turns and speeds (T, N)


class Coordinates(nn.Module):
    """Speed and direction to coordinates, as in Cueva and Wei (2018)."""

    def __init__(self, config: Any, arena: Arena) -> None:
        super().__init__()
        self.extent, self.cost, self.decay = arena.extent, config.cost, config.decay
        self.speed = 0.06 * arena.extent  # of a step, about: so inputs are of size 1
        self.layer = swift.CTRNN(3, config.units, config.leak, config.nonlinearity, config.noise)
        self.readout = nn.Linear(config.units, 2)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)

    def begin(self, _: Batch) -> Any:
        """The state before the first step."""
        return None

    def forward(self, batch: Batch, state: Any) -> tuple[Tensor, Tensor, Any]:
        """A batch and a state to positions (T, N, 2), rates (T, N, U) and the state after it."""
        rates, state = self.layer(self.inputs(batch), state)
        return self.extent * self.readout(rates), rates, state

    def inputs(self, batch: Batch) -> Tensor:
        """Speed, and direction as sine and cosine."""
        heading = batch["headings"]
        return torch.stack([batch["speeds"] / self.speed, heading.cos(), heading.sin()], -1)

    def loss(self, batch: Batch) -> Tensor:
        """See the head of this file; positions count in half widths of the arena."""
        found, rates, _ = self(batch, None)
        error = (found - batch["positions"][1:]).square().mean() / self.extent**2
        weights = self.layer.weight_ih_l0.square().mean() + self.readout.weight.square().mean()
        return error + self.decay * weights + self.cost * rates.square().mean()


class Places(nn.Module):
    """Velocities to place cells, as in Sorscher et al. (2019)."""

    def __init__(self, config: Any, arena: Arena) -> None:
        super().__init__()
        self.cells = PlaceCells(
            arena, config.place_cells, config.place_width, config.surround, config.seed
        )
        self.decay, self.cost = config.decay, config.cost
        self.first = nn.Linear(config.place_cells, config.units, bias=False)
        self.layer = swift.CTRNN(
            2, config.units, config.leak, config.nonlinearity, config.noise, bias=False
        )
        self.readout = nn.Linear(config.units, config.place_cells, bias=False)

    def begin(self, batch: Batch) -> Any:
        """The state before the first step, from where it is."""
        return self.first(self.cells(batch["positions"][0]))[None]

    def forward(self, batch: Batch, state: Any) -> tuple[Tensor, Tensor, Any]:
        """As `Coordinates.forward`."""
        rates, state = self.layer(batch["positions"].diff(dim=0), state)
        return self.cells.decoded(self.readout(rates)), rates, state

    def loss(self, batch: Batch) -> Tensor:
        """See the head of this file."""
        rates, _ = self.layer(batch["positions"].diff(dim=0), self.begin(batch))
        code = self.cells(batch["positions"][1:])
        error = -(code * self.readout(rates).log_softmax(-1)).sum(-1).mean()
        return (
            error + self.decay * self.layer.weight_hh_l0.square().sum()
            + self.cost * rates.square().mean()
        )  # fmt: skip


class PlacesAndDirections(nn.Module):
    """Speed and turning to place and head direction cells, as in Banino et al. (2018)."""

    def __init__(self, config: Any, arena: Arena) -> None:
        super().__init__()
        self.cells = PlaceCells(
            arena, config.place_cells, config.place_width, config.surround, config.seed
        )
        self.decay, self.cost, codes = config.decay, config.cost, config.place_cells + DIRECTIONS
        self.hidden, self.cell = (nn.Linear(codes, HIDDEN, bias=False) for _ in range(2))
        self.layer = nn.LSTM(3, HIDDEN)
        self.linear = nn.Linear(HIDDEN, config.units, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.places = nn.Linear(config.units, config.place_cells)
        self.directions = nn.Linear(config.units, DIRECTIONS)

    def begin(self, batch: Batch) -> Any:
        """The state before the first step, from where it is and which way it looks."""
        code = torch.cat([self.cells(batch["positions"][0]),
                          direction_cells(batch["headings"][0])], -1)  # fmt: skip
        return self.hidden(code)[None], self.cell(code)[None]

    def inputs(self, batch: Batch) -> Tensor:
        """Speed in metres a second, and the change of direction as sine and cosine."""
        turn = batch["turns"]
        return torch.stack([batch["speeds"] / DT, turn.sin(), turn.cos()], -1)

    def forward(self, batch: Batch, state: Any) -> tuple[Tensor, Tensor, Any]:
        """As `Coordinates.forward`; the units are those of the linear layer."""
        found, state = self.layer(self.inputs(batch), state)
        units = self.dropout(self.linear(found))
        return self.cells.decoded(self.places(units)), units, state

    def loss(self, batch: Batch) -> Tensor:
        """See the head of this file."""
        found, _ = self.layer(self.inputs(batch), self.begin(batch))
        units = self.dropout(self.linear(found))
        codes = self.cells(batch["positions"][1:]), direction_cells(batch["headings"])
        scores = self.places(units), self.directions(units)
        error = sum(-(code * score.log_softmax(-1)).sum(-1).mean()
                    for code, score in zip(codes, scores, strict=True))  # fmt: skip
        weights = (self.linear.weight, self.places.weight, self.directions.weight)
        return (
            error + self.decay * torch.stack([each.square().sum() for each in weights]).sum()
            + self.cost * units.square().mean()
        )  # fmt: skip


NETWORKS = {
    "coordinates": Coordinates, "places": Places, "places_and_directions": PlacesAndDirections,
}  # fmt: skip


class Navigator(L.LightningModule):
    """One of the networks, trained on walks.

    Args:
        config: the settings of the recipe.
        arena: in which the walks are.
    """

    def __init__(self, config: Any, arena: Arena) -> None:
        super().__init__()
        self.learning_rate, self.knee = config.learning_rate, config.knee
        self.network = NETWORKS[config.target](config, arena)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of a batch of walks."""
        return self.network.loss(batch)

    @torch.no_grad()
    def walked(self, batch: Batch, at_once: int = 1000) -> tuple[Tensor, Tensor]:
        """Walks of any length to positions (T, N, 2) and rates (T, N, U), part after part."""
        state, found = self.network.begin(batch), []
        for first in range(0, len(batch["headings"]), at_once):
            part = {name: each[first : first + at_once] for name, each in batch.items()}
            part["positions"] = batch["positions"][first : first + at_once + 1]
            *numbers, state = self.network(part, state)
            found.append(numbers)
        positions, rates = (torch.cat(each) for each in zip(*found, strict=True))
        return positions, rates

    def configure_optimizers(self) -> Any:
        """Adam, whose rate depends on the number of the update only."""
        optimizer = torch.optim.Adam(self.parameters(), self.learning_rate, fused=True)
        schedule = scheduler(optimizer, InverseSquareRoot(self.knee))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
