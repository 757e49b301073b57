"""SRU, the simple recurrent unit."""

import copy
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from swiftrnn import ops
from swiftrnn.nn._autocast import for_product, under_autocast
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._norm import layer_norm
from swiftrnn.nn._options import SHARED, Check, at_least, flag, number, one_of, probability
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops._blocked import multiplies_alone, project
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops._plain import fixed_size
from swiftrnn.ops._product import linear
from swiftrnn.ops._stack import Cell
from swiftrnn.ops.sru import OP

Norm = Literal["none", "before", "after"]
NORMED = 0.1  # how much smaller the products start beside a norm


class SRU(Recurrent):
    """A recurrent layer whose matrix product does not wait for the last step.

        f[t] = sigmoid(W_f x[t] + v_f * c[t-1] + b_f)
        r[t] = sigmoid(W_r x[t] + v_r * c[t-1] + b_r)
        c[t] = f[t] * c[t-1] + (1 - f[t]) * W_u x[t]
        h[t] = s[t] + (g(c[t]) - s[t]) * m * r[t]

    The skip s is the input, times a constant, where its size allows it (`input_size` equal to
    directions * H; each direction takes its own H features), else W_s x[t].

    Arguments, input and output are those of torch.nn.GRU; the state is c. Parameters of layer k:
    `weight_ih_l{k}` (3H or 4H, I) with the rows of u, f, r (and s) in this order, `bias_ih_l{k}`
    (2H) of f and r, `weight_c_l{k}` (2H), v_f then v_r (absent in version 1); where they are asked
    for, `weight_proj_l{k}` (P, I), and for both directions `weight_norm_l{k}` and `bias_norm_l{k}`;
    and `weight_input` (directions * H, I), before the first layer. A `transform` takes the place of
    `weight_ih`; its parameters are called `transform.{k}.` and what it calls them.

    Args:
        input_size: of the arguments of torch.nn.GRU, as are hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device and dtype; see `Recurrent`.
        version: 2, or 1 for gates that do not see c (v = 0).
        tanh: whether g is tanh; else it is the identity.
        highway_bias: where b_r starts; negative values let the skip through, which helps deep
            stacks.
        rescale: whether the skip is multiplied by sqrt(1 + 2 exp(highway_bias)), which keeps the
            variance from layer to layer.
        variational_dropout: probability of zeroing a feature of g(c) - s for a whole sequence (m),
            in all layers but the last, while training.
        skip: whether there is a skip; else h[t] = g(c[t]) * m * r[t].
        projection_size: P, the rank of the products: W = W_ih W_proj where P is less than I and
            directions * H; 0 for full rank.
        norm: "before" for W layer_norm(x[t]), the skip taking x as it is; "after" for
            layer_norm(h[t]); or "none".
        project_input: whether an input that is not directions * H wide is first made so by a
            matrix, so that the first layer's skip is like the others'.
        transform: a module in the place of W, of which each layer gets a copy; or a list of one
            for each layer. From a layer's input (T, B, features), normed if norm is "before", it
            makes the gates (T, B, directions * G * H): for each direction u, f, r, and s where the
            skip is not the input. It lies on the device and has the dtype of the layer, and keeps
            its own first weights. It sees what lies beyond lengths and resets, and for `step` a
            T of 1: what it mixes over time is its own affair.

    Examples:
        >>> import torch
        >>> layer = SRU(16, 16, num_layers=2)
        >>> output, c = layer(torch.randn(5, 3, 16))
        >>> output.shape, c.shape
        (torch.Size([5, 3, 16]), torch.Size([2, 3, 16]))

    Source: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence",
    EMNLP, section 3; version 1: "Training RNNs as Fast as CNNs", arXiv:1709.02755v1.
    """

    cell_options = ("tanh", "skip", "rescale", "highway_bias", "norm")
    checks: ClassVar[dict[str, Check]] = SHARED | {
        "version": one_of(1, 2), "tanh": flag, "highway_bias": number, "rescale": flag,
        "variational_dropout": probability, "skip": flag, "projection_size": at_least(0),
        "norm": one_of(*get_args(Norm)), "project_input": flag,
    }  # fmt: skip

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
        version: int = 2,
        tanh: bool = False,
        highway_bias: float = 0.0,
        rescale: bool = False,
        variational_dropout: float = 0.0,
        skip: bool = True,
        projection_size: int = 0,
        norm: Norm = "none",
        project_input: bool = False,
        transform: nn.Module | Sequence[nn.Module] | None = None,
    ) -> None:
        self.skip, self.projection_size, self.norm = skip, projection_size, norm
        self.transforms = transform is not None
        self.project_input = project_input
        self.version, self.tanh, self.rescale = version, tanh, rescale
        self.highway_bias, self.variational_dropout = highway_bias, variational_dropout
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.transform = None if transform is None else _for_layers(transform, num_layers)
        if self._projects():
            empty = torch.empty(self._width(), input_size, device=device, dtype=dtype)
            self.weight_input = nn.Parameter(empty)
            self._fill(self.weight_input)
        for layer, size in enumerate(self._norm_sizes()):
            for name, value in (("weight", 1.0), ("bias", 0.0)):
                whole = torch.full((size,), value, device=device, dtype=dtype)
                self.register_parameter(f"{name}_norm_l{layer}", nn.Parameter(whole))

    def check_options(self) -> None:
        """See `Recurrent`."""
        if self.projection_size and self.transforms:
            raise ValueError("SRU needs projection_size or transform, not both; got both")

    def all_shapes(self) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        return super().all_shapes() | {
            "norm": tuple(self._norm_sizes()), "weight_input": (self._projects(),),
        }  # fmt: skip

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H, P = self.hidden_size, self._rank(input_size)
        shapes: dict[str, tuple[int, ...]] = {}
        if not self.transforms:
            shapes["weight_ih"] = (self._rows(input_size), P or input_size)
        if P:
            shapes["weight_proj"] = (P, input_size)
        if self.bias:
            shapes["bias_ih"] = (2 * H,)
        if self.version == 2:
            shapes["weight_c"] = (2 * H,)
        return shapes

    def reset_parameters(self) -> None:
        """Reinitialise every parameter; c and h keep the variance of x (paper, section 3.2)."""
        H = self.hidden_size
        for name, parameter in self.raw_parameters():
            if name.startswith(("weight_ih", "weight_proj", "weight_input")):
                self._fill(parameter)
            if name.startswith("weight_ih"):
                with torch.no_grad():
                    if self.norm != "none":
                        parameter *= NORMED
                    if self.version == 2:
                        parameter[H : 3 * H] *= math.sqrt(0.5)
                    parameter[3 * H :] *= self._scale()
            elif name.startswith("weight_c"):
                nn.init.uniform_(parameter, -math.sqrt(1.5), math.sqrt(1.5))
            elif name.startswith("bias_ih"):
                nn.init.zeros_(parameter)
                nn.init.constant_(parameter[H:], self.highway_bias)
            elif "_norm" in name:
                nn.init.constant_(parameter, name.startswith("weight"))

    def _fill(self, weight: Tensor) -> None:
        bound = math.sqrt(3 / weight.shape[1])
        nn.init.uniform_(weight, -bound, bound)

    def sees_padding(self, x: Tensor) -> bool:
        """See `Recurrent`."""
        alone = self.norm == "none" and self.transform is None and not self.projection_size
        if not alone or self._projects() or under_autocast(x):
            return True
        return not multiplies_alone(OP, x)

    def start_stack(self, x: Tensor) -> Tensor:
        """See `Recurrent`."""
        return linear(*for_product(x, self.weight_input), None) if self._projects() else x

    def start_layer(
        self,
        x: Tensor,
        layer: int,
        states: Sequence[Any],  # noqa: ARG002
        ends: Ends,  # noqa: ARG002
    ) -> dict[str, Any]:
        """See `Recurrent`."""
        if self.transform is None:
            return {}
        gates = self.transform[layer](self._normed(x, layer, "before"))
        rows = self._rows(fixed_size(x)) * (2 if self.bidirectional else 1)
        letters = "(T, B, directions * G * H)"
        self.check_shape("gates from its transform", gates, (*x.shape[:2], rows), letters)
        if gates.dtype != x.dtype and not under_autocast(x):
            raise TypeError(
                f"SRU needs gates from its transform in {x.dtype}, as its input; "
                f"got {gates.dtype}; convert one of the two with .to()"
            )
        return {"gates": gates}

    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,
        direction: int,
    ) -> tuple[Tensor, Tensor]:
        """See `Recurrent`."""
        if "gates" not in weights:
            product, weight = for_product(self._normed(x, layer, "before"), weights["weight_ih"])
            if "weight_proj" in weights:
                product = linear(product, weights["weight_proj"].to(product.dtype), None)
            same = self.norm != "before" and "weight_proj" not in weights
            weights = weights | {"weight_ih": weight}
            return self._recur(x, product, same, state, weights, ends, layer, direction)
        rows = self._rows(fixed_size(x))
        gates = weights["gates"][..., direction * rows : (direction + 1) * rows]
        rest, own = self._rest(gates, state, weights, ends, layer), self._own(x, direction)
        own = None if own is None else own.to(gates.dtype)
        return ops.sru(gates, own, *rest, *self._flags(own, direction))

    def _recur(
        self,
        x: Tensor,
        product: Tensor,
        same: bool,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,
        direction: int,
    ) -> tuple[Tensor, Tensor]:
        """From what `weight_ih` multiplies, and x, the skip; `same`: the two are one."""
        rest, own = self._rest(product, state, weights, ends, layer), self._own(x, direction)
        flags = self._flags(own, direction)
        if own is not None:
            whole = same and fixed_size(x) == self.hidden_size
            own = product if whole else own.to(product.dtype)
        return project(OP, product, weights["weight_ih"], own, *rest, *flags)

    def _own(self, x: Tensor, direction: int) -> Tensor | None:
        """A direction's part of the input, where that is the skip."""
        if not self.skip or self._skips_by_product(fixed_size(x)):
            return None
        return x[..., direction * self.hidden_size : (direction + 1) * self.hidden_size]

    def _flags(self, own: Tensor | None, direction: int) -> tuple[float, bool, bool]:
        return 1.0 if own is None else self._scale(), self.tanh, direction == 1

    def cell(self, weights: dict[str, Tensor]) -> Cell | None:
        """See `Recurrent`."""
        weight = weights["weight_ih"]
        if self.norm != "none" or self._projects() or "weight_proj" in weights:
            return None
        kind = "gate" if len(weight) == 4 * self.hidden_size else "input" if self.skip else "none"
        scale = self._scale() if kind == "input" else 1.0
        vectors = weights.get("weight_c"), weights.get("bias_ih")
        return Cell("sru", weight, *vectors, kind, int(self.tanh), scale)

    def finish_layer(self, x: Tensor, layer: int, ends: Ends) -> Tensor:
        """See `Recurrent`."""
        return ends.clear(self._normed(x, layer, "after")) if self.norm == "after" else x

    def _normed(self, x: Tensor, layer: int, where: Norm) -> Tensor:
        if self.norm != where:
            return x
        weight, bias = (getattr(self, f"{name}_norm_l{layer}") for name in ("weight", "bias"))
        return layer_norm(x, weight, bias)

    def _norm_sizes(self) -> list[int]:
        """Features of each layer's norm."""
        sizes = self._input_sizes()[:: self._width() // self.hidden_size]
        after = [self._width()] * self.num_layers
        return {"none": [], "before": sizes, "after": after}[self.norm]

    def _input_sizes(self) -> list[int]:
        sizes = super()._input_sizes()
        first = [self._width()] * (2 if self.bidirectional else 1)
        return first + sizes[len(first) :] if self._projects() else sizes

    def _projects(self) -> bool:
        return self.project_input and self.input_size != self._width()

    def _width(self) -> int:
        return self.hidden_size * (2 if self.bidirectional else 1)

    def _rows(self, input_size: int) -> int:
        """Features of the gates of a direction: G * H."""
        return (4 if self._skips_by_product(input_size) else 3) * self.hidden_size

    def _skips_by_product(self, input_size: int) -> bool:
        return self.skip and input_size != self._width()

    def _rank(self, input_size: int) -> int:
        """P, or 0 where the products have full rank."""
        return self.projection_size if self.projection_size < min(input_size, self._width()) else 0

    def _scale(self) -> float:
        return math.sqrt(1 + 2 * math.exp(self.highway_bias)) if self.rescale else 1.0

    def _rest(
        self, x: Tensor, state: Any, weights: dict[str, Tensor], ends: Ends, layer: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """What the op needs beside gates, skip and flags: vectors, state, mask and ends."""
        vectors = self._vectors(weights, x)
        if state is None:
            state = vectors[0].new_zeros(x.shape[1], self.hidden_size)
        mask = self._mask(state) if layer < self.num_layers - 1 else None
        return (*vectors, state.to(vectors[0].dtype).contiguous(), mask, ends.lengths, ends.reset)

    def _vectors(self, weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """weight_c and bias, (2, H) each, in the dtype of the state; zeros where there are none."""
        dtype, shape = state_dtype(x.dtype), (2, self.hidden_size)
        weight_c, bias = (
            x.new_zeros(shape, dtype=dtype) if w is None else w.to(dtype).view(shape)
            for w in (weights.get("weight_c"), weights.get("bias_ih"))
        )
        return weight_c, bias

    def _mask(self, state: Tensor) -> Tensor | None:
        p = self.variational_dropout
        if not (p and self.training):
            return None
        return nn.functional.dropout(torch.ones_like(state), p)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        usual = {"version": 2, "tanh": False, "highway_bias": 0.0, "rescale": False,
                 "variational_dropout": 0.0, "skip": True, "projection_size": 0,
                 "norm": "none", "project_input": False}  # fmt: skip
        shown = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([super().extra_repr(), *shown])


def _for_layers(transform: nn.Module | Sequence[nn.Module], num_layers: int) -> nn.ModuleList:
    """One module for each layer."""
    if isinstance(transform, nn.Module) and not isinstance(transform, nn.ModuleList):
        return nn.ModuleList(copy.deepcopy(transform) for _ in range(num_layers))
    if not isinstance(transform, list | tuple | nn.ModuleList):
        raise TypeError(
            "SRU needs transform as a torch.nn.Module, or a list of one for each layer; "
            f"got {type(transform).__name__}"
        )
    if len(transform) != num_layers:
        raise ValueError(
            f"SRU needs a transform for each of {num_layers} layers; got {len(transform)}"
        )
    return nn.ModuleList(transform)
