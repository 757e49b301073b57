"""Weight drop: dropout on the weights of a recurrent layer, ours or torch's."""

import re
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from swiftrnn.nn._options import probability

M = TypeVar("M", bound=nn.Module)
OF_LAYER = r"_l\d+(_reverse)?$"  # how names of parameters end


class WeightDrop(nn.Module):
    """A weight, with elements zeroed and the others scaled by 1 / (1 - p), while training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, weight: Tensor) -> Tensor:
        """Of the same shape, with a new mask at each call."""
        return nn.functional.dropout(weight, self.p) if self.training else weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What is assigned to the parameter is the weight before the mask."""
        return weight

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def weight_drop(module: M, *names: str, p: float = 0.5) -> M:
    """Drop elements of a module's weights while it trains (DropConnect).

    Each call of the module draws one mask per weight, which holds for all steps of the sequences
    and for the whole batch; in eval mode nothing changes. A call of `step` is a call: inside
    `torch.nn.utils.parametrize.cached()` a stream keeps one mask. But do not run a layer and its
    copy in one such block: torch takes them for the same. HGRN reads `lower_bound` once a layer,
    with a mask each.

    Optimizers keep their parameters. In the state dict a weight is called
    `parametrizations.{name}.original`; weights under their plain names are loaded too. The module
    itself cannot be pickled until the masks are taken away.

    torch.nn.LSTM, GRU and RNN read a weight several times in a call, and the last mask counts, for
    all steps of time too. They can be copied before they train, or after a call in eval mode.

    Args:
        module: a layer of ours, or any other module; it is changed.
        *names: of its own parameters, such as "weight_hh_l0"; a name without the layer's ending,
            such as "weight_hh", means those of all layers and directions.
        p: probability of zeroing an element, in 0..1.

    Returns:
        The module. `remove_weight_drop` takes the masks away again.

    Raises:
        TypeError: p is no number.
        ValueError: p is out of range, a name is unknown, or its weight is dropped already; nothing
            has been changed then.

    Examples:
        >>> import torch
        >>> from swiftrnn.nn import SRU
        >>> layer = weight_drop(SRU(4, 4, num_layers=2), "weight_ih", p=0.5)
        >>> (layer.weight_ih_l1 == 0).any(), (layer.eval().weight_ih_l1 == 0).any()
        (tensor(True), tensor(False))

    Source: Merity et al. (2017), "Regularizing and Optimizing LSTM Language Models",
    arXiv:1708.02182, section 2; Wan et al. (2013), "Regularization of Neural Networks using
    DropConnect".
    """
    p = probability("weight_drop", "p", p)
    chosen = _chosen(module, names)
    for name in chosen:
        if any(isinstance(each, WeightDrop) for each in _parametrizations(module, name)):
            raise ValueError(
                f"weight_drop needs weights that are not dropped yet; got {name}; "
                "call remove_weight_drop first"
            )
    for name in chosen:
        parametrize.register_parametrization(module, name, WeightDrop(p))
    module.register_load_state_dict_pre_hook(_load_plain)
    return module


def remove_weight_drop(module: M) -> M:
    """Undo `weight_drop`: the module's parameters are the weights before any mask.

    Args:
        module: one that `weight_drop` was called with, or any other.

    Returns:
        The module.

    Examples:
        >>> from torch import nn
        >>> lstm = weight_drop(nn.LSTM(4, 4), "weight_hh")
        >>> list(remove_weight_drop(lstm).state_dict())[-1]
        'weight_hh_l0'
    """
    for name in list(getattr(module, "parametrizations", ())):
        chain = _parametrizations(module, name)
        dropping = [i for i, each in enumerate(chain) if isinstance(each, WeightDrop)]
        if dropping and len(chain) > 1:
            del chain[dropping[0]]
        elif dropping:
            shared: Any = type(module)  # with copies of the module; torch changes it
            own: Any = type(shared.__name__, shared.__bases__, dict(vars(shared)))
            module.__class__ = own
            parametrize.remove_parametrizations(module, name, leave_parametrized=False)
    return module


def _chosen(module: nn.Module, names: tuple[str, ...]) -> list[str]:
    """The parameters that are meant, each once."""
    own = [name for name, _ in module.named_parameters(recurse=False)]
    own += getattr(module, "parametrizations", ())
    stems = {each: re.sub(OF_LAYER, "", each) for each in own}
    kind = parametrize.type_before_parametrizations(module).__name__
    if not names or not set(names) <= {*own, *stems.values()}:
        raise ValueError(
            f"weight_drop needs names of parameters that {kind} itself has, "
            f"{', '.join(sorted(set(stems.values()))) or 'none'}; "
            f"got {', '.join(map(repr, names)) or 'no name'}"
        )
    return [each for each in own if each in names or stems[each] in names]


def _parametrizations(module: nn.Module, name: str) -> Any:
    """What a parameter goes through, in order."""
    if not parametrize.is_parametrized(module, name):
        return ()
    computed: Any = module.parametrizations
    return computed[name]


def _load_plain(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Let a state dict that was saved without weight drop fit."""
    for name in getattr(module, "parametrizations", ()):
        chain = _parametrizations(module, name)
        if len(chain) == 1 and isinstance(chain[0], WeightDrop) and prefix + name in state:
            state[f"{prefix}parametrizations.{name}.original"] = state.pop(prefix + name)
