"""Matrix products of float32 and float64 on x86-64, in C: into memory that is given, from any rows.

Libraries give each product a result of its own, want their operands in their own layout, and turn
a matrix round in memory for the gradient of a weight. Here the layers' large arrays are read and
written where they lie; only the weight is copied, once per pass.
"""

from functools import cache
from itertools import pairwise
from weakref import ref

import torch
from torch import Tensor

from swiftrnn.ops import _native, _pool

_level = _native.Kernel("matmul_level", "p")
_pack = _native.Kernel("matmul_pack", "piip" + "ii" + "ii")
_rows = _native.Kernel("matmul_rows", "pippi" + "iii" + "iii")
_outer = _native.Kernel("matmul_outer", "pipipi" + "iii" + "pii")
RUN_ROWS = 256  # of gates before they are used: they stay in the caches of the cores
SINK_ROWS = 512  # of gradients of gates before they enter products: so many pay for their weight
OUTER_ROOM = 256 * 512  # numbers a thread turns round at a time, as in cpu.c
Live = tuple[Tensor | int, Tensor | int]
_last: tuple[ref[Tensor], tuple[int, int], Live] | None = None
PRODUCTS_A_THREAD = 100  # multiplications that take as long as one step of one channel


@cache
def level() -> int:
    """The best instruction set here that the kernels know: 2 AVX-512, 1 AVX2, 0 neither."""
    if not hasattr(_native.library(), "matmul_level_float32"):
        return 0
    found = torch.zeros(1, dtype=torch.int64, device=_native.CPU)
    _level(torch.float32, found)
    return int(found)


def can_multiply(dtype: torch.dtype) -> bool:
    """Whether the kernels run here and know a dtype."""
    return dtype in (torch.float32, torch.float64) and level() > 0


