"""The weights of the package sru, whatever its release, in our terms."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn._source import used
from swiftrnn.nn.sru import Norm

State = Mapping[str, Tensor]
KNOWN = {  # what a layer of the package has, after names of 3.0.dev have been turned into others
    "weight", "weight_proj", "bias", "weight_c", "scale_x", "layer_norm.weight", "layer_norm.bias",
    "after.weight", "after.bias",
}  # fmt: skip
INSIDE = {f"linear{k}.weight" for k in (1, 2, 3)} | {
    "alpha", "layer_norm.weight", "layer_norm.bias",
}  # fmt: skip


@dataclass
class PublishedCell:
    """A layer of the package, whatever its release, in the terms of 2.6.

    `weight` is (inputs or rank, O * gates), `proj` (inputs, rank), O = directions * H; a module
    that is custom stands in their place.
    """

    weight: Tensor | None
    bias: Tensor
    inputs: int
    gates: int
    custom: nn.Module | None = None
    proj: Tensor | None = None
    weight_c: Tensor | None = None
    scale: float = 1.0
    norm: dict[str, Tensor] = field(default_factory=dict)  # weight and bias
    norm_after: bool | None = None  # None: the sizes decide

    @property
    def width(self) -> int:
        return len(self.bias) // 2

    def ours(self, k: int, directions: int) -> dict[str, Tensor]:
        """Our parameters of layer k; the gates of a channel lie side by side in the package."""
        H, found = self.width // directions, {}
        weight = None
        if self.weight is not None:
            weight = self.weight.t().reshape(directions, H, self.gates, -1).transpose(1, 2)
        vectors = {"bias_ih": self.bias, "weight_c": self.weight_c}
        for direction, end in enumerate(("", "_reverse")[:directions]):
            if weight is not None:
                found[f"weight_ih_l{k}{end}"] = weight[direction].flatten(0, 1)
            if self.proj is not None:
                found[f"weight_proj_l{k}{end}"] = self.proj.t()
            for name, vector in vectors.items():
                if vector is not None:
                    found[f"{name}_l{k}{end}"] = vector.view(2, directions, H)[
                        :, direction
                    ].flatten()
        return found | {f"{name}_norm_l{k}": value for name, value in self.norm.items()}


def modules_of(source: Any) -> list[nn.Module]:
    """The package's modules, one for each layer; none where there is only a dict."""
    if not isinstance(source, nn.Module):
        return []
    return list(getattr(source, "rnn_lst", [source]))


def cells_of(state: State, source: Any) -> list[PublishedCell]:
    """The package's layers."""
    if not any(name.startswith("rnn_lst.") for name in state):
        state = {f"rnn_lst.0.{name}": value for name, value in state.items()}  # a lone SRUCell
    parts: list[dict[str, Tensor]] = []
    while found := under(state, f"rnn_lst.{len(parts)}."):
        after = under(state, f"ln_lst.{len(parts)}.")
        parts.append(found | {f"after.{name}": value for name, value in after.items()})
    if not parts:
        raise ValueError(
            "load_sru needs weights named rnn_lst.0.weight and so on; got none; "
            "pass the state dict of an sru.SRU"
        )
    whole = tuple(f"{name}.{k}." for k in range(len(parts)) for name in ("rnn_lst", "ln_lst"))
    used("load_sru", state, {n for n in state if n.startswith(whole)} | {"input_to_hidden.weight"})
    modules = modules_of(source) or [None] * len(parts)
    return [_cell(k, part, modules[k]) for k, part in enumerate(parts)]


