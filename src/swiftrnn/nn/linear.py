"""A linear layer whose products take what is fastest on a CPU."""

import torch
from torch import Tensor, nn

from swiftrnn.ops._product import linear


class Linear(nn.Linear):
    """`torch.nn.Linear`, with its three products in float32 through the engine's own kernel.

    torch's own takes its default library for float32 on a CPU, which takes twice as long on some
    CPUs, those of AMD among them. Arguments, parameters and results are those of
    `torch.nn.Linear`; few rows, other dtypes, other devices, autocast, graphs and gradients of
    gradients take its path.

    Examples:
        >>> import torch
        >>> Linear(8, 4)(torch.randn(100, 8)).shape
        torch.Size([100, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return product(input, self.weight, self.bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `torch.nn.functional.linear`, by what is fastest where x is."""
    ours = isinstance(x, Tensor) and x.is_cpu and not torch.is_autocast_enabled("cpu")
    return (linear if ours else nn.functional.linear)(x, weight, bias)
