"""A stack of gated, residual, dilated causal convolutions that can stream: the layers' rival."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn._autocast import under_autocast
from swiftrnn.nn._options import at_least, real
from swiftrnn.nn.linear import Linear
from swiftrnn.ops._check import check_tensor
from swiftrnn.ops._plain import traced, untraced


class CausalConv(nn.Module):
    """Dilated causal convolutions with the calling convention of the recurrent layers.

        y = W * norm(x) + b                    (kernel k, dilation d = k^block, 2H features)
        x = x + y_a * sigmoid(y_b)

    The first block's input goes through a linear layer where I differs from H. The state is a tuple
    with one cache per block, ((k - 1) * d, B, H): the inputs that later steps still see.

    Args:
        input_size: I, features of the input.
        hidden_size: H, features of every block.
        num_layers: blocks; the receptive field is k ** num_layers steps.
        kernel_size: k.
        device: where the parameters lie.
        dtype: of the parameters.

    Examples:
        >>> import torch
        >>> layer = CausalConv(8, 16, num_layers=3)
        >>> output, caches = layer(torch.randn(5, 2, 8))
        >>> output.shape, layer.receptive_field, [len(c) for c in caches]
        (torch.Size([5, 2, 16]), 64, [3, 12, 48])

    Source: dilation from van den Oord et al. (2016), "WaveNet", arXiv:1609.03499, section 2.1;
    gates from Dauphin et al. (2017), "Language Modeling with Gated Convolutional Networks",
    arXiv:1612.08083, equation 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 5,
        *,
        kernel_size: int = 4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        input_size = at_least(1)("CausalConv", "input_size", input_size)
        hidden_size = at_least(1)("CausalConv", "hidden_size", hidden_size)
        num_layers = at_least(1)("CausalConv", "num_layers", num_layers)
        kernel_size = at_least(2)("CausalConv", "kernel_size", kernel_size)
        where: dict[str, Any] = {"device": device, "dtype": real("CausalConv", dtype)}
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.kernel_size = num_layers, kernel_size
        same = input_size == hidden_size
        self.entry = nn.Identity() if same else Linear(input_size, hidden_size, **where)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size, **where) for _ in range(num_layers))
        self.convolutions = nn.ModuleList(
            Linear(kernel_size * hidden_size, 2 * hidden_size, **where) for _ in range(num_layers)
        )

    @property
    def receptive_field(self) -> int:
        """How many steps, its own among them, an output sees."""
        return self.kernel_size**self.num_layers

    def forward(self, input: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, Any]:
        """Run over whole sequences.

        Args:
            input: (T, B, I).
            state: what an earlier call returned; zeros by default.

        Returns:
            output (T, B, H), and the caches for what comes next.

        Raises:
            ValueError: shapes or devices do not fit.
            TypeError: the input is no dense floating tensor, or of another dtype.
        """
        mixed = isinstance(input, Tensor) and under_autocast(input)
        like = None if mixed else next(self.parameters())
        sizes = (None, None, self.input_size)
        check_tensor("CausalConv", "input", input, ("T", "B", "I"), sizes, like)
        x, caches = self.entry(input), []
        for i, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True)):
            dilation = self.kernel_size**i
            past = (self.kernel_size - 1) * dilation
            normal = norm(x)
            cache = normal.new_zeros(past, *x.shape[1:]) if state is None else state[i]
            _check_cache(i, cache, past, x)
            lags = range(past, -1, -dilation)
            taps = [_delayed(normal, cache, lag) for lag in lags]
            x = x + nn.functional.glu(convolution(torch.cat(taps, -1)))
            caches.append(_kept(normal, cache))
        return x, tuple(caches)

    def step(self, input: Tensor, state: Sequence[Tensor] | None = None) -> tuple[Tensor, Any]:
        """One step of time, (B, I) to (B, H): many steps equal one full pass."""
        output, state = self(input[None], state)
        return output[0], state


@untraced
def _check_cache(i: int, cache: Tensor, past: int, x: Tensor) -> None:
    if cache.shape != (past, *x.shape[1:]):
        raise ValueError(
            f"CausalConv needs cache {i} of {(past, *x.shape[1:])}; got {tuple(cache.shape)}; pass "
            "what an earlier call returned"
        )


def _delayed(x: Tensor, cache: Tensor, lag: int) -> Tensor:
    """x (T, B, H) delayed by some steps, with the cache before it.

    Not a slice of the two joined, but in a trace, where nothing may depend on T: its gradient would
    fill all of the cache with zeros, and the cache of a late block is many times longer than x.
    """
    T, start = x.shape[0], cache.shape[0] - lag
    if traced():
        return torch.cat([cache[start:], x])[:T]
    if lag == 0:
        return x
    if lag >= T:
        return cache[start : start + T]
    return torch.cat([cache[start:], x[: T - lag]])


def _kept(x: Tensor, cache: Tensor) -> Tensor:
    """The last steps of the cache and x together, as many as the cache has."""
    T, past = x.shape[0], cache.shape[0]
    if traced():  # as in `_delayed`
        return torch.cat([cache, x])[T:]
    return torch.cat([cache[T:], x[max(T - past, 0) :]])
