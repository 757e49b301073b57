"""Puts our layers in the places of torch.nn.LSTM and torch.nn.GRU in a model that exists."""

from typing import Any

from torch import Tensor, nn

from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.nn.sru import SRU


class InPlaceOfLSTM(nn.Module):
    """One of our layers behind the interface of torch.nn.LSTM, whose state is a pair (h, c).

    c is the layer's own state: a tensor as LSTM's, but in QRNN, where it has windows beside it. h
    is what every layer put out last; of an h that is passed in nothing is used, because our layers
    find their outputs from c. Other attributes are the layer's.

    Args:
        layer: a recurrent layer of ours; it is changed, do not use it on its own.

    Example:
        >>> import torch
        >>> lstm = InPlaceOfLSTM(SRU(4, 8))
        >>> output, (h, c) = lstm(torch.randn(5, 2, 4))
        >>> torch.equal(h[0], output[-1]), c.shape
        (True, torch.Size([1, 2, 8]))
    """

    proj_size = 0

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        layer.returns_h = True
        self.layer = layer

    def forward(self, input: Any, hx: tuple[Tensor, Any] | None = None) -> tuple[Any, Any]:
        """As torch.nn.LSTM's: output and (h, c); `hx` is such a pair.

        Raises:
            ValueError: `hx` is no pair, or something does not fit the layer.
        """
        if hx is not None and not (isinstance(hx, tuple) and len(hx) == 2):
            raise ValueError(
                f"a layer in place of an LSTM needs hx as a pair (h, c); got {type(hx).__name__}; "
                "pass what an earlier call returned"
            )
        output, (c, h) = self.layer(input, None if hx is None else hx[1])
        return output, (h, c)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)


def convert(model: nn.Module, kind: type[Recurrent] = SRU, **options: Any) -> list[str]:
    """Replace every torch.nn.LSTM and torch.nn.GRU inside a model, in place, by a layer of ours.

    The model's forward keeps running: sizes, directions, layers, bias, batch_first, dropout,
    device, dtype and mode are taken over, and where an LSTM was, states stay pairs (h, c). The new
    weights are drawn anew: the model has to be trained. Cells (LSTMCell, GRUCell) and subclasses
    stay as they are.

    Args:
        model: whose parts are replaced; itself neither an LSTM nor a GRU.
        kind: what to put there.
        **options: for every new layer, such as `highway_bias`.

    Returns:
        One line for each place: its name, what was there, what is there now, and that it is
        untrained. Empty where there was nothing to replace.

    Raises:
        ValueError: the model itself is an LSTM or a GRU, or an LSTM has a `proj_size`; nothing has
            been changed then.

    Example:
        >>> from torch import nn
        >>> model = nn.ModuleDict({"encoder": nn.LSTM(8, 16, batch_first=True)})
        >>> convert(model)
        ['encoder: LSTM(8, 16, batch_first=True) -> SRU(8, 16, batch_first=True), untrained']
    """
    everything = list(model.named_modules(remove_duplicate=False))
    places: list[tuple[str, Any]] = [(n, m) for n, m in everything if type(m) in (nn.LSTM, nn.GRU)]
    if type(model) in (nn.LSTM, nn.GRU):
        raise ValueError(
            f"convert needs a model that holds LSTMs or GRUs; got {model}; "
            f"write {kind.__name__} in its place"
        )
    for name, old in places:
        if old.proj_size:
            raise ValueError(
                f"convert needs LSTMs without proj_size; got {old.proj_size} at {name}; "
                "put a torch.nn.Linear behind the layer instead"
            )
    new = {old: _like(old, kind, options) for old in {id(m): m for _, m in places}.values()}
    for name, old in places:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, new[old])
    return [f"{name}: {old} -> {_shown(new[old])}, untrained" for name, old in places]


def _like(rnn: Any, kind: type[Recurrent], options: dict[str, Any]) -> nn.Module:
    """A layer of ours with the arguments of one of torch's."""
    weight = next(rnn.parameters())
    layer = kind(
        rnn.input_size,
        rnn.hidden_size,
        rnn.num_layers,
        rnn.bias,
        rnn.batch_first,
        rnn.dropout,
        rnn.bidirectional,
        device=weight.device,
        dtype=weight.dtype,
        **options,
    )
    return (InPlaceOfLSTM(layer) if isinstance(rnn, nn.LSTM) else layer).train(rnn.training)


def _shown(module: nn.Module) -> str:
    """The layer in one line."""
    layer = module.layer if isinstance(module, InPlaceOfLSTM) else module
    return " ".join(str(layer).split())
