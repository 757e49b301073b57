"""What is timed: kernels and layers, their rivals, the floors they are held against; parity first.

`swiftrnn bench` and the grids in `benchmarks/` use it; `timing` and `machine` measure.
"""

from collections.abc import Callable, Sequence
from importlib import import_module

import torch
from torch import Tensor

from swiftrnn.machine import keep_pages, load, machine, peak_bytes
from swiftrnn.ops import OPS, _native, release_memory
from swiftrnn.ops._op import Op
from swiftrnn.ops._product import (
    BLOCK_BYTES,
    add_outer,
    for_onednn,
    onednn,
    times,
    zeros_for_outer,
)
from swiftrnn.timing import Timing, copy_call, interleaved

__all__ = [  # the measuring belongs to what `benchmarks/` needs
    "Call",
    "Timing",
    "check_parity",
    "interleaved",
    "keep_pages",
    "kernel_calls",
    "layer_calls",
    "load",
    "machine",
    "main",
    "peak_bytes",
    "product_calls",
    "release_memory",
    "weight_shapes",
]


Call = Callable[[], object]  # what it gives is dropped
OURS = ("SRU", "QRNN", "MinGRU")
MORE = ("MinLSTM", "RGLRU", "HGRN")  # timed when they are asked for
RIVALS = ("nn.LSTM", "nn.GRU", "nn.Conv1d k3", "nn.Conv1d k2")
COPY_BYTES = 128 << 20  # beyond any cache
OUTER_BYTES = 4 << 20  # both factors of one product of oneDNN's weight gradient
OWN = "swiftrnn"  # the products as our layers take them: shown, never part of the floor
PRODUCTS = ("forward", "input gradient", "weight gradient")


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
    """Rows and columns of every matrix of one of `OURS` or `MORE`: those of its bare products."""
    weights = dict(_layer(provider, H).named_parameters()).items()
    matrices = [p for name, p in weights if name.startswith("weight") and p.dim() > 1]
    return [(p.numel() // p.shape[-1], p.shape[-1]) for p in matrices]


def kernel_calls(
    op: Op, B: int, T: int, H: int, dtype: torch.dtype = torch.float32
) -> dict[str, tuple[Call, int]]:
    """The kernels of an op, without autograd, ready to be timed.

    Args:
        op: one of `swiftrnn.ops.OPS`.
        B: batch.
        T: time steps.
        H: channels.
        dtype: of the inputs.

    Returns:
        forward (keeps nothing), forward kept (with what only backward needs, if that is more),
        backward, and copy, a plain copy to hold them against: a call each, and the bytes it must
        move, each array once.
    """
    inputs, outputs, given = _arguments(op, T, B, H, dtype)
    forward, backward, discard = op.raw["forward"], op.raw["backward"], [not k for k in op.keep]
    small = _arguments(op, 3, 2, 5, dtype)[2]
    read = [x for i, x in enumerate(given) if _is_read(op, small, i)]
    calls = {
        "forward": (
            lambda: forward(*inputs, *discard),
            _bytes(*inputs, *forward(*inputs, *discard)),
        ),
        "forward kept": (lambda: forward(*inputs, *op.keep), _bytes(*inputs, *outputs)),
        "backward": (lambda: backward(*given), _bytes(*read, *backward(*given))),
        "copy": copy_call(COPY_BYTES),
    }
    return {mode: c for mode, c in calls.items() if op.keep or mode != "forward kept"}


def _arguments(op: Op, T: int, B: int, H: int, dtype: torch.dtype) -> tuple[tuple, tuple, tuple]:
    """Inputs, outputs, and the arguments of backward."""
    torch.manual_seed(0)
    inputs = op.sample(T=T, B=B, H=H, dtype=dtype)
    outputs = op.raw["forward"](*inputs, *op.keep)
    grads = (torch.randn_like(y) for y in outputs[: op.public])
    return inputs, outputs, (*inputs, *(outputs[i] for i in op.saved), *grads)


def _is_read(op: Op, given: tuple, i: int) -> bool:
    """Whether backward's result depends on its argument i: nan goes in, does nan come out?"""
    if not _is_real(given[i]):
        return isinstance(given[i], Tensor)
    poisoned = (*given[:i], torch.full_like(given[i], torch.nan), *given[i + 1 :])
    return any(g.isnan().any() for g in op.raw["backward"](*poisoned))


def _bytes(*arrays: object) -> int:
    tensors = {a.data_ptr(): a for a in arrays if isinstance(a, Tensor)}
    return sum(a.numel() * a.element_size() for a in tensors.values())


def check_parity(op: Op) -> None:
    """Hold the C kernels of an op against its reference in float64, before any time is taken.

    Raises:
        RuntimeError: the kernels are not loaded, or a number is off.
    """
    if not op.has_kernel("cpu"):
        raise RuntimeError(
            f"a benchmark of {op.name} needs its C kernels; got none, because {_native.why()}; "
            "install a C compiler and install swiftrnn again"
        )
    inputs, outputs, given = _arguments(op, 17, 3, 67, torch.float32)
    exact = [x.double().requires_grad_() if _is_real(x) else x for x in inputs]
    expected, grads = op.reference(*exact), given[-op.public :]
    actual_grads = op.raw["backward"](*given)
    losses = [(y * g.double()).sum() for y, g in zip(expected, grads, strict=True)]
    wanted = {
        i: a for i, a in zip(op.differentiable, actual_grads, strict=True) if _is_real(inputs[i])
    }
    expected_grads = torch.autograd.grad(sum(losses[1:], losses[0]), [exact[i] for i in wanted])
    pairs = [
        *zip(outputs[: op.public], expected, strict=True),
        *zip(wanted.values(), expected_grads, strict=True),
    ]
    for actual, right in pairs:
        if not torch.allclose(actual.double(), right, rtol=1e-4, atol=1e-5):
            worst = (actual.double() - right).abs().max().item()
            raise RuntimeError(
                f"a benchmark of {op.name} needs kernels that agree with the reference; got a "
                f"difference of {worst:.3g}; mend the kernel before timing it"
            )


def _is_real(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def main(op: str | None = None, hidden: int = 512, batch: int = 32, time: int = 256) -> None:
    """Time kernels and layers on this machine and print the tables; `swiftrnn bench` runs it.

    Args:
        op: an op (`linear_scan`) or a layer (`SRU`) to time alone; None for all.
        hidden: H, at least 1.
        batch: B, at least 1.
        time: T, at least 1.

    Raises:
        ValueError: there is no such op or layer, or a size is below 1.
        RuntimeError: a kernel is missing or wrong.
    """
    ops = {o.name: o for o in OPS}
    known = (*ops, *OURS, *MORE)
    if op is not None and op not in known:
        raise ValueError(
            f"swiftrnn bench needs one of {', '.join(known)}; got {op!r}; "
            "name one of them, or none for all"
        )
    if min(hidden, batch, time) < 1:
        raise ValueError(
            "swiftrnn bench needs sizes of at least 1; "
            f"got hidden {hidden}, batch {batch} and time {time}; give larger numbers"
        )
    facts, B, T, H = machine(), batch, time, hidden
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(load()["note"])
    if op is None or op not in ops:
        _print_layers(OURS if op is None else (op,), B, T, H)
    if op is None or op in ops:
        _print_kernels([ops[op]] if op else list(ops.values()), B, T, H)


def _print_layers(layers: tuple[str, ...], B: int, T: int, H: int) -> None:
    calls: dict[tuple[str, str], Call] = {}
    for provider in (*layers, *RIVALS):
        for mode, call in layer_calls(provider, B, T, H, torch.float32).items():
            calls[provider, mode] = call
    for layer in layers:
        for i, shape in enumerate(weight_shapes(layer, H)):
            for product, libraries in product_calls(*shape, T * B, torch.float32).items():
                for library, call in libraries.items():
                    calls[f"{layer} {product} {i}", library] = call
    times = {key: t.median for key, t in interleaved(calls, limit_s=90).items()}
    rows = [
        ("layer", "forward ms", "step ms", "stream us", "step / its products", "LSTM's step / it")
    ]
    for provider in (*layers, *RIVALS):
        step, stream = times[provider, "step"], times.get((provider, "stream"))
        fastest: dict[str, float] = {}
        for (name, library), t in times.items():
            if name.startswith(f"{provider} ") and library != OWN:
                fastest[name] = min(t, fastest.get(name, t))
        floor = sum(fastest.values())
        rows.append(
            (
                provider,
                f"{times[provider, 'forward'] * 1e3:.2f}",
                f"{step * 1e3:.2f}",
                f"{stream * 1e6:.1f}" if stream else "-",
                f"{step / floor:.2f}" if floor else "-",
                f"{times['nn.LSTM', 'step'] / step:.2f}",
            )
        )
    _print_table(f"B {B}, T {T}, H {H}, float32, medians; step = forward + backward", rows)


def _print_kernels(ops: list[Op], B: int, T: int, H: int) -> None:
    missing = [op.name for op in ops if not op.has_kernel("cpu")]
    if missing:  # the reference runs instead, and its times would pass for those of a kernel
        print(f"\nno kernel of {', '.join(missing)} runs here: {_native.why()}")
        return
    for op in ops:
        check_parity(op)
    keep_pages()
    rows = [("kernel", "ms", "GB/s", "of copy")]
    for op in ops:
        calls = kernel_calls(op, B, T, H)
        times = interleaved({mode: call for mode, (call, _) in calls.items()}, limit_s=20)
        rates = {mode: calls[mode][1] / t.median for mode, t in times.items()}
        for mode, rate in rates.items():
            ms, share = f"{times[mode].median * 1e3:.2f}", f"{rate / rates['copy']:.0%}"
            rows.append((f"{op.name} {mode}", ms, f"{rate / 1e9:.1f}", share))
    _print_table(f"T {T}, B {B}, H {H}, float32, outputs touched before", rows)


def _print_table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for first, *others in rows:
        cells = [o.rjust(w) for o, w in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))
