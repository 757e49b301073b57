"""What the layers share: stacking, directions, states, lengths and packing, as in torch.nn.LSTM."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence
from torch.utils.checkpoint import checkpoint

from swiftrnn.nn import _stream
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._graphs import one_call, refuse_script
from swiftrnn.nn._inputs import check_input, check_state, check_step
from swiftrnn.nn._options import SHARED, Check, real, set_option, shapes_of, shown
from swiftrnn.nn._pair import refuse_pair, refuse_tuple
from swiftrnn.nn._ragged import forward_packed, forward_ragged
from swiftrnn.nn._weights import weights_of
from swiftrnn.ops._check import check_lengths, check_reset
from swiftrnn.ops._plain import fixed_size, untraced
from swiftrnn.ops._stack import Cell


class Recurrent(nn.Module, ABC):
    """A stack of recurrent layers in one or two directions, with the contract of torch.nn.GRU.

    A subclass names its parameters and runs one layer in one direction. The parameters of layer k
    are called `{name}_l{k}`, and `{name}_l{k}_reverse` for the direction from the end. Some
    called `weight_*` are vectors: code that initialises matrices by name must look at `dim()`.
    Options may be set later, if the parameters stay what they are: `layer.dropout = 0.3`.

    Args:
        input_size: I, features of the input.
        hidden_size: H, features of the state.
        num_layers: how many layers lie on top of each other.
        bias: whether the gates have a bias.
        batch_first: whether input and output are (B, T, ...) rather than (T, B, ...). As in torch,
            states are not affected.
        dropout: probability of zeroing an element between two layers, while training.
        bidirectional: whether a second stack runs from the end; its outputs are appended.
        device: where the parameters lie; by name only, as what follows.
        dtype: of the parameters.

    Raises:
        ValueError, TypeError: an option is out of range, or of another kind, such as 1 for True.

    Attributes:
        recompute: False; set it to True to keep, of each layer, nothing but its input until
            backward, which then runs the layer once more: for sequences that do not fit otherwise.
            Nothing else changes, masks neither. See torch.utils.checkpoint.
    """

    recompute = False
    cell_options: tuple[str, ...] = ()  # attributes that `cell` looks at
    returns_h = False  # whether the state comes with h, every layer's last output: (state, h)
    state_is_tensor: bool = True  # whether nothing lies beside it, so that it fits (h, c)
    state_is_output = False  # whether h is the state, so that a layer goes on from it

    checks: ClassVar[dict[str, Check]] = SHARED
    built = False  # from then on options have to fit the parameters

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional = bidirectional
        self.check_options()
        dtype = real(self._name(), dtype)
        for suffix, size in zip(self._suffixes(), self._input_sizes(), strict=True):
            for name, shape in self.parameter_shapes(size).items():
                empty = torch.empty(shape, device=device, dtype=dtype)
                self.register_parameter(name + suffix, nn.Parameter(empty))
        self.reset_parameters()
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.checks:
            set_option(self, name, value, super().__setattr__)
        else:
            super().__setattr__(name, value)

    def check_options(self) -> None:
        """ValueError unless the options fit one another; nothing to check by default."""

    def all_shapes(self) -> dict[str, tuple[int, ...]]:
        """What the options make of the parameters: their full names and shapes, and the sizes."""
        return shapes_of(self)

    @abstractmethod
    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names (without suffix) and shapes of one layer's parameters in one direction."""

    @abstractmethod
    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,
        direction: int,
    ) -> tuple[Tensor, Any]:
        """One layer in one direction.

        Args:
            x: (T, B, features).
            state: of this layer and direction, one of what `split_state` gives; None for zeros.
            weights: its parameters, without suffix.
            ends: of the sequences, for this direction.
            layer: which one, from 0.
            direction: 0, or 1 for the one from the end.

        Returns:
            (T, B, H), and the new state.
        """

    def cell(self, weights: dict[str, Tensor]) -> Cell | None:  # noqa: ARG002
        """A layer as the kernel for streams sees it; None, as by default: it cannot run it.

        Who overrides what a layer does overrides this as well, or its streams take the usual way.
        """
        return None

    def cells(self, like: Tensor | None = None) -> list[Cell | None]:
        """What `cell` says of every layer, where its parameters fit it and `like`, if given."""
        return [self.cell(weights_of(self, i, n, like)) for i, n in enumerate(self._input_sizes())]

    def sees_padding(self, x: Tensor) -> bool:  # noqa: ARG002
        """Whether products of x (T, B, I) take in what lies beyond lengths; so by default."""
        return True

    def start_stack(self, x: Tensor) -> Tensor:
        """What is done with the input before the first layer; nothing by default."""
        return x

    def start_layer(
        self,
        x: Tensor,  # noqa: ARG002
        layer: int,  # noqa: ARG002
        states: Sequence[Any],  # noqa: ARG002
        ends: Ends,  # noqa: ARG002
    ) -> dict[str, Any]:
        """What both directions of a layer find in its input, to lie beside the weights."""
        return {}

    def finish_layer(self, x: Tensor, layer: int, ends: Ends) -> Tensor:  # noqa: ARG002
        """What is done with the output of a layer, both directions of it; nothing by default."""
        return x

    def reset_parameters(self) -> None:
        """Reinitialise every parameter from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn.GRU does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def raw_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The layer's own parameters by name; for one that is computed, what it comes from."""
        yield from self.named_parameters(recurse=False)
        computed: Any = getattr(self, "parametrizations", {})
        for name, chain in computed.items():
            if chain.is_tensor:
                yield name, chain.original

    def split_state(self, state: Any, batch: int) -> Sequence[Any]:
        """A whole state to one per layer and direction; raises ValueError if it does not fit."""
        count, H = self._count(), self.hidden_size
        if state is None:
            return [None] * count
        letters = "(layers * directions, B, H)"
        refuse_tuple(self, state, letters)
        self.check_state("a state", state, (count, batch, H), letters)
        return state.unbind(0)

    def join_state(self, states: Sequence[Any]) -> Any:
        """The inverse of `split_state`."""
        return torch.stack(list(states)) if len(states) > 1 else states[0][None]

    def map_state(self, function: Any, state: Any) -> Any:
        """A function of tensors, over every tensor of a state; the batch is dimension 1."""
        if state is None or isinstance(state, Tensor):
            return state if state is None else function(state)
        if not isinstance(state, tuple | list):
            return state  # which `split_state` refuses
        return tuple(self.map_state(function, part) for part in state)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """Run the stack over whole sequences.

        Args:
            input: (T, B, I), or (B, T, I) if `batch_first`, or (T, I) for one sequence, or a
                PackedSequence.
            hx: the state, what an earlier call returned; zeros by default.
            lengths: (B) integers: what lies at or beyond a sequence's length changes nothing, and
                the output there is 0. Not together with a PackedSequence.
            reset: (T, B) bool, or (B, T) if `batch_first`, or (T) for one sequence: where it is
                set, a new sequence starts inside this one, from a state of zeros. Nothing passes
                over such a place, in either direction.
            cu_seqlens: (B + 1) integers, where sequences start that lie one after the other in an
                input (N, I) without padding, and N last; the output is (N, directions * H), and
                `reset` then (N). Not together with lengths.

        Returns:
            output: as `input`, with directions * H features.
            state: after the last step of every sequence; (layers * directions, B, H) in most
                layers. In float32 where the input has 16 bits.

        Raises:
            ValueError, TypeError: shapes or dtypes do not fit; the message says which; or the state
                is unpacked as `output, (h, c) = layer(x)`, which it is not.
        """
        found = self._forward(input, hx, lengths, reset, cu_seqlens)
        if self._count() == 2 and isinstance(found[1], Tensor):
            refuse_pair(self)
        return found

    def _forward(
        self, input: Any, hx: Any, lengths: Any, reset: Any, cu_seqlens: Any
    ) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError(
                    f"{self._name()} needs lengths or a PackedSequence, not both; got both; "
                    "leave lengths away"
                )
            return forward_packed(self, input, hx, reset)
        if isinstance(input, Proxy):
            return one_call(self, input, hx, lengths, reset, cu_seqlens)  # pyright: ignore
        batched = check_input(self, input)
        if cu_seqlens is not None:
            return forward_ragged(self, input, hx, lengths, reset, cu_seqlens)
        x, reset = (self._time_first(each, batched) for each in (input, reset))
        state = hx if batched else self.map_state(lambda s: s.unsqueeze(1), hx)
        output, state = self._run(x, state, lengths, reset)
        if not batched:
            return output[:, 0], self.map_state(lambda s: s.squeeze(1), state)
        return (output.transpose(0, 1) if self.batch_first else output), state

    def step(self, input: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step of time, for streaming: many steps equal one full pass.

        Fastest without gradients and dropout, for at most 8 sequences on a CPU: then most layers
        take one call of a kernel for the whole stack.

        Args:
            input: (B, I).
            state: what the last step returned; zeros by default.

        Returns:
            output (B, H) and the new state.

        Raises:
            RuntimeError: the layer is bidirectional.
        """
        if self.bidirectional:
            raise RuntimeError(
                f"{self._name()}.step needs a layer of one direction; got bidirectional=True; "
                "the second direction starts at the end, which a stream does not have"
            )
        if (stepped := _stream.step(self, input, state)) is not None:
            return stepped
        check_step(self, input)
        output, state = self._run(input[None], state, None, None)
        return output[0], state

    __prepare_scriptable__ = refuse_script

    def flatten_parameters(self) -> None:
        """Nothing; models written for torch.nn.LSTM call it."""

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        return shown(self)

    @untraced
    def check_shape(self, what: str, x: Any, shape: tuple[int, ...], letters: str) -> None:
        """ValueError or TypeError unless x is a tensor of this shape."""
        if not isinstance(x, Tensor):
            raise TypeError(f"{self._name()} needs {what} {letters}; got {type(x).__name__}")
        if tuple(x.shape) != shape:
            raise ValueError(
                f"{self._name()} needs {what} {letters} of {shape}; got {tuple(x.shape)}"
            )

    @untraced
    def check_state(self, what: str, x: Any, shape: tuple[int, ...], letters: str) -> None:
        """As `check_shape`, and the dtype has to be floating, the device that of the layer."""
        self.check_shape(what, x, shape, letters)
        check_state(self, what, x)

    def _time_first(self, x: Any, batched: bool) -> Any:
        """A tensor with time before batch; anything else as it is, for the checks that follow."""
        if not isinstance(x, Tensor):
            return x
        if not batched:
            return x[:, None]
        return x.transpose(0, 1) if self.batch_first and x.dim() > 1 else x

    def _run(
        self, x: Tensor, state: Any, lengths: Tensor | None, reset: Tensor | None
    ) -> tuple[Tensor, Any]:
        forwards = self._ends(x, lengths, reset)
        if lengths is not None and torch.is_grad_enabled() and self.sees_padding(x):
            x = forwards.clear(x)  # 0 * nan is no gradient of 0
        x, directions = self.start_stack(x), 2 if self.bidirectional else 1
        ends = forwards, forwards.backwards()
        states, new, finals = self.split_state(state, x.shape[1]), [], []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = nn.functional.dropout(x, self.dropout, self.training)
            outputs, first = [], directions * layer
            found = self.start_layer(x, layer, states[first : first + directions], forwards)
            for direction in range(directions):
                weights = weights_of(self, first + direction, fixed_size(x), x) | found
                here = ends[direction], layer, direction
                output, last = self._run_one(x, states[first + direction], weights, *here)
                outputs.append(output)
                new.append(last)
            x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
            x = self.finish_layer(x, layer, forwards)
            if self.returns_h:
                parts = x.chunk(directions, -1)
                finals += [forwards.last(part, d == 1) for d, part in enumerate(parts)]
        state = self.join_state(new)
        return x, (state, torch.stack(finals)) if self.returns_h else state

    def _ends(self, x: Tensor, lengths: Tensor | None, reset: Tensor | None) -> Ends:
        if lengths is None and reset is None:
            return Ends()
        who, (T, B) = self._name(), x.shape[:2]
        lengths = check_lengths(who, lengths, T, B, x.device)
        return Ends(lengths, check_reset(who, reset, T, B, x.device))

    def _run_one(self, *inputs: Any) -> tuple[Tensor, Any]:
        """`run_layer`, and once more in backward if so much memory is to be saved."""
        if not (self.recompute and torch.is_grad_enabled()):
            return self.run_layer(*inputs)
        return checkpoint(self.run_layer, *inputs, use_reentrant=False)  # pyright: ignore

    def _name(self) -> str:
        return type(self).__name__.removeprefix("Parametrized")  # torch puts it before

    def _count(self) -> int:
        return self.num_layers * (2 if self.bidirectional else 1)

    def _suffixes(self) -> list[str]:
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]

    def _input_sizes(self) -> list[int]:
        directions = 2 if self.bidirectional else 1
        sizes = [self.input_size] + [directions * self.hidden_size] * (self.num_layers - 1)
        return [size for size in sizes for _ in range(directions)]