def under(state: State, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def _cell(k: int, part: dict[str, Tensor], module: Any) -> PublishedCell:
    turned = {  # 3.0.dev has the products as torch's Linear, the others turned round
        "weight": part.pop("transform_module.1.weight", part.pop("transform_module.weight", None)),
        "weight_proj": part.pop("transform_module.0.weight", None),
    }
    part |= {name: value.t() for name, value in turned.items() if value is not None}
    custom, weight, proj = getattr(module, "custom_m", None), *map(part.get, turned)
    own = [name for name in part if name.startswith(("custom_m.", "transform_module."))]
    if own and custom is None:
        raise ValueError(
            "load_sru needs the module of sru 2, not its dict, where a layer has a custom_m; "
            f"got {', '.join(own)} of layer {k}"
        )
    if (weight is None and custom is None) or "bias" not in part or "gain" in part:
        raise ValueError(
            f"load_sru needs weight and bias of layer {k}, without weight norm; "
            f"got {', '.join(part)}; build an SRU and copy what you can"
        )
    used("load_sru", part, KNOWN | {name for name in part if name.startswith("custom_m.")})
    after, width = under(part, "after."), len(part["bias"]) // 2
    weight_c, scale = part.get("weight_c"), float(part.get("scale_x", torch.ones(())))
    if getattr(module, "v1", False) and weight_c is not None and not weight_c.any():
        weight_c = None  # there and never used
    return PublishedCell(
        weight,
        part["bias"],
        module.input_size if weight is None else len(weight if proj is None else proj),
        module.num_matrices if weight is None else weight.shape[1] // width,
        custom,
        proj,
        weight_c,
        scale if getattr(module, "rescale", True) else 1.0,
        after or under(part, "layer_norm."),
        True if after else None,
    )


class Interleaved(nn.Module):
    """A custom_m of the package as a transform of ours: there the gates of a channel lie together.

    Args:
        module: from (T, B, features) to (T, B, directions * H * G) or (T * B, the same).
        directions: 1 or 2.
        gates: G.
    """

    def __init__(self, module: nn.Module, directions: int, gates: int) -> None:
        super().__init__()
        self.module, self.directions, self.gates = module, directions, gates

    def forward(self, x: Tensor) -> Any:
        """(T, B, features) to (T, B, directions * G * H)."""
        found = self.module(x)
        if not isinstance(found, Tensor):
            return found  # SRU says what it needs
        shape = *x.shape[:2], self.directions, -1, self.gates
        return found.reshape(shape).transpose(-1, -2).flatten(2)


def transforms(cells: list[PublishedCell], directions: int) -> list[nn.Module] | None:
    """What takes the place of the weights: in all layers, or None."""
    custom = [c for c in cells if c.custom is not None]
    if custom and len(custom) < len(cells):
        raise ValueError(
            f"load_sru needs a custom_m in all layers or in none; got {len(custom)} in "
            f"{len(cells)} layers; put a torch.nn.Linear where there is none"
        )
    modules = [Interleaved(copy.deepcopy(c.custom), directions, c.gates) for c in custom]  # pyright: ignore
    return [*modules] or None


def norm_of(cells: list[PublishedCell], said_after: bool) -> Norm:
    if not cells[0].norm:
        return "none"
    for cell in cells:
        if cell.norm_after is not None:
            return "after"
        if cell.inputs != cell.width:
            return "after" if len(cell.norm["weight"]) == cell.width else "before"
    return "after" if said_after else "before"


def rescaling(cells: list[PublishedCell]) -> dict[str, Any]:
    """The options that multiply the skips of these layers by what they were multiplied by."""
    scales = {cell.scale for cell in cells} or {1.0}
    if len(scales) > 1 or min(scales) < 1:
        raise ValueError(
            "load_sru needs one scale_x of at least 1 in all layers; "
            f"got {', '.join(f'{s:g}' for s in sorted(scales))}; train on from rescale=True"
        )
    scale = scales.pop()
    return {
        "rescale": scale != 1,
        "highway_bias": 0.0 if scale == 1 else math.log((scale**2 - 1) / 2),
    }


def attending(layers: list[bool]) -> dict[str, int]:
    """The option that puts attention into these layers."""
    count = sum(layers)
    if layers == [k >= len(layers) - count for k in range(len(layers))]:
        return {"attention_last": count} if count < len(layers) else {}
    for every in range(2, len(layers) + 1):
        if layers == [(k + 1) % every == 0 for k in range(len(layers))]:
            return {"attention_every": every}
    raise ValueError(
        "load_sru_plus_plus needs attention in the last layers or in every so manieth; got "
        f"{', '.join('yes' if each else 'no' for each in layers)}"
    )


def fill(layer: nn.Module, ours: dict[str, Tensor], who: str) -> None:
    """Load parameters; ValueError, in one line, if they are not those of the layer."""
    try:
        layer.load_state_dict(ours)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        named = " ".join(str(layer).split())
        raise ValueError(f"{who} needs weights that fit {named}; got others: {reason}") from None


def attention_cells(state: State) -> tuple[list[dict[str, Tensor]], list[PublishedCell]]:
    """What SRU++ has inside its layers, and the layers themselves."""
    parts, cells = [], []
    while part := under(state, f"rnn_lst.{len(parts)}."):
        inside = under(part, "transform_module.")
        last = inside.get("linear3.weight", inside.get("linear2.weight"))
        if last is None or "linear1.weight" not in inside:
            raise ValueError(
                f"load_sru_plus_plus needs transform_module.linear1 to linear3 of layer "
                f"{len(parts)}; got {', '.join(part)}; pass the state dict of an sru.SRUpp"
            )
        scale, norm = float(part.get("scale_x", torch.ones(()))), under(part, "layer_norm.")
        proj = inside["linear1.weight"].t()
        parts.append(inside)
        prefixed = {f"transform_module.{name}" for name in INSIDE}
        used("load_sru_plus_plus", part, (KNOWN - {"weight", "weight_proj"}) | prefixed)
        gates = len(last) // (len(part["bias"]) // 2)
        cells.append(
            PublishedCell(
                last.t(), part["bias"], len(proj), gates, None, proj, part["weight_c"], scale, norm
            )
        )
    if not cells:
        raise ValueError(
            "load_sru_plus_plus needs weights named rnn_lst.0.transform_module and so on; "
            "got none; pass the state dict of an sru.SRUpp"
        )
    whole = tuple(f"rnn_lst.{k}." for k in range(len(parts)))
    known = {name for name in state if name.startswith(whole)}
    used("load_sru_plus_plus", state, known | {"input_to_hidden.weight"})
    return parts, cells


def attention_of(k: int, inside: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our parameters of layer k that are not SRU's."""
    found: dict[str, Tensor | None] = {}
    if "alpha" in inside:
        found = {"weight_kv": inside.get("linear2.weight"), "alpha": inside["alpha"]}
    for name in ("weight", "bias"):
        found[f"{name}_inner_norm"] = inside.get(f"layer_norm.{name}")
    return {f"{name}_l{k}": value for name, value in found.items() if value is not None}