def _threads(*sizes: int) -> int:
    return _native.threads(torch.Size(sizes).numel() // PRODUCTS_A_THREAD)


def _dense_rows(x: Tensor) -> Tensor:
    return x if x.stride(1) == 1 else x.contiguous()


class Packed:
    """A weight (G, I), either way round in memory, in the layout in which `times` reads it."""

    def __init__(self, weight: Tensor) -> None:
        self.G, self.I = weight.shape
        self.level = level()
        self.panels = _pool.empty((self.I * (self.G + 15),), weight.dtype)
        _pack(
            weight.dtype, weight, weight.stride(1), weight.stride(0), self.panels, self.I, self.G,
            self.level, _native.threads(weight.numel()),
        )  # fmt: skip

    def times(self, x: Tensor, out: Tensor, add: bool = False) -> Tensor:
        """out (R, G) = x (R, I) @ weight.T, or += where asked; gives out, whose rows lie dense."""
        x, R = _dense_rows(x), len(x)
        _rows(
            x.dtype, x, x.stride(0), self.panels, out, out.stride(0), R, self.I, self.G, add,
            self.level, _threads(R, self.I, self.G),
        )  # fmt: skip
        return out


class Gates:
    """The gates (T * B, G) of a layer, computed by the kernel that uses them, see `gates.h`.

    Args:
        x: (T + max(taps), B, I), dense.
        weight: (G, I * taps).
        taps: the gates at t see x[t + tap] for each of these, in this order.
        lengths: (B) int64: gates beyond a sequence's length are not computed.

    Attributes:
        room: how many steps of gates the kernel needs room for, if they are not kept.
    """

    def __init__(
        self, x: Tensor, weight: Tensor, taps: tuple[int, ...], lengths: Tensor | None = None
    ) -> None:
        self.T, (_, B, I) = len(x) - max(taps), x.shape
        steps = max(1, RUN_ROWS // max(B, 1))
        self.room = 2 * steps
        packed = [Packed(part) for part in weight.chunk(len(taps), 1)]
        live = _live(lengths, self.T)
        self.held = x, packed, live  # as long as the table has their addresses
        self.table = _table(x, I, steps, level(), *live, len(taps), *taps, *packed)


class Sink:
    """Where the gradient of the gates goes, run by run, from the kernel that computes it.

    Args:
        x: (T + max(taps), B, I), dense.
        d_x: its gradient so far, which is added to if `add`; None if none is wanted.
        weight: (G, I * taps).
        taps: as in `Gates`.
        threads: of the kernel.
        add: whether d_x holds something.
        need_weight: whether the weight's gradient is wanted.
        lengths: as in `Gates`; d_x is not written there.

    Attributes:
        d_weight: for each tap (G, I), zero before the kernel ran; [] if not wanted.
        room: how many steps of d_gates the kernel needs room for.
    """

    def __init__(
        self, x: Tensor, d_x: Tensor | None, weight: Tensor, taps: tuple[int, ...], threads: int,
        add: bool, need_weight: bool, lengths: Tensor | None = None,
    ) -> None:  # fmt: skip
        (_, B, I), parts = x.shape, weight.chunk(len(taps), 1)
        steps = max(1, SINK_ROWS // max(B, 1))
        self.threads, self.room = threads, 2 * steps
        turned = I, len(weight)
        totals = [_pool.empty(turned, x.dtype).zero_() for _ in taps if need_weight]
        self.d_weight = [total.t() for total in totals]
        cuts = [min(I, -(-I // 16) * i // threads * 16) for i in range(threads + 1)]
        wanted = parts if d_x is not None else ()
        own = [(a, b, *(Packed(p[:, a:b].t()) for p in wanted)) for a, b in pairwise(cuts)]
        space = _pool.empty((threads * OUTER_ROOM,), x.dtype)
        live = _live(lengths, len(x) - max(taps))
        self.held = x, d_x, own, space, live  # as long as the table has their addresses
        self.table = _table(
            x, 0 if d_x is None else d_x, I, steps, level(), *live, add, space, len(taps), *taps,
            *(totals or [0] * len(taps)), *(v for each in own for v in each),
        )  # fmt: skip


def _live(lengths: Tensor | None, T: int) -> Live:
    """`starts` (T + 1) and `live` of `gates.h`, or zeros where no sequence ends early.

    All layers and directions of a pass ask for the same, one after the other.
    """
    global _last
    if lengths is None or not len(lengths) or int(lengths.min()) >= T:
        return 0, 0
    if lengths.is_inference():  # has no version
        return _numbers(lengths, T)
    known, key = _last, (T, lengths._version)
    if known is None or known[0]() is not lengths or known[1] != key:
        _last = known = ref(lengths), key, _numbers(lengths, T)
    return known[2]


def _numbers(lengths: Tensor, T: int) -> Live:
    inside = torch.arange(T, device=_native.CPU)[:, None] < lengths
    starts = torch.zeros(T + 1, dtype=torch.int64, device=_native.CPU)
    torch.cumsum(inside.sum(1), 0, out=starts[1:])
    return starts, inside.flatten().nonzero().flatten()


def _table(*values: Tensor | Packed | int) -> Tensor:
    """Numbers, and where arrays lie, for a kernel that reads one after the other."""
    arrays = [v.panels if isinstance(v, Packed) else v for v in values]
    numbers = [a.data_ptr() or _native.nowhere(a) if isinstance(a, Tensor) else a for a in arrays]
    return torch.tensor(numbers, dtype=torch.int64, device=_native.CPU)


def add_outer(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total (G, I) += left.T (G, R) @ right (R, I); rows of total lie dense."""
    left, right = _dense_rows(left), _dense_rows(right)
    (R, G), I = left.shape, right.shape[1]
    threads = _threads(R, G, I)
    _outer(
        total.dtype, left, left.stride(0), right, right.stride(0), total, total.stride(0), R, G, I,
        _pool.empty((threads * OUTER_ROOM,), total.dtype), level(), threads,
    )  # fmt: skip
