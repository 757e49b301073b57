"""Reads the weights of the packages sru (2017 to 3.0.dev) and torchqrnn into our layers.

Their dicts hold tensors only, so load files with `torch.load(path, weights_only=True)`.
"""

from typing import Any

from torch import Tensor, nn

from swiftrnn.nn._options import at_least
from swiftrnn.nn._published import (
    State,
    attending,
    attention_cells,
    attention_of,
    cells_of,
    fill,
    modules_of,
    norm_of,
    rescaling,
    transforms,
)
from swiftrnn.nn._source import (
    agreed,
    attention_options,
    finish,
    options_of,
    qrnn_options,
    stack,
    start_of,
    used,
)
from swiftrnn.nn.qrnn import QRNN
from swiftrnn.nn.sru import SRU
from swiftrnn.nn.sru_plus_plus import SRUPlusPlus


def load_sru(
    source: State | nn.Module,
    *,
    bidirectional: bool | None = None,
    tanh: bool | None = None,
    skip: bool | None = None,
    norm_after: bool | None = None,
    variational_dropout: float | None = None,
    batch_first: bool = False,
) -> SRU:
    """An `SRU` with the weights of the package `sru`, whose outputs are equal.

    Reads the single file of 2017, 2.0 to 2.6 and 3.0.dev, in which the same weights have other
    names, orders and places. Sizes, projections and the place of a norm come from the shapes; what
    shapes do not tell must be said, or comes from the package's own module, given in place of its
    dict: then it need not be said, and must not be said otherwise. What our layer has not, such as
    a `rnn_dropout`, is refused. Nothing is made of what concerns fresh weights or the form of
    results alone: `weight_c_init`, `is_input_normalized`, `nn_rnn_compatible_return`,
    `amp_recurrence_fp16` (our states are in float32).

    The package's states are (layers, B, directions * H), ours (layers * directions, B, H):
    `c.view(layers, B, directions, H).transpose(1, 2).flatten(0, 1)`. Beyond a sequence's length our
    output is 0, also after a norm.

    A `custom_m` becomes our `transform`, and comes with the module only, not with its dict. What it
    gives must be the gates, U; vectors for each step, V, have no place here.

    Args:
        source: the package's state dict, or its module.
        bidirectional: whether a layer's weights are those of two directions; False by default.
        tanh: the package's `use_tanh`; False by default, but True in the single file of 2017.
        skip: `has_skip_term`; True by default.
        norm_after: `normalize_after`, where a layer is as wide as its input; False by default.
        variational_dropout: `dropout`, for going on with training; 0 by default.
        batch_first: of the new layer.

    Returns:
        The layer, on the device and in the dtype of the weights; in eval mode or frozen if the
        module is.

    Raises:
        ValueError: no such weights, or more, or such as our layer cannot hold; what is said and
            the module differ; the message says which.

    Examples:
        >>> import torch
        >>> old = {"rnn_lst.0.weight": torch.randn(4, 9), "rnn_lst.0.bias": torch.zeros(6)}
        >>> load_sru(old, skip=False)
        SRU(4, 3, version=1, skip=False)

    Source: github.com/asappresearch/sru, releases 2.0.0 to 2.6.0 and branch 3.0.0-dev.
    """
    said = {
        "bidirectional": bidirectional, "tanh": tanh, "skip": skip, "norm_after": norm_after,
        "variational_dropout": variational_dropout,
    }  # fmt: skip
    modules, state = modules_of(source), _state_of(source)
    options = _settled("load_sru", said, options_of("load_sru", source, modules) if modules else {})  # pyright: ignore
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
    scaled = [cell for cell in cells if cell.gates == 3 and options["skip"]]
    options |= (scales := rescaling(scaled)) | start_of(modules, scales, bool(scaled))
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
    )
    ours = {} if before is None else {"weight_input": before}
    ours |= {n: v for n, v in layer.state_dict().items() if n.startswith("transform.")}
    for k, cell in enumerate(cells):
        ours |= cell.ours(k, directions)
    fill(layer, ours, "load_sru")
    finish("load_sru", layer, source)
    return layer


