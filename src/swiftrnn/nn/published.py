"""Reads the weights of the packages sru (2017 to 3.0.dev) and torchqrnn into our layers.

Their dicts hold tensors only, so load files with `torch.load(path, weights_only=True)`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn._published import (
    State,
    attending,
    attention_cells,
    attention_of,
    cells_of,
    fill,
    norm_of,
    options_of,
    rescaling,
    transforms,
)
from swiftrnn.nn.qrnn import QRNN
from swiftrnn.nn.sru import SRU
from swiftrnn.nn.sru_plus_plus import SRUPlusPlus


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

    A `custom_m` becomes our `transform`, and comes with the module only, not with its dict. What it
    gives must be the gates, U; vectors for each step, V, have no place here.

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
        options |= options_of(source)
        state: State = source.state_dict()
    else:
        state = source
    cells, before = cells_of(state, source), state.get("input_to_hidden.weight")
    first, width, directions = cells[0], cells[0].width, 2 if options["bidirectional"] else 1
    if width % directions:
        raise ValueError(
            f"load_sru needs an even width for two directions; got {width}; "
            "leave bidirectional away"
        )
    for cell in cells:
        if cell.inputs != width:  # here the number of gates tells
            options["skip"] = cell.gates == 4
    options["norm"] = norm_of(cells, options.pop("norm_after"))
    layer = SRU(
        first.inputs if before is None else before.shape[1],
        width // directions,
        len(cells),
        batch_first=batch_first,
        device=first.bias.device,
        dtype=first.bias.dtype,
        version=2 if first.weight_c is not None else 1,
        projection_size=max(0 if cell.proj is None else cell.proj.shape[1] for cell in cells),
        project_input=before is not None,
        transform=transforms(cells, directions),
        **options,
        **rescaling([cell for cell in cells if cell.gates == 3 and options["skip"]]),
    )
    ours = {} if before is None else {"weight_input": before}
    ours |= {n: v for n, v in layer.state_dict().items() if n.startswith("transform.")}
    for k, cell in enumerate(cells):
        ours |= cell.ours(k, directions)
    fill(layer, ours, "load_sru")
    return layer.train(source.training if isinstance(source, nn.Module) else True)


def load_sru_plus_plus(
    source: State | nn.Module,
    *,
    bidirectional: bool = False,
    num_heads: int = 1,
    norm_after: bool = False,
    variational_dropout: float = 0.0,
    batch_first: bool = False,
) -> SRUPlusPlus:
    """An `SRUPlusPlus` with the weights of `sru.SRUpp` of 3.0.dev, whose outputs are equal.

    As in `load_sru`. The package masks the future by an argument of each call, ours by `causal`,
    which may be set on the layer (`layer.causal = True`, one direction). Its memory holds inputs,
    ours what attention makes of them.

    Args:
        source: the package's state dict, or its module.
        bidirectional: whether a layer's weights are those of two directions.
        num_heads: of attention.
        norm_after: `normalize_after`, where a layer is as wide as its input.
        variational_dropout: `dropout`, for going on with training.
        batch_first: of the new layer.

    Raises:
        ValueError: no such weights, or such as our layer cannot hold; the message says which.

    Source: github.com/asappresearch/sru, branch 3.0.0-dev.
    """
    options: dict[str, Any] = {"bidirectional": bidirectional, "norm_after": norm_after}
    options["variational_dropout"] = variational_dropout
    if isinstance(source, nn.Module):
        found = options_of(source)
        options |= {name: found[name] for name in options if name in found}
        inner = [m for m in source.modules() if hasattr(m, "num_heads")]
        num_heads = int(inner[0].num_heads) if inner else num_heads  # pyright: ignore
    state: State = source.state_dict() if isinstance(source, nn.Module) else source
    parts, cells = attention_cells(state)
    directions, before = 2 if options["bidirectional"] else 1, state.get("input_to_hidden.weight")
    options["norm"] = norm_of(cells, options.pop("norm_after"))
    layer = SRUPlusPlus(
        cells[0].inputs if before is None else before.shape[1],
        cells[0].width // directions,
        len(cells),
        batch_first=batch_first,
        device=cells[0].bias.device,
        dtype=cells[0].bias.dtype,
        projection_size=parts[0]["linear1.weight"].shape[0],
        num_heads=num_heads,
        inner_norm="layer_norm.weight" in parts[0],
        project_input=before is not None,
        **attending(["alpha" in inside for inside in parts]),
        **options,
        **rescaling([cell for cell in cells if cell.gates == 3]),
    )
    ours = {} if before is None else {"weight_input": before}
    for k, (cell, inside) in enumerate(zip(cells, parts, strict=True)):
        ours |= attention_of(k, inside) | cell.ours(k, directions)
        ours.pop(f"weight_proj_l{k}_reverse", None)  # one for both
    fill(layer, ours, "load_sru_plus_plus")
    return layer.train(source.training if isinstance(source, nn.Module) else True)


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
    fill(layer, ours, "load_qrnn")
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
