"""QRNN, convolutions over time with a recurrent pooling."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from swiftrnn.nn._ends import Ends
from swiftrnn.nn._gated import gated_cell, gated_layer, zoned
from swiftrnn.nn._options import SHARED, Check, at_least, one_of, probability
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops import _stack
from swiftrnn.ops._plain import fixed_size
from swiftrnn.ops.gated_scan import Cell

Pooling = Literal["f", "fo", "ifo"]
CELLS: dict[Pooling, Cell] = {"f": "qrnn_f", "fo": "qrnn_fo", "ifo": "qrnn_ifo"}


class QRNN(Recurrent):
    """A quasi-recurrent layer: convolutions over time, and a recurrent pooling.

        z[t] = tanh(W_z (x[t], ..., x[t-k+1]) + b_z)
        f[t] = sigmoid(W_f (x[t], ..., x[t-k+1]) + b_f)
        o[t] = sigmoid(W_o (x[t], ..., x[t-k+1]) + b_o), or 1 in f-pooling
        i[t] = sigmoid(W_i (x[t], ..., x[t-k+1]) + b_i), or 1 - f[t] but in ifo-pooling
        c[t] = f[t] * c[t-1] + i[t] * z[t]
        h[t] = o[t] * c[t]

    Arguments, input and output are those of torch.nn.GRU. The parameters of layer k are
    `weight_ih_l{k}` (G * H, window * I) with the rows of z, f, o, i, as far as they are there, and
    the columns of x[t], x[t-1], ..., and `bias_ih_l{k}` (G * H).

    The state is `(c, windows)`: c (layers * directions, B, H), and for each layer and direction
    the (window - 1, B, features) inputs that the next step still needs, oldest first. So two
    halves of a sequence make the whole. A c alone stands for windows of zeros.

    Args:
        input_size: of the arguments of torch.nn.GRU, as are hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device and dtype; see `Recurrent`.
        window: k, how many steps of input a gate sees.
        pooling: "f", "fo" or "ifo": which gates there are.
        zoneout: probability that a number of c stays as it was in one time step; drawn while
            training, its mean otherwise.

    Examples:
        >>> import torch
        >>> output, (c, windows) = QRNN(8, 16)(torch.randn(5, 2, 8))
        >>> output.shape, c.shape, windows[0].shape
        (torch.Size([5, 2, 16]), torch.Size([1, 2, 16]), torch.Size([1, 2, 8]))

    Source: Bradbury et al. (2017), "Quasi-Recurrent Neural Networks", arXiv:1611.01576, section 2;
    zoneout: Krueger et al. (2017), "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
    Activations", arXiv:1606.01305, equations 3 and 4.
    """

    cell_options = ("zoneout",)
    checks: ClassVar[dict[str, Check]] = SHARED | {
        "window": at_least(1), "pooling": one_of(*CELLS), "zoneout": probability,
    }  # fmt: skip

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        window: int = 2,
        pooling: Pooling = "fo",
        zoneout: float = 0.0,
    ) -> None:
        self.window, self.pooling, self.zoneout = window, pooling, zoneout
        self._cell: Cell = CELLS[pooling]
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip

    @property
    def state_is_tensor(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether c is the whole state: no gate looks back."""
        return self.window == 1

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        rows = (1 + len(self.pooling)) * self.hidden_size
        bias: dict[str, tuple[int, ...]] = {"bias_ih": (rows,)} if self.bias else {}
        return {"weight_ih": (rows, self.window * input_size)} | bias

    def split_state(self, state: Any, batch: int) -> Sequence[Any]:
        """See `Recurrent`."""
        if state is None:
            return [None] * self._count()
        if isinstance(state, Tensor):
            return [(c, None) for c in super().split_state(state, batch)]
        if not (isinstance(state, Sequence) and len(state) == 2 and len(state[1]) == self._count()):
            raise ValueError(
                f"QRNN needs a state (c, windows) with {self._count()} windows; got "
                f"{type(state).__name__}; pass what an earlier call returned"
            )
        for window, size in zip(state[1], self._input_sizes(), strict=True):
            shape = (self.window - 1, batch, size)
            self.check_state("a window", window, shape, "(window - 1, B, features)")
        return list(zip(super().split_state(state[0], batch), state[1], strict=True))

    def join_state(self, states: Sequence[Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See `Recurrent`."""
        return super().join_state([c for c, _ in states]), tuple(window for _, window in states)

    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,  # noqa: ARG002
        direction: int,
    ) -> tuple[Tensor, Any]:
        """See `Recurrent`."""
        before = self.window - 1
        c, window = (None, None) if state is None else state
        if window is None:
            window = x.new_zeros(before, *x.shape[1:])
        reverse = direction == 1
        longer, window = _extend(x, window.to(x.dtype), ends.lengths, reverse)
        taps = tuple(range(self.window) if reverse else range(before, -1, -1))
        if ends.reset is not None and before:
            longer, window = _parted(longer, window, taps, ends.within(), reverse)
            taps = (0,)
        H, cell = self.hidden_size, self._cell
        floor = zoned(self.zoneout, self.training, x, x.shape[0], H)
        output, c = gated_layer(longer, weights, c, ends, H, cell, floor, reverse, taps)
        return output, (c, window)

    def cell(self, weights: dict[str, Tensor]) -> _stack.Cell:
        """See `Recurrent`."""
        return gated_cell(weights, self.hidden_size, self._cell, self.zoneout, self.window)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        usual = {"window": 2, "pooling": "fo", "zoneout": 0.0}
        shown = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([super().extra_repr(), *shown])


def _extend(
    x: Tensor, window: Tensor, lengths: Tensor | None, reverse: bool
) -> tuple[Tensor, Tensor]:
    """x (T, B, I) with the window on its early side, and the window for what comes next.

    Running from the end, the early side of a sequence is where its length ends.
    """
    T, k = x.shape[0], fixed_size(window, 0)
    if k == 0:
        return x, window
    if not reverse:
        longer = torch.cat([window, x])
        return longer, longer[T:] if lengths is None else _rows(longer, lengths, k)
    if lengths is None:
        longer = torch.cat([x, window])
    else:
        inside = torch.arange(T, device=x.device)[:, None, None] < lengths[:, None]
        longer = torch.cat([torch.where(inside, x, 0), torch.zeros_like(window)])
        longer = longer.scatter(0, _index(longer, lengths, k), window)
    return longer, longer[:k]


def _parted(
    longer: Tensor, window: Tensor, taps: tuple[int, ...], ends: Ends, reverse: bool
) -> tuple[Tensor, Tensor]:
    """What the taps see, side by side, (T, B, features * taps), and the next window.

    Both with zeros for what lies in another sequence, beyond a reset.
    """
    assert ends.reset is not None
    T, steps = ends.reset.shape[0], ends.reset.long()[..., None]
    parts = steps.flip(0).cumsum(0).flip(0) if reverse else steps.cumsum(0)
    before = parts.new_zeros(len(window), *parts.shape[1:])
    numbers, kept = _extend(parts, before, ends.lengths, reverse)
    last = parts[0 if reverse else -1] if T else 0
    seen = [torch.where(numbers[i : i + T] == parts, longer[i : i + T], 0) for i in taps]
    return torch.cat(seen, -1), torch.where(kept == last, window, 0)


def _index(x: Tensor, start: Tensor, count: int) -> Tensor:
    """(count, B, features) row numbers start[b], start[b] + 1, ..."""
    rows = start + torch.arange(count, device=x.device)[:, None]
    return rows[:, :, None].expand(count, *x.shape[1:])


def _rows(x: Tensor, start: Tensor, count: int) -> Tensor:
    return x.gather(0, _index(x, start, count))
