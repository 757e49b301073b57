"""Our ops in ONNX: what is element-wise as torch's operators, what is left as ONNX's Scan.

Two recurrences are left. All others come down to them: where a sequence starts over the last state
is multiplied by 0, where it has ended its forget gate is 1.
"""

from typing import Any

import torch
from onnxscript import BOOL, FLOAT, INT64, graph, opset18, script
from torch import Tensor

from swiftrnn.ops import OPS
from swiftrnn.ops.gated_scan.reference import gates_of

_CORE = "swiftrnn::onnx_"
torch.library.define(
    f"{_CORE}linear", "(Tensor a, Tensor x, Tensor c, bool reverse) -> (Tensor, Tensor)"
)
torch.library.define(
    f"{_CORE}sru",
    "(Tensor u, Tensor f, Tensor r, Tensor stays, Tensor v_f, Tensor v_r, Tensor c, bool reverse)"
    " -> (Tensor, Tensor, Tensor)",
)
torch.library.define(
    f"{_CORE}viterbi",
    "(Tensor first, Tensor emissions, Tensor later, Tensor transitions, Tensor end) -> Tensor",
)
torch.library.register_fake(
    f"{_CORE}viterbi",
    lambda first, emissions, *_: first.new_empty(
        emissions.shape[0], first.shape[0], dtype=torch.int64
    ),
)
torch.library.register_fake(
    f"{_CORE}linear", lambda *given: (torch.empty_like(given[1]), torch.empty_like(given[2]))
)
torch.library.register_fake(
    f"{_CORE}sru",
    lambda u, *given: (torch.empty_like(u), torch.empty_like(u), torch.empty_like(given[5])),
)
_linear, _sru, _viterbi = (
    getattr(torch.ops.swiftrnn, f"onnx_{n}").default for n in ("linear", "sru", "viterbi")
)


def _ends(x: Tensor, lengths: Any, reset: Any) -> tuple[Tensor | None, Tensor | None]:
    """Where sequences go on, and where they keep their state, (T, B, 1); None for everywhere."""
    inside = None
    if lengths is not None:
        inside = (torch.arange(x.shape[0], device=x.device)[:, None] < lengths)[..., None]
    stays = None if reset is None else ~reset[..., None]
    if stays is not None and inside is not None:
        stays = stays | ~inside
    return inside, stays


def linear_scan(decay, input, initial, lengths, reset, reverse):
    """In terms of the first recurrence."""
    inside, stays = _ends(input, lengths, reset)
    decay = decay if stays is None else torch.where(stays, decay, 0)
    if inside is None:
        return _linear(decay, input, initial, reverse)
    decay, input = torch.where(inside, decay, 1), torch.where(inside, input, 0)
    output, final = _linear(decay, input, initial, reverse)
    return torch.where(inside, output, 0), final


def gated_scan(gates, bias, floor, initial, lengths, reset, cell, reverse, _):
    """The same, between gates."""
    parts = (gates + bias).split(initial.shape[-1], -1)
    f, i, u, o = gates_of(cell, parts)
    if floor is not None:
        f, i = floor + (1 - floor) * f, (1 - floor) * i
    output, final = linear_scan(f, i * u, initial, lengths, reset, reverse)
    return output * o, final, initial.new_empty(0)


def rg_lru(gates, skip, bias, rate, initial, lengths, reset, reverse, _):
    """The same; the gates are those of the reference."""
    r, i = torch.sigmoid(gates + bias).chunk(2, -1)
    log_a = rate * r
    scaled = torch.sqrt(1 - torch.exp(2 * log_a)) * i * skip
    output, final = linear_scan(log_a.exp(), scaled, initial, lengths, reset, reverse)
    return output, final, initial.new_empty(0)


def sru(
    gates, skip, weight_c, bias, initial, mask, lengths, reset, scale, tanh, reverse, _
):  # fmt: skip
    """In terms of the second recurrence."""
    H = initial.shape[-1]
    u, f, r, *by_product = gates.split(H, -1)
    f, r = f + bias[0], r + bias[1]
    inside, stays = _ends(u, lengths, reset)
    kept = torch.ones_like(u[..., :1]) if stays is None else stays.to(u.dtype)
    if inside is not None:
        u, f = torch.where(inside, u, 0), torch.where(inside, f, 1e30)
    c, highway, final = _sru(u, f, r, kept, weight_c[0], weight_c[1], initial, reverse)
    highway = highway if mask is None else highway * mask
    skip = by_product[0] if by_product else skip
    skip = torch.zeros_like(c) if skip is None else scale * skip
    output = skip + ((c.tanh() if tanh else c) - skip) * highway
    output = output if inside is None else torch.where(inside, output, 0)
    return output, final, initial.new_empty(0)


def viterbi(emissions, transitions, start, end, lengths):
    """Its path; nobody asks for the score."""
    T = emissions.shape[0]
    lengths = torch.full_like(emissions[0, :, 0], T).long() if lengths is None else lengths
    times = torch.arange(T, device=emissions.device)[:, None]
    inside, first = times < lengths, start + emissions[0]
    later = (inside & (times > 0))[..., None]  # the first step leads nowhere, either
    path = _viterbi(first, emissions, later, transitions, end)
    return first[:, 0], torch.where(inside, path, 0)


