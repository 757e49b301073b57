"""What a module of another package says of itself: all of it is taken over, or refused by name."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

SHARED = {  # options of load_sru -> attributes of the package's module and its layers
    "bidirectional": "bidirectional", "skip": "has_skip_term", "norm_after": "normalize_after",
}  # fmt: skip


def one(who: str, name: str, values: Iterable[Any]) -> Any:
    """What several modules say, where all that say something say the same; else None."""
    found = {value for value in values if value is not None}
    if len(found) > 1:
        said = ", ".join(sorted(map(str, found)))
        raise ValueError(
            f"{who} needs one {name} in all layers; got {said}; load the layers one by one"
        )
    return found.pop() if found else None


def agreed(who: str, said: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What is said and what a module knows, which must not differ; None says nothing."""
    for name, value in said.items():
        if value is not None and known.get(name) is not None and known[name] != value:
            raise ValueError(
                f"{who} needs {name} as the module has it, {known[name]}; got {value}; "
                "leave it away"
            )
    return {n: known.get(n) if known.get(n) is not None else v for n, v in said.items()}


def used(who: str, state: Mapping[str, Tensor], known: Iterable[str]) -> None:
    """ValueError if a state dict has more than what is read of it."""
    more = sorted(set(state) - set(known))
    if more:
        raise ValueError(
            f"{who} needs nothing but weights that it knows; got {', '.join(more)} as well; "
            "pass the state dict of the layer alone"
        )


def finish(who: str, layer: nn.Module, source: Any) -> None:
    """The mode of a module, and whether it is frozen, for a layer that was made from it."""
    if not isinstance(source, nn.Module):
        return
    learned = {p.requires_grad for name, p in source.named_parameters() if not _constant(name, p)}
    if len(learned) > 1:
        raise ValueError(
            f"{who} needs a module that is frozen as a whole or not at all; got some of each; "
            "use requires_grad_(True), and freeze the new layer's weights"
        )
    layer.train(source.training).requires_grad_(False not in learned)


def _constant(name: str, parameter: Tensor) -> bool:
    """Whether this is weight_c of version 1 of sru, which is never learned."""
    return name.endswith("weight_c") and not parameter.requires_grad


def options_of(who: str, module: nn.Module, cells: Sequence[nn.Module]) -> dict[str, Any]:
    """What a module of the package sru says of itself, and what its layers say."""
    everything = [*cells, module]

    def said(attribute: str) -> Any:
        return one(who, attribute, (getattr(each, attribute, None) for each in everything))

    if p := max(getattr(each, "rnn_dropout", 0) for each in everything):
        raise ValueError(
            f"{who} needs rnn_dropout of 0, which our layer has not; got {p}; "
            "set it to 0 in the module and all its layers to go without"
        )
    kind = said("activation_type")
    if kind not in (None, 0, 1) or said("use_relu") or said("use_selu"):
        raise ValueError(f"{who} needs tanh or no activation; got activation_type {kind}")
    found = {ours: said(theirs) for ours, theirs in SHARED.items()}
    found["tanh"] = kind if kind is not None else said("use_tanh")
    found = {name: None if value is None else bool(value) for name, value in found.items()}
    return found | {"variational_dropout": _dropout(who, module, cells)}


def _dropout(who: str, module: nn.Module, cells: Sequence[nn.Module]) -> float | None:
    """The package drops after each layer but the last, as we do, if nobody has changed it."""
    inner = [float(getattr(cell, "dropout", 0)) for cell in cells]
    whole = [getattr(module, "dropout", None)] if module not in cells else []
    p = one(who, "dropout", [*inner[:-1], *whole])
    if inner and inner[-1]:
        raise ValueError(
            f"{who} needs dropout of 0 in the last layer, as in an sru.SRU; got {inner[-1]}; "
            "set it to 0 to go without"
        )
    return None if p is None else float(p)


def start_of(cells: Sequence[Any], scales: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
    """`highway_bias` and `rescale` as modules say them, where the weights say nothing else.

    Args:
        cells: the package's modules.
        scales: the two options, as the weights say them.
        scaled: whether the weights say anything.
    """
    bias = one("load_sru", "highway_bias", (getattr(c, "highway_bias", None) for c in cells))
    rescale = one("load_sru", "rescale", (getattr(c, "rescale", None) for c in cells))
    if bias is None:
        return {}
    if scales["rescale"]:
        same = math.isclose(scales["highway_bias"], bias, rel_tol=1e-3, abs_tol=1e-3)
        return {"highway_bias": float(bias)} if same else {}
    return {"highway_bias": float(bias), "rescale": bool(rescale) and not scaled}


def attention_options(module: nn.Module) -> dict[str, Any]:
    """num_heads and dropouts of the attention inside an sru.SRUpp."""
    who, names = "load_sru_plus_plus", {"attention_dropout": "attn_dropout"}
    inner = [m.transform_module for m in module.modules() if hasattr(m, "transform_module")]
    found = {
        ours: one(who, theirs, (getattr(m, theirs, None) for m in inner))
        for ours, theirs in (names | {"num_heads": "num_heads"}).items()
    }
    dropouts = (getattr(m, "dropout", None) for m in inner)
    found["projection_dropout"] = one(
        who, "dropout", (d.p if isinstance(d, nn.Dropout) else d for d in dropouts)
    )
    return {name: value for name, value in found.items() if value is not None}


def qrnn_options(module: nn.Module) -> dict[str, Any]:
    """What a torchqrnn.QRNN, a QRNNLayer, or one of fastai's says of itself."""
    who = "load_qrnn"
    layers: list[Any] = list(getattr(module, "layers", [module]))
    layers += list(getattr(module, "layers_bwd", ()))

    def said(attribute: str) -> Any:
        return one(who, attribute, (getattr(each, attribute, None) for each in layers))

    for layer in layers:
        if isinstance(getattr(layer, "prevX", None), Tensor):
            raise ValueError(
                f"{who} needs a module that remembers no input; got prevX of {layer.prevX.shape}; "
                "call its reset() first"
            )
    if layers == [module] and getattr(module, "backward", None) is True:
        raise ValueError(f"{who} needs a layer that runs forwards; got backward=True")
    zoneout, fastai = said("zoneout") or 0.0, hasattr(layers[0], "backward")
    if zoneout and fastai:
        raise ValueError(
            f"{who} needs zoneout of 0 in fastai's layers, which scale f by 1 / (1 - zoneout) "
            f"while they train; got {zoneout}; set it to 0, and zoneout of the new layer"
        )
    both = bool(getattr(module, "bidirectional", False))
    if both and not (hasattr(module, "layers_bwd") and len(layers) == 2):
        raise ValueError(
            f"{who} needs one layer if bidirectional, since theirs do not see each other; "
            f"got {len(layers) // 2}; load the layers one by one"
        )
    gate = said("output_gate")
    return {
        "window": said("window"), "zoneout": float(zoneout), "batch_first": said("batch_first"),
        "output_gate": None if gate is None else bool(gate),
        "dropout": float(getattr(module, "dropout", 0.0)), "bidirectional": both,
    }  # fmt: skip


def stack(parts: Sequence[Tensor]) -> Tensor:
    """Gates z, f and maybe o of torchqrnn, whose f multiplies the candidate, as ours."""
    z, f, *o = parts
    return torch.cat([z, -f, *o])
