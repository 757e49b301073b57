"""Reads the weights of the packages sru (2017 to 3.0.dev) and torchqrnn into our layers.

Their dicts hold tensors only, so load files with `torch.load(path, weights_only=True)`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn.qrnn import QRNN
from swiftrnn.nn.sru import SRU, Norm

State = Mapping[str, Tensor]
TELLING = {  # attributes of the package's module -> arguments
    "bidirectional": "bidirectional", "use_tanh": "tanh", "has_skip_term": "skip",
    "normalize_after": "norm_after", "dropout": "variational_dropout",
}  # fmt: skip


def load_sru(
    source: State | nn.Module,
    *,
    bidirectional: bool = False,
    tanh: bool = False,
    skip: bool = True,
    norm_after: bool = False,
    variational_dropout: float = 0.0,
    batch_first: bool = False,
) -> SRU:
    """An `SRU` with the weights of the package `sru`, whose outputs are equal.

    Reads the single file of 2017, 2.0 to 2.6 and 3.0.dev, in which the same weights have other
    names, orders and places. Sizes, projections and the place of a norm come from the shapes; what
    shapes do not tell must be said, or comes from the package's own module, given in place of its
    dict.

    The package's states are (layers, B, directions * H), ours (layers * directions, B, H):
    `c.view(layers, B, directions, H).transpose(1, 2).flatten(0, 1)`. Beyond a sequence's length our
    output is 0, also after a norm.

    Args:
        source: the package's state dict, or its module.
        bidirectional: whether a layer's weights are those of two directions.
        tanh: the package's `use_tanh`; on by default in the single file of 2017.
        skip: `has_skip_term`.
        norm_after: `normalize_after`, where a layer is as wide as its input.
        variational_dropout: `dropout`, for going on with training.
        batch_first: of the new layer.

    Returns:
        The layer, on the device and in the dtype of the weights, in eval mode if the module is.

    Raises:
        ValueError: no such weights, or such as our layer cannot hold; the message says which.

    Example:
        >>> import torch
        >>> old = {"rnn_lst.0.weight": torch.randn(4, 9), "rnn_lst.0.bias": torch.zeros(6)}
        >>> load_sru(old, skip=False)
        SRU(4, 3, version=1, skip=False)

    Source: github.com/asappresearch/sru, releases 2.0.0 to 2.6.0 and branch 3.0.0-dev.
    """
    options: dict[str, Any] = {
        "bidirectional": bidirectional, "tanh": tanh, "skip": skip, "norm_after": norm_after,
        "variational_dropout": variational_dropout,
    }  # fmt: skip
    if isinstance(source, nn.Module):
        options |= _options_of(source)
        state: State = source.state_dict()
    else:
        state = source
    cells, before = _cells(state), state.get("input_to_hidden.weight")
    first, width, directions = cells[0], cells[0].width, 2 if options["bidirectional"] else 1
    if width % directions:
        raise ValueError(
            f"load_sru needs an even width for two directions; got {width}; "
            "leave bidirectional away"
        )
    for cell in cells:
        if cell.inputs != width:  # here the number of gates tells
            options["skip"] = cell.gates == 4
    options["norm"] = _norm(cells, options.pop("norm_after"))
    layer = SRU(
        first.inputs if before is None else before.shape[1],
        width // directions,
        len(cells),
        batch_first=batch_first,
        device=first.weight.device,
        dtype=first.weight.dtype,
        version=2 if first.weight_c is not None else 1,
        projection_size=max(len(cell.weight) * (cell.proj is not None) for cell in cells),
        project_input=before is not None,
        **options,
        **_rescaling([cell for cell in cells if cell.gates == 3 and options["skip"]]),
    )
    ours = {} if before is None else {"weight_input": before}
    for k, cell in enumerate(cells):
        ours |= cell.ours(k, directions)
    _fill(layer, ours, "load_sru")
    return layer.train(source.training if isinstance(source, nn.Module) else True)


def _options_of(module: nn.Module) -> dict[str, Any]:
    """What a module of the package says of itself; its layers know some of it."""
    cells = [*getattr(module, "rnn_lst", ()), module]
    found: dict[str, Any] = {}
    for where in (cells[0], module):
        found |= {ours: getattr(where, a) for a, ours in TELLING.items() if hasattr(where, a)}
    if hasattr(cells[0], "activation_type"):
        found["tanh"] = cells[0].activation_type == 1
    return found


@dataclass
class _Cell:
    """A layer of the package, whatever its release, in the terms of 2.6.

    `weight` is (inputs or rank, O * gates), `proj` (inputs, rank), O = directions * H.
    """

    weight: Tensor
    bias: Tensor
    proj: Tensor | None = None
    weight_c: Tensor | None = None
    scale: float = 1.0
    norm: dict[str, Tensor] = field(default_factory=dict)  # weight and bias
    norm_after: bool | None = None  # None: the sizes decide

    @property
    def width(self) -> int:
        return len(self.bias) // 2

    @property
    def gates(self) -> int:
        return self.weight.shape[1] // self.width

    @property
    def inputs(self) -> int:
        return len(self.weight if self.proj is None else self.proj)

    def ours(self, k: int, directions: int) -> dict[str, Tensor]:
        """Our parameters of layer k; the gates of a channel lie side by side in the package."""
        H, found = self.width // directions, {}
        weight = self.weight.t().reshape(directions, H, self.gates, -1).transpose(1, 2)
        vectors = {"bias_ih": self.bias, "weight_c": self.weight_c}
        for direction, end in enumerate(("", "_reverse")[:directions]):
            found[f"weight_ih_l{k}{end}"] = weight[direction].flatten(0, 1)
            if self.proj is not None:
                found[f"weight_proj_l{k}{end}"] = self.proj.t()
            for name, vector in vectors.items():
                if vector is not None:
                    found[f"{name}_l{k}{end}"] = vector.view(2, directions, H)[
                        :, direction
                    ].flatten()
        return found | {f"{name}_norm_l{k}": value for name, value in self.norm.items()}


def _cells(state: State) -> list[_Cell]:
    """The package's layers."""
    if not any(name.startswith("rnn_lst.") for name in state):
        state = {f"rnn_lst.0.{name}": value for name, value in state.items()}  # a lone SRUCell
    parts: list[dict[str, Tensor]] = []
    while found := _under(state, f"rnn_lst.{len(parts)}."):
        after = _under(state, f"ln_lst.{len(parts)}.")
        parts.append(found | {f"after.{name}": value for name, value in after.items()})
    if not parts:
        raise ValueError(
            "load_sru needs weights named rnn_lst.0.weight and so on; got none; "
            "pass the state dict of an sru.SRU"
        )
    return [_cell(k, part) for k, part in enumerate(parts)]


