"""Our layers behind the interfaces of torch.nn.LSTM and torch.nn.GRU: their states, their names."""

import functools
import re
from typing import Any, ClassVar, Literal, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from swiftrnn.nn._options import one_of
from swiftrnn.nn._recurrent import Recurrent

H0 = Literal["refuse", "ignore", "state"]
ABSENT = re.compile(  # what torch's layers have and ours cannot have
    r"(weight|bias)_h[hr]_l\d+(_reverse)?|_?all_weights|_flat_weight(s|s_names|_refs)|"
    r"_(init|update)_flat_weights|_weights_have_changed|get_expected_(hidden|cell)_size|"
    r"check_(input|hidden_size|forward_args)"
)
_functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
FEW = 16  # states that are remembered before those that are gone are looked for
_returned: WeakKeyDictionary[Any, dict[int, StorageWeakRef]] = WeakKeyDictionary()


class Place(Recurrent):
    """What a layer of ours does differently where a layer of torch's stood.

    The layer stays what it is, with its parameters, options and names; its class becomes one made
    of a place and its own.
    """

    returns_h = True
    proj_size = 0
    mode: ClassVar[str]  # as torch calls it
    made_of: ClassVar[tuple[type["Place"], type[Recurrent]]]
    site = ""  # in the model, if `convert` put it there
    h0: H0 = "refuse"

    def __new__(cls, layer: Any = None, h0: H0 = "refuse") -> "Place":  # noqa: ARG004
        """The layer itself, of another class; without a layer, an empty one, for copies."""
        if layer is None:
            return object.__new__(cls)
        if not isinstance(layer, Recurrent) or isinstance(layer, Place):
            raise TypeError(
                f"{cls.__name__} needs a recurrent layer of swiftrnn.nn that is in no place yet; "
                f"got {type(layer).__name__}"
            )
        if parametrize.is_parametrized(layer):
            raise ValueError(
                f"{cls.__name__} needs a layer without parametrizations; got "
                f"{', '.join(layer.parametrizations)}; add them afterwards"  # pyright: ignore
            )
        layer.__class__ = _joined(cls, type(layer))
        return layer  # pyright: ignore[reportReturnType]

    def __init__(self, layer: Recurrent, h0: H0 = "refuse") -> None:  # noqa: ARG002
        self.h0 = one_of(*get_args(H0))(type(self).made_of[0].__name__, "h0", h0)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _empty, type(self).made_of, self.__getstate__()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if ABSENT.fullmatch(name):
                raise AttributeError(self._absent(name)) from None
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if ABSENT.fullmatch(name):
            raise AttributeError(self._absent(name))
        super().__setattr__(name, value)

    def step(self, input: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step of time, (B, I) to (B, H), with states as those of `forward`."""
        if self.bidirectional or input.dim() != 2:
            return super().step(input, state)  # which says what is wrong
        time = 1 if self.batch_first else 0
        output, state = self(input.unsqueeze(time), state)
        return output.squeeze(time), state

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """A state whose sequences come in another order, as torch's layers have it."""
        if permutation is None:
            return hx
        return self.map_state(lambda s: s.index_select(1, permutation), hx)

    def _absent(self, name: str) -> str:
        return (
            f"{self._where()} has no {name}: {self._name()} has other weights than torch.nn."
            f"{self.mode}, and no product over the state; see its named_parameters()"
        )

    def _where(self) -> str:
        at = f" at {self.site}" if self.site else ""
        return f"{self._name()} in the place of {self.mode}{at}"

    def _name(self) -> str:
        return type(self).made_of[1].__name__

    def _check_given(self, name: str, x: Any, input: Any, cu_seqlens: Any) -> None:
        """Raise unless x is a tensor of the shape that torch's layers ask of a state."""
        if not isinstance(x, Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{self._where()} needs {name} as a tensor of floats; got {kind}")
        if isinstance(input, PackedSequence):
            batch = (int(input.batch_sizes[0]),)
        elif cu_seqlens is not None:
            batch = (len(cu_seqlens) - 1,)
        elif isinstance(input, Tensor) and input.dim() in (2, 3):
            batch = input.shape[:-1][0 if self.batch_first else 1 :][:1]
            batch = batch if input.dim() == 3 else ()
        else:
            return  # the layer says what is wrong with the input
        letters = "(layers * directions, B, H)" if batch else "(layers * directions, H)"
        shape = (self._count(), *batch, self.hidden_size)
        self.check_shape(name, x, shape, letters)

    def _refuse(self, name: str, x: Tensor, reason: str, advice: str) -> None:
        """ValueError if x, which goes unused, says anything."""
        who, told = f"{self._where()} {reason}", f"{advice}, or say h0='ignore' to {self._maker()}"
        if x.requires_grad:
            raise ValueError(f"{who}; got {name} that requires grad; {told}")
        message = f"{who}; got {name} that is not zero; {told}"
        if _traced():
            torch._assert_async(~x.any(), message)  # pyright: ignore[reportPrivateImportUsage]
        elif _functorch.is_batchedtensor(x):
            raise ValueError(f"{who}; got {name} under vmap, which cannot be looked at; {told}")
        elif not (x.is_meta or isinstance(x, FakeTensor)) and bool(x.any()):
            raise ValueError(message)

    def _maker(self) -> str:
        return "convert" if self.site else self.made_of[0].__name__


class InPlaceOfLSTM(Place):
    """One of our layers behind the interface of torch.nn.LSTM, whose state is a pair (h, c).

    c is the layer's own state, and h is what every layer put out last, both
    (layers * directions, B, H) and of the dtype of the output. Our layers find their outputs from
    c: they have no use for an h. So an h that is given must be zero, or one that this layer
    returned (or a view of it, such as `h.detach()`). A copy of one, reordered for a beam search for
    instance, is known from no other; say h0="ignore" where h is not meant to count.

    QRNN with a window above 1 and SRUPlusPlus with `causal` have more of a state than c. In the
    place of an LSTM they start over at each call, and refuse a c that is not zero.

    Names that torch's layer has and ours cannot have, such as `weight_hh_l0`, raise an
    AttributeError that says so. Within torch.compile, torch.export and torch.jit.trace a given h is
    checked when the graph runs, where the tracer keeps assertions, and only zero passes.

    Args:
        layer: a recurrent layer of ours. It is changed itself, into what is returned.
        h0: what is done with a state that the layer has no use for: "refuse", or "ignore"; "state"
            is the same as "ignore" here.

    Raises:
        TypeError, ValueError: `layer` is none of ours, or has parametrizations already.

    Examples:
        >>> import torch
        >>> from swiftrnn.nn import SRU
        >>> lstm = InPlaceOfLSTM(SRU(4, 8))
        >>> output, (h, c) = lstm(torch.randn(5, 2, 4))
        >>> torch.equal(h[0], output[-1]), c.shape
        (True, torch.Size([1, 2, 8]))
    """

    mode = "LSTM"

    def forward(
        self,
        input: Any,
        hx: Any = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """As torch.nn.LSTM's: output and (h, c); `hx` is such a pair, or a list of the two.

        Raises:
            ValueError: `hx` is no pair, something does not fit the layer, or is of no use to it.
        """
        c = None
        if hx is not None:
            c = self._state_of(hx, input, cu_seqlens)
        output, (state, h) = super().forward(input, c, lengths, reset, cu_seqlens)
        _remember(self, h)
        return output, (h, _first(state).to(h.dtype))

    def _state_of(self, hx: Any, input: Any, cu_seqlens: Any) -> Tensor:
        if not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise ValueError(
                f"{self._where()} needs hx as a pair (h, c); got {type(hx).__name__}; "
                "pass what an earlier call returned"
            )
        for name, x in zip(("h", "c"), hx, strict=True):
            self._check_given(name, x, input, cu_seqlens)
        h, c = hx
        if self.h0 != "refuse":
            return c
        if not _is_known(self, h):
            self._refuse("h", h, "has no h0", "pass c alone, with zeros for h")
        if not self.state_is_tensor:
            self._refuse("c", c, "keeps more than c, which (h, c) cannot hold",
                         "take another layer, or one without windows and memory")  # fmt: skip
        return c


class InPlaceOfGRU(Place):
    """One of our layers behind the interface of torch.nn.GRU, whose state is the last output.

    h is what every layer put out last, (layers * directions, B, H), of the dtype of the output.
    MinGRU, MinLSTM and RGLRU go on from it. The other layers have a state of their own, which an h
    does not tell: they start over at each call, and refuse an h0 that is not zero, unless `h0` says
    otherwise.

    Args:
        layer: a recurrent layer of ours. It is changed itself, into what is returned.
        h0: what is done with an h0 that is not the layer's own state: "refuse"; "ignore"; or
            "state" to begin with it as the layer's state all the same, which is of use for what
            another part of a model found, not for going on.

    Raises:
        TypeError, ValueError: `layer` is none of ours, or has parametrizations already.

    Examples:
        >>> import torch
        >>> from swiftrnn.nn import SRU
        >>> output, h = InPlaceOfGRU(SRU(4, 8))(torch.randn(5, 2, 4))
        >>> torch.equal(h[0], output[-1])
        True
    """

    mode = "GRU"

    def forward(
        self,
        input: Any,
        hx: Any = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
    ) -> tuple[Any, Tensor]:
        """As torch.nn.GRU's: output and h; `hx` is such an h.

        Raises:
            ValueError: something does not fit the layer, or is of no use to it.
        """
        if hx is not None:
            self._check_given("h", hx, input, cu_seqlens)
            if not self.state_is_output and self.h0 == "refuse":
                self._refuse("h0", hx, "has a state of its own and no h0",
                             "take MinGRU, MinLSTM or RGLRU, say h0='state'")  # fmt: skip
            if not self.state_is_output and self.h0 != "state":
                hx = None
        output, (_, h) = super().forward(input, hx, lengths, reset, cu_seqlens)
        return output, h


@functools.cache
def _joined(place: type[Place], kind: type[Recurrent]) -> type[Place]:
    """The class of layers of a kind in a place."""
    name = f"{kind.__name__}{place.__name__}"
    return type(name, (place, kind), {"made_of": (place, kind), "__doc__": place.__doc__})


def _empty(place: type[Place], kind: type[Recurrent]) -> Place:
    """A layer in a place before it is told what is in it, for copies and pickles."""
    return object.__new__(_joined(place, kind))


def _first(state: Any) -> Tensor:
    return state if isinstance(state, Tensor) else state[0]


def _traced() -> bool:
    """Whether a graph is made, which will meet other numbers."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def _remember(place: Place, h: Tensor) -> None:
    """Keep in mind, as long as it lives, that a tensor is a state that a layer returned."""
    if _traced() or _functorch.is_functorch_wrapped_tensor(h):
        return
    known = _returned.setdefault(place, {})
    storage = h.untyped_storage()
    known[storage._cdata] = StorageWeakRef(storage)
    if len(known) > FEW and len(known) & (len(known) - 1) == 0:  # now and then
        _returned[place] = {key: ref for key, ref in known.items() if not ref.expired()}


def _is_known(place: Place, h: Tensor) -> bool:
    """Whether h lies in the memory of a state that a layer returned."""
    if _traced() or _functorch.is_functorch_wrapped_tensor(h):
        return False
    return h.untyped_storage()._cdata in _returned.get(place, ())
