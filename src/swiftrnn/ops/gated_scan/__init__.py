"""gated_scan: the cells whose gates do not see the state, after their matrix product."""

from typing import Any, Literal

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, untraced
from swiftrnn.ops.gated_scan import reference
from swiftrnn.ops.gated_scan.reference import GATES, constant_or_learnt

Cell = Literal["min_gru", "min_lstm", "qrnn_f", "qrnn_fo", "qrnn_ifo", "hgrn"]


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    cell: int = 0,
    floor: int = 0,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
) -> tuple[Tensor | str | bool | None, ...]:
    """Valid inputs; `cell` by number; `floor`: 0 none, 1 for each channel, 3 for every number."""
    real, name = _native.state_dtype(dtype), tuple(GATES)[cell]
    floors = torch.rand(H) if floor == 1 else (torch.rand(T, B, H) < 0.3)
    return (
        torch.randn(T, B, GATES[name] * H).to(dtype),
        torch.randn(GATES[name] * H).to(real),
        floors.to(real) if floor else None,
        torch.randn(B, H).to(real),
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
        name,
        bool(reverse),
    )


def _fake_forward(
    gates: Tensor, _: Tensor, __: Tensor | None, initial: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    T, B, H = *gates.shape[:2], initial.shape[-1]
    states = initial.new_empty(T, B, H) if rest[-1] else initial.new_empty(0)
    return gates.new_empty(T, B, H), torch.empty_like(initial), states


def _fake_backward(
    gates: Tensor, bias: Tensor, floor: Tensor | None, initial: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    d_floor = initial.new_empty(0)
    if floor is not None and floor.dim() == 1 and rest[2] == "hgrn":
        d_floor = torch.empty_like(floor)
    return torch.empty_like(gates), torch.empty_like(bias), d_floor, torch.empty_like(initial)


def _prepare(
    gates: Tensor,
    bias: Tensor,
    floor: Tensor | None,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    cell: Cell,
    reverse: bool,
) -> tuple[Any, ...]:
    """The inputs of `gated_scan`, checked, as the op takes them."""
    _check(gates, bias, initial, floor, cell)
    (T, B), real = gates.shape[:2], _native.state_dtype(gates.dtype)
    return (
        dense(gates),
        dense(bias.to(real)),
        None if floor is None else dense(constant_or_learnt(floor, cell).to(real)),
        dense(initial.to(real)),
        check_lengths("gated_scan", lengths, T, B, gates.device),
        check_reset("gated_scan", reset, T, B, gates.device),
        cell,
        reverse,
    )


@untraced
def _check(gates: Tensor, bias: Tensor, initial: Tensor, floor: Tensor | None, cell: str) -> None:
    if cell not in GATES:
        raise ValueError(f"gated_scan needs cell of {', '.join(GATES)}; got {cell!r}")
    check_tensor("gated_scan", "initial", initial, ("B", "H"), (None,) * 2, None)
    B, H = initial.shape
    check_tensor("gated_scan", "gates", gates, ("T", "B", "G"), (None, B, None), None)
    T, _, G = gates.shape
    if GATES[cell] * H != G:
        raise ValueError(
            f"gated_scan needs gates (T, B, {GATES[cell]}H) for {cell} with H = {H} from initial; "
            f"got {tuple(gates.shape)}; check the rows of the product"
        )
    check_tensor("gated_scan", "initial", initial, ("B", "H"), (B, H), gates, state=True)
    check_tensor("gated_scan", "bias", bias, ("G",), (G,), gates, state=True)
    if floor is None:
        return
    for_all = isinstance(floor, Tensor) and floor.dim() == 3
    letters, shape = (("T", "B", "H"), (T, B, H)) if for_all else (("H",), (H,))
    check_tensor("gated_scan", "floor", floor, letters, shape, gates, state=True)


def _outputs(gates: Tensor, *inputs: Any) -> tuple[Any, ...]:
    initial = inputs[2]
    all_states = *gates.shape[:2], initial.shape[1]
    return (
        (all_states, gates.dtype),
        (initial.shape, initial.dtype),
        (all_states, initial.dtype),
    )


_INPUTS = (
    "Tensor gates, Tensor bias, Tensor? floor, Tensor initial, Tensor? lengths, Tensor? reset, "
    "str cell, bool reverse"
)
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}, bool keep) -> (Tensor, Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor states, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=_prepare,
    outputs=_outputs,
    fake_forward=_fake_forward,
    fake_backward=_fake_backward,
    tensors=6,
    differentiable=(0, 1, 2, 3),
    saved=(2,),
    state=3,
    timed=(2, 5),
    sample=_sample,
    cases=(
        dict(T=1, B=1, H=1),
        dict(T=0, B=2, H=3),
        dict(T=5, B=0, H=3),
        dict(T=63, B=3, H=257, cell=3),
        dict(T=63, B=3, H=257, cell=0, ragged=1),
        dict(T=17, B=5, H=33, cell=2, ragged=1, reverse=1),
        dict(T=17, B=5, H=33, cell=1, reverse=1),
        dict(T=33, B=2, H=40, cell=4, ragged=1, resets=1),
        dict(T=33, B=2, H=140, cell=3, floor=3, resets=1),
        dict(T=17, B=3, H=33, cell=0, floor=3, ragged=1, resets=1, reverse=1),
        dict(T=33, B=2, H=140, cell=1, floor=3, ragged=1, resets=1),
        dict(T=33, B=2, H=40, cell=4, floor=3, reverse=1),
        dict(T=33, B=3, H=140, cell=5, ragged=1, resets=1),
        dict(T=64, B=8, H=512, cell=3),
        dict(T=64, B=8, H=512),
        dict(T=33, B=2, H=40, cell=5, floor=1, reverse=1),
    ),
)
_gated_scan = OP.register()