def load_sru_plus_plus(
    source: State | nn.Module,
    *,
    bidirectional: bool | None = None,
    num_heads: int | None = None,
    norm_after: bool | None = None,
    variational_dropout: float | None = None,
    attention_dropout: float | None = None,
    projection_dropout: float | None = None,
    batch_first: bool = False,
) -> SRUPlusPlus:
    """An `SRUPlusPlus` with the weights of `sru.SRUpp` of 3.0.dev, whose outputs are equal.

    As in `load_sru`. The package masks the future by an argument of each call, ours by `causal`,
    which may be set on the layer (`layer.causal = True`, one direction). Its memory holds inputs,
    ours what attention makes of them.

    Args:
        source: the package's state dict, or its module.
        bidirectional: whether a layer's weights are those of two directions; False by default.
        num_heads: of attention; 1 by default.
        norm_after: `normalize_after`, where a layer is as wide as its input; False by default.
        variational_dropout: `dropout`, for going on with training; 0 by default.
        attention_dropout: `attn_dropout`; 0 by default.
        projection_dropout: `dropout` of the attention; 0 by default.
        batch_first: of the new layer.

    Raises:
        ValueError: no such weights, or such as our layer cannot hold; the message says which.

    Source: github.com/asappresearch/sru, branch 3.0.0-dev.
    """
    said: dict[str, Any] = {
        "bidirectional": bidirectional, "norm_after": norm_after, "num_heads": num_heads,
        "variational_dropout": variational_dropout, "attention_dropout": attention_dropout,
        "projection_dropout": projection_dropout,
    }  # fmt: skip
    modules, state, found = modules_of(source), _state_of(source), {}
    if isinstance(source, nn.Module):
        found = options_of("load_sru_plus_plus", source, modules) | attention_options(source)
    options = _settled("load_sru_plus_plus", said, found)
    parts, cells = attention_cells(state)
    directions, before = 2 if options["bidirectional"] else 1, state.get("input_to_hidden.weight")
    options["norm"] = norm_of(cells, options.pop("norm_after"))
    scaled = [cell for cell in cells if cell.gates == 3]
    options |= (scales := rescaling(scaled)) | start_of(modules, scales, bool(scaled))
    layer = SRUPlusPlus(
        cells[0].inputs if before is None else before.shape[1],
        cells[0].width // directions,
        len(cells),
        batch_first=batch_first,
        device=cells[0].bias.device,
        dtype=cells[0].bias.dtype,
        projection_size=parts[0]["linear1.weight"].shape[0],
        inner_norm="layer_norm.weight" in parts[0],
        project_input=before is not None,
        **attending(["alpha" in inside for inside in parts]),
        **options,
    )
    ours = {} if before is None else {"weight_input": before}
    for k, (cell, inside) in enumerate(zip(cells, parts, strict=True)):
        ours |= attention_of(k, inside) | cell.ours(k, directions)
        ours.pop(f"weight_proj_l{k}_reverse", None)  # one for both
    fill(layer, ours, "load_sru_plus_plus")
    finish("load_sru_plus_plus", layer, source)
    return layer


def _state_of(source: State | nn.Module) -> State:
    return source.state_dict() if isinstance(source, nn.Module) else source


