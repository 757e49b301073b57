"""Sequences that lie one after the other in one input, without padding."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops._check import check_cu_seqlens


def forward_ragged(
    layer: Any, x: Tensor, state: Any, lengths: Any, reset: Any, cu_seqlens: Any
) -> tuple[Tensor, Any]:
    """Run a `Recurrent` over them; see its `forward`."""
    starts = check_cu_seqlens(layer._name(), cu_seqlens, x)
    if lengths is not None:
        raise ValueError(
            f"{layer._name()} needs lengths or cu_seqlens, not both; got both; leave lengths away"
        )
    lengths = starts.diff()
    times = torch.arange(int(lengths.max()) if len(lengths) else 0, device=x.device)[:, None]
    inside = times < lengths
    rows = torch.where(inside, starts[:-1] + times, 0)
    if isinstance(reset, Tensor):
        reset = reset[rows] if reset.shape == x.shape[:1] else reset
    output, state = layer._run(x[rows], state, lengths, reset)
    return output.transpose(0, 1)[inside.t()], state
