"""From what a layer gives to classes: nearest class mean, most active unit, or a linear layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from swiftrnn.runs import folder

folder.needs_extra("the trained readout", "analysis", "scipy")

from scipy.optimize import linear_sum_assignment  # noqa: E402 (what is missing is said first)

EPOCHS, BATCH, RATE = 5, 256, 1e-2  # of the linear layer; the features are standardised first
Part = tuple[Tensor, Tensor]


def accuracies(train: Part, test: Part, ways: Sequence[str]) -> dict[str, float]:
    """Percent of the test part whose class is found; all that is learnt is learnt from train.

    Args:
        train: activations (N, d) and classes (N).
        test: the same.
        ways: "class_mean", "argmax" (each class gets the unit that fits it best), "format" (a
            linear layer trained by cross-entropy: the paper's format training).
    """
    of = {"class_mean": class_mean, "argmax": most_active, "format": linear}
    found = {way: of[way](train, test[0]) for way in ways}
    return {way: 100 * float((f == test[1]).double().mean()) for way, f in found.items()}


def means(train: Part) -> Tensor:
    """The mean activations of each class, (K, d)."""
    z, y = train
    return torch.stack([z[y == k].mean(0) for k in range(int(y.max()) + 1)])


def class_mean(train: Part, z: Tensor) -> Tensor:
    """The class whose mean is nearest."""
    return torch.cdist(z, means(train)).argmin(1)


def most_active(train: Part, z: Tensor) -> Tensor:
    """The class of the most active unit; which unit stands for which is decided on train.

    The pairing makes the number of right answers there the largest, by the Hungarian method.
    """
    units, classes = train[0].argmax(1), int(train[1].max()) + 1
    counts = torch.zeros(train[0].shape[1], classes)
    counts.index_put_((units, train[1]), torch.ones(len(units)), accumulate=True)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    class_of = torch.zeros(train[0].shape[1], dtype=torch.long)
    class_of[torch.as_tensor(rows)] = torch.as_tensor(columns)
    return class_of[z.argmax(1)]


@torch.enable_grad()
def linear(train: Part, z: Tensor) -> Tensor:
    """The class of the largest output of a linear layer that learnt on train."""
    seen, y = train
    middle, spread = seen.mean(0), seen.std(0).clamp_min(1e-6)
    seen, draw = (seen - middle) / spread, torch.Generator().manual_seed(0)
    layer = nn.Linear(seen.shape[1], int(y.max()) + 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(y), generator=draw).split(BATCH):
            loss = cross_entropy(layer(seen[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return layer((z - middle) / spread).argmax(1)