def _settled(who: str, said: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The options as they are said, or as a module has them, or as they are by default."""
    usual = {"skip": True, "num_heads": 1, "bidirectional": False, "tanh": False,
             "norm_after": False}  # fmt: skip
    return {
        name: usual.get(name, 0.0) if value is None else value
        for name, value in agreed(who, said, found).items()
    }


def load_qrnn(
    source: State | nn.Module,
    *,
    window: int | None = None,
    output_gate: bool | None = None,
    batch_first: bool | None = None,
) -> QRNN:
    """A `QRNN` with the weights of the package `torchqrnn`, or fastai's copy; equal outputs.

    Their F multiplies the candidate, ours the last state: the rows of f change their sign. Their
    state of a window is hidden in the module, which goes on from it if `save_prev_x`; ours is
    returned: pass `(c, windows)` to go on, c alone to begin with windows of zeros as they do
    without `save_prev_x`.

    A module's window, output gate, zoneout, dropout, directions and mode are taken over, and what
    our layer has not is refused: windows or sizes that differ between layers, fastai's zoneout,
    which is another, and its two directions with several layers, which do not see each other.

    Args:
        source: the package's state dict (of QRNN or of one QRNNLayer), or its module.
        window: how many steps a gate sees, where there is no module to say it; found from the
            second layer's shape where there is one, else 1, as there.
        output_gate: whether there is one, where there is no module to say it; found from the
            shapes, True where both fit.
        batch_first: of the new layer; as the module has it by default.

    Raises:
        ValueError: no such weights, or more, or such as our layer cannot hold; what is said and
            the module differ; the message says which.

    Examples:
        >>> import torch
        >>> old = {"linear.weight": torch.randn(9, 8), "linear.bias": torch.zeros(9)}
        >>> load_qrnn(old, window=2)
        QRNN(4, 3)

    Source: github.com/salesforce/pytorch-qrnn.
    """
    state = dict(_state_of(source))
    found = qrnn_options(source) if isinstance(source, nn.Module) else {}
    options = agreed("load_qrnn", {"window": window, "output_gate": output_gate}, found)
    sides = _sides(state)
    weights = [weight for _, (weight, _) in sides[0]]
    gates, steps = _gates(weights, options["output_gate"]), options["window"]
    H = len(weights[0]) // gates
    if steps is None:
        steps = weights[1].shape[1] // H if len(weights) > 1 else 1
    steps = at_least(1)("load_qrnn", "window", steps)
    if len(weights[0]) % gates or weights[0].shape[1] % steps:
        raise ValueError(
            f"load_qrnn needs weights for {gates} gates and a window of {steps}; "
            f"got {tuple(weights[0].shape)}; say what they are"
        )
    layer = QRNN(
        weights[0].shape[1] // steps,
        H,
        len(weights),
        batch_first=bool(found.get("batch_first")) if batch_first is None else batch_first,
        dropout=found.get("dropout", 0.0),
        bidirectional=bool(sides[1]),
        device=weights[0].device,
        dtype=weights[0].dtype,
        window=steps,
        pooling="fo" if gates == 3 else "f",
        zoneout=found.get("zoneout", 0.0),
    )
    ours = {}
    for side, end in zip(sides, ("", "_reverse"), strict=True):
        for k, (_, product) in enumerate(side):
            for name, each in zip(("weight", "bias"), product, strict=True):
                ours[f"{name}_ih_l{k}{end}"] = stack(each.chunk(gates))
    fill(layer, ours, "load_qrnn")
    finish("load_qrnn", layer, source)
    return layer


def _sides(state: dict[str, Tensor]) -> list[list[tuple[list[str], list[Tensor]]]]:
    """The products of both directions, the second one empty where there is none."""
    if "linear.weight" in state:
        state = {f"layers.0.{name}": value for name, value in state.items()}
    sides = [_products(state, side) for side in ("layers", "layers_bwd")]
    if not sides[0]:
        raise ValueError(
            "load_qrnn needs layers.0.linear.weight or linear.weight; "
            f"got {', '.join(state) or 'nothing'}; pass the state dict of a torchqrnn.QRNN"
        )
    used("load_qrnn", state, [name for side in sides for names, _ in side for name in names])
    if sides[1] and max(map(len, sides)) > 1:
        raise ValueError(
            "load_qrnn needs one layer if there are two directions, since theirs do not see each "
            f"other; got {len(sides[0])} and {len(sides[1])}; load the layers one by one"
        )
    return sides


def _products(state: State, side: str) -> list[tuple[list[str], list[Tensor]]]:
    """Names and values of weight and bias of each layer of one direction."""
    products = []
    while f"{side}.{len(products)}.linear.weight" in state:
        names = [f"{side}.{len(products)}.linear.{name}" for name in ("weight", "bias")]
        if names[1] not in state:
            raise ValueError(f"load_qrnn needs weights and biases; got no {names[1]}; add zeros")
        products.append((names, [state[name] for name in names]))
    return products


def _gates(weights: list[Tensor], output_gate: bool | None) -> int:
    """How many gates: 3, or 2 without an output gate; where both would fit, 3 as usual there."""
    if output_gate is not None:
        return 3 if output_gate else 2
    rows, later = len(weights[0]), [weight.shape[1] for weight in weights[1:]]
    for gates in (3, 2):
        if rows % gates == 0 and all(size % (rows // gates) == 0 for size in later):
            return gates
    raise ValueError(
        f"load_qrnn needs 3 or 2 gates of one size; got {rows} rows; pass a torchqrnn.QRNN"
    )
