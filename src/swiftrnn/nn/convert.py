"""Puts our layers in the places of torch.nn.LSTM and torch.nn.GRU in a model that exists."""

from typing import Any, get_args

from torch import nn
from torch.nn.utils import parametrize

from swiftrnn.nn._options import one_of
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.nn._sites import Site, check_site, sites_of
from swiftrnn.nn.place import H0, InPlaceOfGRU, InPlaceOfLSTM, Place
from swiftrnn.nn.sru import SRU

PLACES = {nn.LSTM: InPlaceOfLSTM, nn.GRU: InPlaceOfGRU}


def convert(
    model: nn.Module, kind: type[Recurrent] = SRU, *, h0: H0 = "refuse", **options: Any
) -> list[str]:
    """Replace every torch.nn.LSTM and torch.nn.GRU inside a model, in place, by a layer of ours.

    The model's forward keeps running: sizes, directions, layers, bias, batch_first, dropout,
    device, dtype and mode are taken over, and states are those of torch: (h, c) where an LSTM was,
    h where a GRU was, h the last output, of the shape and dtype that the model knows. The new
    weights are random: the model has to be trained. Convert before an optimizer, a wrapper such as
    DistributedDataParallel, or a hook gets hold of the old weights.

    Each new layer is one of `kind`, and an `InPlaceOfLSTM` or `InPlaceOfGRU`, whose documentation
    says which states it goes on from. Its parameters are called as in `model.encoder = SRU(...)`,
    `encoder.weight_ih_l0` for instance; there is no `weight_hh`.

    Left as they are: cells (LSTMCell, GRUCell), torch.nn.RNN, classes made from LSTM or GRU, and
    quantized ones. A layer that a model keeps outside of its modules, in a function's closure for
    instance, is not found.

    Args:
        model: whose parts are replaced; itself neither an LSTM nor a GRU.
        kind: what to put there.
        h0: what a new layer does with a given state that it has no use for, such as an LSTM's h0,
            which may be learned: "refuse" unless it is zero, "ignore", or, for a GRU's, take it for
            its own "state"; see `InPlaceOfLSTM` and `InPlaceOfGRU`.
        **options: for every new layer, such as `highway_bias`.

    Returns:
        One line for each place: its name, what was there, what is there now, and that it is
        untrained. Empty where there was nothing to replace.

    Raises:
        ValueError: the model itself is an LSTM or a GRU, an option does not fit, or a place cannot
            be taken, for a reason that is named: an LSTM has a `proj_size`, is frozen, has hooks or
            parametrizations, shares weights, is also kept outside the model's modules, or the
            model's forward reads weights that ours have not. Nothing has been changed then.
        TypeError: `kind` or an option is none.

    Examples:
        >>> from torch import nn
        >>> model = nn.ModuleDict({"encoder": nn.LSTM(8, 16, batch_first=True)})
        >>> convert(model)
        ['encoder: LSTM(8, 16, batch_first=True) -> SRU(8, 16, batch_first=True), untrained']
    """
    if not (isinstance(kind, type) and issubclass(kind, Recurrent)) or issubclass(kind, Place):
        raise TypeError(f"convert needs a kind such as SRU, a class of layers; got {kind!r}")
    one_of(*get_args(H0))("convert", "h0", h0)
    if parametrize.type_before_parametrizations(model) in PLACES:
        raise ValueError(
            f"convert needs a model that holds LSTMs or GRUs; got {model}; "
            f"write {kind.__name__} in its place"
        )
    sites = sites_of(model, tuple(PLACES))
    for site in sites:
        check_site(model, site, sites, kind.__name__)
    new: dict[nn.Module, Place] = {}
    for site in sites:
        if site.old not in new:
            new[site.old] = _like(site, kind, h0, options)
    for site in sites:
        setattr(model.get_submodule(site.parent), site.last, new[site.old])
    return [f"{site.name}: {site.old} -> {_shown(new[site.old])}, untrained" for site in sites]


def _like(site: Site, kind: type[Recurrent], h0: H0, options: dict[str, Any]) -> Place:
    """A layer of ours with the arguments of one of torch's."""
    rnn: Any = site.old
    weight = next(rnn.parameters())
    try:
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
    except (TypeError, ValueError) as error:
        raise type(error)(f"convert cannot replace {site.name}: {error}") from error
    place = PLACES[type(rnn)](layer, h0)
    place.site = site.name
    return place.train(rnn.training)


def _shown(place: Place) -> str:
    """The layer in one line, by the name of its kind."""
    return " ".join(str(place).split()).replace(type(place).__name__, place._name(), 1)