def _under(state: State, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def _cell(k: int, part: dict[str, Tensor]) -> _Cell:
    turned = {  # 3.0.dev has the products as torch's Linear, the others turned round
        "weight": part.get("transform_module.1.weight", part.get("transform_module.weight")),
        "weight_proj": part.get("transform_module.0.weight"),
    }
    part |= {name: value.t() for name, value in turned.items() if value is not None}
    if "weight" not in part or "bias" not in part or "gain" in part:
        raise ValueError(
            f"load_sru needs weight and bias of layer {k}, without weight norm or a custom_m; "
            f"got {', '.join(part)}; build an SRU and copy what you can"
        )
    after = _under(part, "after.")
    return _Cell(
        part["weight"],
        part["bias"],
        part.get("weight_proj"),
        part.get("weight_c"),
        float(part.get("scale_x", torch.ones(()))),
        after or _under(part, "layer_norm."),
        True if after else None,
    )


def _norm(cells: list[_Cell], said_after: bool) -> Norm:
    if not cells[0].norm:
        return "none"
    for cell in cells:
        if cell.norm_after is not None:
            return "after"
        if cell.inputs != cell.width:
            return "after" if len(cell.norm["weight"]) == cell.width else "before"
    return "after" if said_after else "before"


def _rescaling(cells: list[_Cell]) -> dict[str, Any]:
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


def load_qrnn(
    source: State | nn.Module,
    *,
    window: int | None = None,
    batch_first: bool = False,
) -> QRNN:
    """A `QRNN` with the weights of the package `torchqrnn`, or fastai's copy; equal outputs.

    Their F multiplies the candidate, ours the last state: the rows of f change their sign. Their
    state of a window is hidden in the module, ours is returned.

    Args:
        source: the package's state dict (of QRNN or of one QRNNLayer), or its module.
        window: how many steps a gate sees; found from the second layer's shape where there is one,
            else 1, as there.
        batch_first: of the new layer.

    Raises:
        ValueError: no such weights; the message says what is missing.

    Example:
        >>> import torch
        >>> old = {"linear.weight": torch.randn(9, 8), "linear.bias": torch.zeros(9)}
        >>> load_qrnn(old, window=2)
        QRNN(4, 3)

    Source: github.com/salesforce/pytorch-qrnn.
    """
    state: State = source.state_dict() if isinstance(source, nn.Module) else source
    if "linear.weight" in state:
        state = {f"layers.0.{name}": value for name, value in state.items()}
    products: list[tuple[Tensor, Tensor]] = []
    while f"layers.{len(products)}.linear.weight" in state:
        name = f"layers.{len(products)}.linear."
        products.append((state[name + "weight"], state[name + "bias"]))
    if not products:
        raise ValueError(
            "load_qrnn needs layers.0.linear.weight or linear.weight; "
            f"got {', '.join(state) or 'nothing'}; pass the state dict of a torchqrnn.QRNN"
        )
    first, gates = products[0][0], _gates(products)
    H = len(first) // gates
    window = window or (products[1][0].shape[1] // H if len(products) > 1 else 1)
    layer = QRNN(
        first.shape[1] // window,
        H,
        len(products),
        batch_first=batch_first,
        device=first.device,
        dtype=first.dtype,
        window=window,
        pooling="fo" if gates == 3 else "f",
    )
    ours = {}
    for k, product in enumerate(products):
        for name, each in zip(("weight", "bias"), product, strict=True):
            z, f, *o = each.chunk(gates)
            ours[f"{name}_ih_l{k}"] = torch.cat([z, -f, *o])
    _fill(layer, ours, "load_qrnn")
    return layer


def _gates(products: list[tuple[Tensor, Tensor]]) -> int:
    """How many gates: 3, or 2 without an output gate; where both would fit, 3 as usual there."""
    rows, later = len(products[0][0]), [weight.shape[1] for weight, _ in products[1:]]
    for gates in (3, 2):
        if rows % gates == 0 and all(size % (rows // gates) == 0 for size in later):
            return gates
    raise ValueError(
        f"load_qrnn needs 3 or 2 gates of one size; got {rows} rows; pass a torchqrnn.QRNN"
    )


def _fill(layer: nn.Module, ours: dict[str, Tensor], who: str) -> None:
    """Load parameters; ValueError, in one line, if they are not those of the layer."""
    try:
        layer.load_state_dict(ours)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{who} needs weights that fit {layer}; got others: {reason}") from None
