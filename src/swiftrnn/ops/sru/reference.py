"""The definition of `sru`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor


def forward(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `sru`, to output (T, B, H) and final (B, H)."""
    T, H, c = gates.shape[0], initial.shape[-1], initial
    u, f, r = (gates[..., i * H : (i + 1) * H].to(c.dtype) for i in range(3))
    s = gates[..., 3 * H :] if gates.shape[-1] == 4 * H else skip
    s = torch.zeros_like(u) if s is None else scale * s.to(c.dtype)
    outputs = [torch.empty(0)] * T
    for t in reversed(range(T)) if reverse else range(T):
        before = c if reset is None else torch.where(reset[t, :, None], 0, c)
        forget = torch.sigmoid(f[t] + weight_c[0] * before + bias[0])
        highway = torch.sigmoid(r[t] + weight_c[1] * before + bias[1])
        new = u[t] + forget * (before - u[t])
        highway = highway if mask is None else highway * mask
        h = s[t] + ((new.tanh() if tanh else new) - s[t]) * highway
        if lengths is None:
            outputs[t], c = h, new
        else:
            inside = (t < lengths)[:, None]
            outputs[t], c = torch.where(inside, h, 0), torch.where(inside, new, c)
    output = torch.stack(outputs) if T else gates.new_empty(0, *initial.shape)
    return output.to(gates.dtype), c
