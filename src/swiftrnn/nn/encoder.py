"""Recurrent layers by name, over sequences of different lengths, in both directions."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from swiftrnn.nn._options import at_least, flag, probability
from swiftrnn.nn.hgrn import HGRN
from swiftrnn.nn.mingru import MinGRU
from swiftrnn.nn.minlstm import MinLSTM
from swiftrnn.nn.qrnn import QRNN
from swiftrnn.nn.rglru import RGLRU
from swiftrnn.nn.sru import SRU
from swiftrnn.ops._reverse import reverse

OURS = {
    "sru": SRU, "qrnn": QRNN, "mingru": MinGRU, "minlstm": MinLSTM, "rglru": RGLRU, "hgrn": HGRN,
}  # fmt: skip
TORCHS = {"lstm": nn.LSTM, "gru": nn.GRU}
KINDS = (*OURS, *TORCHS)


class Encoder(nn.Module):
    """One kind of recurrent layer, whatever it is, with lengths and without surprises.

    Layers of torch have no lengths. They run on the padded batch, the second direction on a batch
    in which the valid part of each sequence is turned round, so padding never comes before words;
    or, if `packed`, on a PackedSequence. The results are the same.

    Args:
        kind: one of `KINDS`.
        input_size: I.
        hidden_size: H of each direction.
        num_layers: on top of each other.
        bidirectional: whether there is a second direction.
        dropout: probability of zeroing an element between two layers, while training.
        packed: whether lstm and gru get a PackedSequence.

    Raises:
        ValueError, TypeError: there is no such kind, or an argument is out of range or of another
            kind.

    Examples:
        >>> import torch
        >>> encoder, lengths = Encoder("sru", 8, 16), torch.tensor([5, 3])
        >>> output = encoder(torch.randn(5, 2, 8), lengths)
        >>> output.shape, encoder.ends(output, lengths).shape
        (torch.Size([5, 2, 32]), torch.Size([2, 32]))
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        packed: bool = False,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"Encoder needs a kind of {', '.join(KINDS)}; got {kind!r}")
        input_size = at_least(1)("Encoder", "input_size", input_size)
        hidden_size = at_least(1)("Encoder", "hidden_size", hidden_size)
        num_layers = at_least(1)("Encoder", "num_layers", num_layers)
        bidirectional = flag("Encoder", "bidirectional", bidirectional)
        dropout = probability("Encoder", "dropout", dropout)
        packed = flag("Encoder", "packed", packed)
        self.hidden_size, self.bidirectional = hidden_size, bidirectional
        self.dropout, self.packed = dropout, packed and kind in TORCHS
        self.output_size = hidden_size * (2 if bidirectional else 1)
        self.layers, shared = nn.ModuleList(), {"bidirectional": bidirectional}
        if kind in OURS or self.packed:
            make: Any = OURS[kind] if kind in OURS else TORCHS[kind]
            self.whole = make(input_size, hidden_size, num_layers, dropout=dropout, **shared)
            return
        self.whole, sizes = None, [input_size] + [self.output_size] * (num_layers - 1)
        for size in sizes:
            each = [TORCHS[kind](size, hidden_size) for _ in range(2 if bidirectional else 1)]
            self.layers.append(nn.ModuleList(each))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (T, B, I) and lengths (B) to (T, B, directions * H), 0 beyond the lengths."""
        if self.whole is not None and not self.packed:
            return self.whole(x, lengths=lengths)[0]
        if not x.shape[0] * x.shape[1]:  # which torch's layers refuse
            return x.new_zeros(*x.shape[:2], self.output_size)
        inside = (torch.arange(x.shape[0], device=x.device)[:, None] < lengths)[..., None]
        if self.whole is not None:
            some = lengths.clamp(min=1).cpu()  # PackedSequence has no empty sequences
            packed = pack_padded_sequence(x, some, enforce_sorted=False)
            output = pad_packed_sequence(self.whole(packed)[0], total_length=len(x))[0]
            return torch.where(inside, output, 0)
        for i, directions in enumerate(self.layers):
            if i:
                x = nn.functional.dropout(x, self.dropout, self.training)
            parts = [directions[0](x)[0]]  # pyright: ignore[reportIndexIssue]
            if self.bidirectional:
                turned = directions[1](reverse(x, lengths))[0]  # pyright: ignore[reportIndexIssue]
                parts.append(reverse(turned, lengths))
            x = torch.where(inside, torch.cat(parts, -1), 0)
        return x

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step of x (B, I) and a state, None at first, to (B, H) and the state after it.

        In the tensors of a state the batch is dimension 1; a state of zeros is that at first.

        Raises:
            RuntimeError: there is a second direction, which begins at the end.
        """
        if self.bidirectional or self.packed:
            raise RuntimeError("Encoder.step needs one direction, and padded batches")
        if self.whole is not None:
            return self.whole.step(x, state)  # pyright: ignore[reportCallIssue]
        states = [None] * len(self.layers) if state is None else state
        after, x = [], x[None]
        for directions, before in zip(self.layers, states, strict=True):
            x, new = directions[0](x, before)  # pyright: ignore[reportIndexIssue]
            after.append(new)
        return x[0], after

    def ends(self, output: Tensor, lengths: Tensor) -> Tensor:
        """What each direction put out last, (B, directions * H), 0 for an empty sequence."""
        B, H = output.shape[1], self.hidden_size
        last = output[(lengths - 1).clamp(min=0), torch.arange(B, device=output.device)]
        if not self.bidirectional:
            return last
        return torch.cat([last[:, :H], output[0, :, H:]], -1)
