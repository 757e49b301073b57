"""Layers, their rivals and their bare products, ready to be timed."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor

from swiftrnn.ops._product import (
    BLOCK_BYTES,
    add_outer,
    for_onednn,
    onednn,
    times,
    zeros_for_outer,
)

Call = Callable[[], object]  # what it gives is dropped
OURS = ("SRU", "QRNN", "MinGRU")
MORE = ("MinLSTM", "RGLRU", "HGRN")  # timed when they are asked for
RIVALS = ("nn.LSTM", "nn.GRU", "nn.Conv1d k3", "nn.Conv1d k2")
OUTER_BYTES = 4 << 20  # both factors of one product of oneDNN's weight gradient
OWN = "swiftrnn"  # the products as our layers take them: shown, never part of the floor
PRODUCTS = ("forward", "input gradient", "weight gradient")


@dataclass(frozen=True)
class Work:
    """A call to be timed, and what it cannot do without."""

    call: Call
    bytes: int  # each array read and written once
    operations: float | None  # multiplications and additions; None where nobody counted them


def layer_calls(
    provider: str, B: int, T: int, H: int, dtype: torch.dtype, layers: int = 1, directions: int = 1
) -> dict[str, Call]:
    """A layer or stack of width H, ready to be timed.

    Args:
        provider: one of `OURS`, `MORE` and `RIVALS`, or "sru 2.6.0" (the published package).
        B: batch.
        T: time steps.
        H: width of input and state.
        dtype: of parameters and input.
        layers: of a recurrent stack.
        directions: 1 or 2.

    Returns:
        forward (no gradient), step (forward and backward with the input's gradient, no optimiser)
        and, where the layer has a state and one direction, stream (one time step of the batch).
    """
    torch.manual_seed(0)
    module = _layer(provider, H, layers, directions).to(dtype)
    if isinstance(module, torch.nn.RNNBase):
        module.flatten_parameters()  # or cuDNN copies the weights at every call
    if isinstance(module, torch.nn.Conv1d):  # its own layout, padded before: the same T outputs
        x = torch.randn(B, H, T + module.kernel_size[0] - 1).to(dtype).requires_grad_()
    else:
        x = torch.randn(T, B, H).to(dtype).requires_grad_()
    grad = torch.randn(_output(module, x.detach()).shape).to(dtype)

    @torch.no_grad()
    def forward() -> object:
        return _output(module, x)

    def step() -> None:
        _output(module, x).backward(grad)
        x.grad = None  # at the end, so that each step makes its gradients, and its peak has them
        module.zero_grad(set_to_none=True)

    if isinstance(module, torch.nn.Conv1d) or directions == 2:
        return {"forward": forward, "step": step}
    return {"forward": forward, "step": step, "stream": _streamer(module, x[0].detach())}


def _layer(provider: str, H: int, layers: int = 1, directions: int = 1) -> torch.nn.Module:
    more = {"num_layers": layers, "bidirectional": directions == 2}
    if provider.startswith("nn.Conv1d k"):
        return torch.nn.Conv1d(H, H, int(provider.removeprefix("nn.Conv1d k")))
    if provider.startswith("nn."):
        return getattr(torch.nn, provider.removeprefix("nn."))(H, H, **more)
    if provider.startswith("sru "):
        return import_module("sru").SRU(H, H, **more)
    return getattr(import_module("swiftrnn.nn"), provider)(H, H, **more)


def _output(module: torch.nn.Module, x: Tensor) -> Tensor:
    y = module(x)
    return y[0] if isinstance(y, tuple) else y


def _streamer(module: torch.nn.Module, x_BH: Tensor) -> Call:
    one_step = getattr(module, "step", None) or (lambda x, s: module(x[None], s))  # torch: T = 1
    with torch.no_grad():
        held = list(one_step(x_BH, None))

    @torch.no_grad()
    def stream() -> None:
        held[:] = one_step(x_BH, held[1])

    return stream


def product_calls(rows: int, width: int, N: int, dtype: torch.dtype) -> dict[str, dict[str, Call]]:
    """The three bare matrix products of a layer, each through every library there is.

    Args:
        rows: gate rows of the weight, G * H.
        width: its columns.
        N: positions, T * B.
        dtype: of both factors and the product.

    Returns:
        forward, input gradient and weight gradient, each a dict from library to a call. "aten" is
        `mm` into a given tensor; oneDNN cannot write into one, so "oneDNN blocks" takes the rows in
        blocks whose memory is used again, with the weight packed once. `OWN` is what our layers do.
    """
    x, w = torch.randn(N, width).to(dtype), torch.randn(rows, width).to(dtype)
    dy = torch.randn(N, rows).to(dtype)
    calls = (_rows_calls(x, w), _rows_calls(dy, w.t()), _outer_calls(dy, x))
    return dict(zip(PRODUCTS, calls, strict=True))


def _rows_calls(x: Tensor, weight: Tensor) -> dict[str, Call]:
    """Of x @ weight.T."""
    out = x @ weight.t()
    size = max(1, BLOCK_BYTES // (len(weight) * weight.element_size()))
    pieces, targets = x.split(size), out.split(size)

    def own() -> Tensor:
        product = times(weight, len(pieces[0]), len(pieces))
        for piece, target in zip(pieces, targets, strict=True):
            product(piece, target, False)
        return out

    calls: dict[str, Call] = {"aten": lambda: torch.mm(x, weight.t(), out=out), OWN: own}
    if torch.backends.mkldnn.is_available() and len(x):
        dense = weight.contiguous()
        calls["oneDNN"] = lambda: onednn(x, dense)

        def in_blocks() -> None:
            in_its_layout = for_onednn(dense, len(pieces[0]), len(pieces))
            for piece in pieces:  # what each gives is dropped at once
                onednn(piece, in_its_layout)

        if len(pieces) > 1:
            calls["oneDNN blocks"] = in_blocks
    return calls


def _outer_calls(dy: Tensor, x: Tensor) -> dict[str, Call]:
    """Of dy.T @ x."""
    out, total = dy.t() @ x, zeros_for_outer(dy.new_empty(dy.shape[1], x.shape[1]))
    rows = max(1, OUTER_BYTES // ((dy.shape[1] + x.shape[1]) * x.element_size()))
    pieces = list(zip(dy.split(rows), x.split(rows), strict=True))

    def own() -> Tensor:
        add_outer(total.zero_(), dy, x)
        return total

    calls: dict[str, Call] = {
        "aten": lambda: torch.mm(dy.t(), x, out=out),
        OWN: own,
    }
    if torch.backends.mkldnn.is_available() and len(x):
        calls["oneDNN"] = lambda: onednn(x.t(), dy.t()).t()

        turned = torch.empty(x.shape[1], dy.shape[1], dtype=x.dtype)

        def in_blocks() -> Tensor:
            turned.zero_()
            for a, b in pieces:  # the smaller factor is the one to transpose
                turned.add_(onednn(b.t().contiguous(), a.t()))
            return turned.t()

        if x.dtype == torch.float32:
            calls["oneDNN blocks"] = in_blocks
    return calls


def weight_shapes(provider: str, H: int) -> list[tuple[int, int]]:
    """Rows and columns of every matrix of a layer or a rival: those of its bare products."""
    with torch.device("meta"):
        weights = dict(_layer(provider, H).named_parameters()).items()
    matrices = [p for name, p in weights if name.startswith("weight") and p.dim() > 1]
    return [(p.numel() // p.shape[-1], p.shape[-1]) for p in matrices]


def step_work(provider: str, B: int, T: int, H: int) -> Work:
    """A training step of one layer of width H in float32.

    Args:
        provider: as in `layer_calls`.
        B: batch.
        T: time steps.
        H: width of input and state.

    Returns:
        The step of `layer_calls`; the operations of its three matrix products, which leaves out a
        few in a hundred for the gates; and its bytes: input, output, their gradients and the
        weights, forward and backward. What a layer keeps in between could be computed again.
    """
    weight, sequence = sum(G * I for G, I in weight_shapes(provider, H)), T * B * H
    moved = 5 * sequence + 3 * weight  # x, y; grad, x, x's; the weight twice, and its gradient
    step = layer_calls(provider, B, T, H, torch.float32)["step"]
    return Work(step, 4 * moved, 3 * 2 * T * B * weight)
