"""Sequences of different lengths in one input: a PackedSequence, or one after the other."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from swiftrnn.nn._inputs import check_input
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


def forward_packed(
    layer: Any, packed: PackedSequence, state: Any, reset: Any
) -> tuple[PackedSequence, Any]:
    """Run a `Recurrent` over a PackedSequence; see its `forward`."""
    data, sizes, order, back = packed
    ordered = PackedSequence(data, sizes)  # the longest sequence first
    x, lengths = pad_packed_sequence(ordered)
    check_input(layer, x)
    reset = layer._time_first(reset, batched=True)
    if order is not None:
        state = layer.map_state(lambda s: s.index_select(1, order), state)
        reset = reset.index_select(1, order) if isinstance(reset, Tensor) else reset
    output, state = layer._run(x, state, lengths.to(x.device), reset)
    if back is not None:
        state = layer.map_state(lambda s: s.index_select(1, back), state)
    data = pack_padded_sequence(output, lengths).data
    return PackedSequence(data, sizes, order, back), state
