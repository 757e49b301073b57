"""SRU++, the simple recurrent unit with attention in place of its product."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from swiftrnn.nn._attention import Memory, allowed, attend, remember
from swiftrnn.nn._autocast import for_product
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._norm import layer_norm
from swiftrnn.nn._options import Check, at_least, flag, or_none, probability
from swiftrnn.nn.sru import SRU, Norm
from swiftrnn.ops._product import linear

LEAST_RANK = 4  # of projections by default
LEAST_NORMED = 3  # numbers: normed, one is 0 and two are 1 and -1, whatever they were


class SRUPlusPlus(SRU):
    """An SRU whose gates see the whole sequence through attention.

        q[t] = W_p x[t]                         k[t], v[t] = W_kv q[t]
        o[t] = norm(q[t] + alpha * attention(q[t], k, v))
        f, r, c, h: as in SRU, with o[t] in place of x[t] in the products, not in the skip

    Layers without attention have o[t] = norm(W_p x[t]). Parameters of layer k, besides those of
    SRU, whose `weight_ih_l{k}` is (3H or 4H, P): `weight_proj_l{k}` (P, I), `weight_kv_l{k}`
    (2P, P), k then v, `alpha_l{k}` (1), which starts at 0, and `weight_inner_norm_l{k}` and
    `bias_inner_norm_l{k}` (P), all for both directions.

    The state is c, as in SRU; if `causal`, it is (c, memory), where memory holds what the next
    steps may look at: for each layer with attention (M, B, P), the newest last, and how many of
    them count, (1, B) of int64. So two halves make the whole, and a sequence may be streamed.

    Args:
        input_size: as of `SRU`, as are hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device, dtype, variational_dropout, highway_bias, rescale, norm and
            project_input.
        projection_size: P; a fourth of directions * H, at least 4, by default. At least 3 with
            `inner_norm`: normed, one or two numbers are the same whatever they were.
        num_heads: of attention; divides P.
        causal: whether a step looks at itself and the past only. Not with two directions.
        memory_size: how many steps before it a step looks at, if causal; None for all of them, so
            that the state grows with time.
        attention_every: attention is in every so manieth layer, the last of each run.
        attention_last: attention is in so many last layers instead; None for `attention_every`.
        inner_norm: whether o is normed.
        attention_dropout: probability of dropping a weight of attention, while training.
        projection_dropout: probability of zeroing an element of o, while training.

    Examples:
        >>> import torch
        >>> layer = SRUPlusPlus(16, 16, projection_size=4, causal=True, memory_size=8)
        >>> output, (c, memory) = layer(torch.randn(10, 3, 16))
        >>> output.shape, c.shape, memory[0].shape
        (torch.Size([10, 3, 16]), torch.Size([1, 3, 16]), torch.Size([8, 3, 4]))

    Source: Lei (2021), "When Attention Meets Fast Recurrence: Training Language Models with Reduced
    Compute", arXiv:2102.12459, section 3; the package's branch 3.0.0-dev.
    """

    checks: ClassVar[dict[str, Check]] = SRU.checks | {
        "num_heads": at_least(1), "causal": flag, "memory_size": or_none(at_least(0)),
        "attention_every": at_least(1), "attention_last": or_none(at_least(0)),
        "inner_norm": flag, "attention_dropout": probability, "projection_dropout": probability,
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
        projection_size: int | None = None,
        num_heads: int = 1,
        causal: bool = False,
        memory_size: int | None = None,
        attention_every: int = 1,
        attention_last: int | None = None,
        inner_norm: bool = True,
        attention_dropout: float = 0.0,
        projection_dropout: float = 0.0,
        variational_dropout: float = 0.0,
        highway_bias: float = -2.0,
        rescale: bool = False,
        norm: Norm = "none",
        project_input: bool = False,
    ) -> None:
        self.num_heads, self.causal, self.memory_size = num_heads, causal, memory_size
        self.attention_every, self.attention_last = attention_every, attention_last
        self.inner_norm = inner_norm
        self.attention_dropout, self.projection_dropout = attention_dropout, projection_dropout
        self.hidden_size, self.bidirectional = hidden_size, bidirectional
        P = max(LEAST_RANK, self._width() // 4) if projection_size is None else projection_size
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype, variational_dropout=variational_dropout,
            highway_bias=highway_bias, rescale=rescale, norm=norm,
            project_input=project_input, projection_size=P,
        )  # fmt: skip
        for layer, size in enumerate(self._input_sizes()[:: 2 if bidirectional else 1]):
            for name, shape in self._shared_shapes(layer, size).items():
                empty = torch.empty(shape, device=device, dtype=dtype)
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(empty))
        self.reset_parameters()

    @property
    def state_is_tensor(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether c is the whole state: there is no memory."""
        return not self.causal

    def check_options(self) -> None:
        """See `Recurrent`."""
        name, P, heads = self._name(), self.projection_size, self.num_heads
        if P < 1 or P % heads:
            raise ValueError(
                f"{name} needs num_heads that divide projection_size; got {heads} and {P}"
            )
        if self.inner_norm and P < LEAST_NORMED:
            raise ValueError(
                f"{name} needs projection_size of at least {LEAST_NORMED} with inner_norm, since a "
                f"norm of so few numbers has no gradient; got {P}; take more, or inner_norm=False"
            )
        if self.causal and self.bidirectional:
            raise ValueError(
                f"{name} needs either causal or bidirectional; got both; the second direction "
                "comes from the end"
            )
        if self.memory_size is not None and not self.causal:
            raise ValueError(
                f"{name} needs causal=True for a memory; got memory_size={self.memory_size}; "
                "leave it away"
            )

    def all_shapes(self) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        shapes = super().all_shapes()
        for layer, size in enumerate(self._input_sizes()[:: 2 if self.bidirectional else 1]):
            shared = self._shared_shapes(layer, size)
            shapes |= {f"{name}_l{layer}": shape for name, shape in shared.items()}
        return shapes

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        shapes = super().parameter_shapes(input_size)
        shapes.pop("weight_proj", None)
        return shapes | {"weight_ih": (shapes["weight_ih"][0], self.projection_size)}

    def _shared_shapes(self, layer: int, input_size: int) -> dict[str, tuple[int, ...]]:
        P, shapes = self.projection_size, {"weight_proj": (self.projection_size, input_size)}
        more = {"weight_kv": (2 * P, P), "alpha": (1,)} if self._attends(layer) else {}
        norm = {"weight_inner_norm": (P,), "bias_inner_norm": (P,)} if self.inner_norm else {}
        return shapes | more | norm

    def reset_parameters(self) -> None:
        """Reinitialise every parameter: matrices after Glorot and Bengio, alpha is 0."""
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.startswith(("weight_ih", "weight_proj", "weight_kv", "weight_input")):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_c"):
                nn.init.uniform_(parameter, -1, 1)
            elif name.startswith(("alpha", "bias_inner_norm")):
                nn.init.zeros_(parameter)
            elif name.startswith("weight_inner_norm"):
                nn.init.ones_(parameter)

    def split_state(self, state: Any, batch: int) -> Sequence[Any]:
        """See `Recurrent`."""
        if not self.causal:
            return super().split_state(state, batch)
        c, memory = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
        parts = super().split_state(c, batch)
        layers = [layer for layer in range(self.num_layers) if self._attends(layer)]
        if memory is None:
            return [(part, None) for part in parts]
        if not isinstance(memory, tuple) or len(memory) != len(layers) + 1:
            raise ValueError(
                f"{self._name()} needs a memory of {len(layers)} layers and how much of it counts; "
                f"got {type(memory).__name__}; pass what an earlier call returned"
            )
        *rows, seen = memory
        self.check_shape("how much of a memory counts", seen, (1, batch), "(1, B)")
        for each in rows:
            shape = (each.shape[0] if isinstance(each, Tensor) else 0, batch, self.projection_size)
            self.check_shape("a memory", each, shape, "(M, B, P)")
        known = dict(zip(layers, (Memory(each, seen[0]) for each in rows), strict=True))
        return [(part, known.get(layer)) for layer, part in enumerate(parts)]

    def join_state(self, states: Sequence[Any]) -> Any:
        """See `Recurrent`."""
        if not self.causal:
            return super().join_state(states)
        found = [memory for _, memory in states if memory is not None]
        seen = (found[0].seen[None],) if found else ()
        memory = (*(each.rows for each in found), *seen)
        return super().join_state([c for c, _ in states]), memory

    def start_layer(
        self, x: Tensor, layer: int, states: Sequence[Any], ends: Ends
    ) -> dict[str, Any]:
        """See `Recurrent`."""
        own = {n: p for n in self._shared_shapes(layer, x.shape[2])
               for p in [getattr(self, f"{n}_l{layer}")]}  # fmt: skip
        clean = ends.clear(x)  # nothing of the padding comes into attention, nan neither
        rows, weight = for_product(self._normed(clean, layer, "before"), own["weight_proj"])
        o, memory = linear(rows, weight, None), None
        if "weight_kv" in own:
            before = states[0][1] if self.causal and states[0] is not None else None
            o, memory = self._attend(o, own, before, ends)
        if self.inner_norm:
            o = layer_norm(o, own["weight_inner_norm"], own["bias_inner_norm"])
        o = nn.functional.dropout(o, self.projection_dropout, self.training)
        return {"o": o, "memory": memory}

    def _attend(
        self, q: Tensor, own: dict[str, Tensor], before: Memory | None, ends: Ends
    ) -> tuple[Tensor, Memory | None]:
        T, B, P = q.shape
        if before is None and self.causal:
            before = Memory(q.new_zeros(0, B, P), torch.zeros(B, dtype=torch.long, device=q.device))
        rows = q if before is None else torch.cat([before.rows.to(q.dtype), q])
        k, v = linear(rows, own["weight_kv"].to(q.dtype), None).chunk(2, -1)
        open_ = allowed(T, ends.within(), before, self.causal, self.memory_size)
        dropout = self.attention_dropout if self.training else 0.0
        found = attend(q, k, v, self.num_heads, open_, dropout)
        if before is not None:
            before = remember(rows, T, before, ends.within(), self.memory_size)
        return q + own["alpha"].to(q.dtype) * found, before

    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Any],
        ends: Ends,
        layer: int,
        direction: int,
    ) -> tuple[Tensor, Any]:
        """See `Recurrent`."""
        c = state[0] if self.causal and state is not None else state
        product, weight = for_product(weights["o"], weights["weight_ih"])
        given = weights | {"weight_ih": weight}
        output, c = self._recur(x, product, False, c, given, ends, layer, direction)
        return output, (c, weights["memory"]) if self.causal else c

    def step(self, input: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See `Recurrent`; only if `causal`."""
        if not self.causal and not self.bidirectional:
            raise RuntimeError(
                f"{self._name()}.step needs causal=True; got a layer whose attention looks ahead; "
                "a stream has no future yet"
            )
        return super().step(input, state)

    def _attends(self, layer: int) -> bool:
        if self.attention_last is not None:
            return self.num_layers - layer <= self.attention_last
        return (layer + 1) % self.attention_every == 0

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        usual = {"num_heads": 1, "causal": False, "memory_size": None, "attention_every": 1,
                 "attention_last": None, "inner_norm": True, "attention_dropout": 0.0,
                 "projection_dropout": 0.0}  # fmt: skip
        shown = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([super().extra_repr(), *shown])