DECOMPOSITIONS: dict[Any, Any] = {
    op.raw["forward"]: {f.__name__: f for f in (linear_scan, gated_scan, rg_lru, sru)}[op.name]
    for op in OPS
}
DECOMPOSITIONS[torch.ops.swiftrnn.crf_viterbi.default] = viterbi


@script(default_opset=opset18)
def linear_forwards(a: FLOAT[...], x: FLOAT[...], c: FLOAT[...]) -> tuple[FLOAT[...], FLOAT[...]]:
    """The first recurrence, h and the last state."""

    @graph()
    def body(before, a_t, x_t):
        new = a_t * before + x_t
        return new, opset18.Identity(new)

    last, h = opset18.Scan(c, a, x, body=body, num_scan_inputs=2)
    return h, last


@script(default_opset=opset18)
def linear_backwards(a: FLOAT[...], x: FLOAT[...], c: FLOAT[...]) -> tuple[FLOAT[...], FLOAT[...]]:
    """The same from the end."""

    @graph()
    def body(before, a_t, x_t):
        new = a_t * before + x_t
        return new, opset18.Identity(new)

    last, h = opset18.Scan(
        c,
        a,
        x,
        body=body,
        num_scan_inputs=2,
        scan_input_directions=[1, 1],
        scan_output_directions=[1],
    )
    return h, last


@script(default_opset=opset18)
def sru_forwards(
    u: FLOAT[...], f: FLOAT[...], r: FLOAT[...], stays: FLOAT[...],
    v_f: FLOAT[...], v_r: FLOAT[...], c: FLOAT[...],
) -> tuple[FLOAT[...], FLOAT[...], FLOAT[...]]:  # fmt: skip
    """The second recurrence, c, the highway gate and the last state."""

    @graph()
    def body(before, u_t, f_t, r_t, stays_t):
        old = before * stays_t
        forget = opset18.Sigmoid(f_t + v_f * old)
        highway = opset18.Sigmoid(r_t + v_r * old)
        new = u_t + forget * (old - u_t)
        return new, opset18.Identity(new), highway

    last, h, highways = opset18.Scan(c, u, f, r, stays, body=body, num_scan_inputs=4)
    return h, highways, last


@script(default_opset=opset18)
def sru_backwards(
    u: FLOAT[...], f: FLOAT[...], r: FLOAT[...], stays: FLOAT[...],
    v_f: FLOAT[...], v_r: FLOAT[...], c: FLOAT[...],
) -> tuple[FLOAT[...], FLOAT[...], FLOAT[...]]:  # fmt: skip
    """The same from the end."""

    @graph()
    def body(before, u_t, f_t, r_t, stays_t):
        old = before * stays_t
        forget = opset18.Sigmoid(f_t + v_f * old)
        highway = opset18.Sigmoid(r_t + v_r * old)
        new = u_t + forget * (old - u_t)
        return new, opset18.Identity(new), highway

    last, h, highways = opset18.Scan(
        c, u, f, r, stays, body=body, num_scan_inputs=4,
        scan_input_directions=[1, 1, 1, 1], scan_output_directions=[1, 1],
    )  # fmt: skip
    return h, highways, last


@script(default_opset=opset18)
def best_path(
    first: FLOAT[...], emissions: FLOAT[...], later: BOOL[...], transitions: FLOAT[...],
    end: FLOAT[...],
) -> INT64[...]:  # fmt: skip
    """Scores to the end, and back along the best way; a step that is not there leads nowhere."""
    zero, one = opset18.Constant(value_int=0), opset18.Constant(value_int=1)
    count = opset18.Squeeze(opset18.Shape(end))
    same = opset18.Range(zero, count, one)

    @graph()
    def forth(best, now, later_t):
        ways = opset18.Unsqueeze(best, opset18.Constant(value_ints=[2])) + transitions
        most = opset18.ReduceMax(ways, opset18.Constant(value_ints=[1]), keepdims=0)
        origin = opset18.ArgMax(ways, axis=1, keepdims=0)
        return opset18.Where(later_t, most + now, best), opset18.Where(later_t, origin, same)

    @graph()
    def back(tag, origin):
        before = opset18.GatherElements(origin, tag, axis=1)
        return before, opset18.Identity(tag)

    best, origins = opset18.Scan(first, emissions, later, body=forth, num_scan_inputs=2)
    last = opset18.ArgMax(best + end, axis=1, keepdims=1)
    _, path = opset18.Scan(
        last, origins, body=back, num_scan_inputs=1, scan_input_directions=[1],
        scan_output_directions=[1],
    )  # fmt: skip
    return opset18.Squeeze(path, opset18.Constant(value_ints=[2]))


def _translate_linear(a, x, c, reverse=False):
    return linear_backwards(a, x, c) if reverse else linear_forwards(a, x, c)


def _translate_sru(u, f, r, stays, v_f, v_r, c, reverse=False):
    return (sru_backwards if reverse else sru_forwards)(u, f, r, stays, v_f, v_r, c)


def _translate_viterbi(first, emissions, later, transitions, end):
    return best_path(first, emissions, later, transitions, end)


TRANSLATIONS = {
    _linear: _translate_linear,
    _sru: _translate_sru,
    _viterbi: _translate_viterbi,
}