def gated_scan(
    gates: Tensor,
    bias: Tensor,
    floor: Tensor | None,
    initial: Tensor,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    cell: Cell = "min_gru",
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run a gated recurrence along time, given its matrix product.

        c[t] = F[t] * c[t-1] + I[t] * u[t]              h[t] = o[t] * c[t], or c[t]
        F[t] = floor + (1 - floor) * f[t]               I[t] = (1 - floor) * i[t]

    What f, i, u and o are, the cell says; s is the sigmoid, a letter stands for a gate with its
    bias:

        cell      gates       f                  i      u        o
        min_gru   z, u        1 - s(z)           1 - f  u
        min_lstm  i, f, u     s(f)/(s(f)+s(i))   1 - f  u
        qrnn_f    u, f        s(f)               1 - f  tanh(u)
        qrnn_fo   u, f, o     s(f)               1 - f  tanh(u)  s(o)
        qrnn_ifo  u, f, o, i  s(f)               s(i)   tanh(u)  s(o)
        hgrn      u, f        s(f)               1 - f  u * s(u)

    Args:
        gates: (T, B, G), for each of the cell's gates in this order H numbers.
        bias: of the gates, (G).
        floor: (H) or (T, B, H) in 0..1, the least that is kept of the last state; None: 0.
            HGRN's bound, and zoneout: a floor of 1 keeps a state as it was. One of shape (H)
            with the cell "hgrn" has a gradient, any other is a constant.
        initial: (B, H), c before the first step; float32 beside 16-bit gates.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero, as at the
            start of a sequence.
        cell: which one.
        reverse: run time from the end to the start.

    Returns:
        output (T, B, H): h, in the dtype of gates.
        final (B, H): c after the last step (the first one if `reverse`).

    Raises:
        TypeError, ValueError: dtypes, shapes or devices do not fit together.

    Examples:
        >>> import torch
        >>> gates, bias, initial = torch.randn(5, 2, 6), torch.zeros(6), torch.zeros(2, 3)
        >>> output, final = gated_scan(gates, bias, None, initial)
        >>> output.shape, final.shape
        (torch.Size([5, 2, 3]), torch.Size([2, 3]))

    Source: Bradbury et al. (2017), "Quasi-Recurrent Neural Networks", arXiv:1611.01576, section
    2.1; Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3; Qin et al.
    (2023), "Hierarchically Gated Recurrent Neural Network for Sequence Modeling",
    arXiv:2311.04823, section 3.
    """
    return _gated_scan(*_prepare(gates, bias, floor, initial, lengths, reset, cell, reverse))
