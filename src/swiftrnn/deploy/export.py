"""Models in the form of others: ONNX, for servers, phones and browsers without PyTorch."""

import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swiftrnn.training import folder

folder.needs_extra("swiftrnn.deploy.export", "onnx", "onnxscript", "onnxruntime")

from swiftrnn.deploy import _onnx  # noqa: E402 (what is missing is said first)
from swiftrnn.deploy.trained import load  # noqa: E402

OPSET = 18  # the first with all that is used, Scan in both directions
CLOSE = 1e-4  # how far ONNX Runtime may be from PyTorch, beside 1 + |value|


def to_onnx(
    module: nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    dynamic_shapes: Any = None,
) -> Path:
    """Write a module, with our layers in it, as an ONNX file, and check it in ONNX Runtime.

    Recurrences become ONNX's Scan; dropout is off. Time and batch stay free: the file takes other
    sequences than the example's.

    Args:
        module: what to write; it is not changed.
        inputs: an example of what it is called with; time and batch of at least 2.
        path: of the file, which is written whole or not at all.
        dynamic_shapes: which sizes stay free, as for `torch.export.export`; by default all of every
            input's but the last one.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: the packages of `swiftrnn[onnx]` are missing.
        ValueError: ONNX Runtime does not give the module's outputs; nothing was written.
        OSError: the file cannot be written.

    Example:
        >>> from swiftrnn.deploy.export import to_onnx  # doctest: +SKIP
        >>> to_onnx(SRU(8, 16), (torch.randn(4, 2, 8),), Path("sru.onnx"))  # doctest: +SKIP
        PosixPath('sru.onnx')
    """
    training = module.training
    try:
        with (
            folder.whole(path) as part,
            torch.no_grad(),
            warnings.catch_warnings(),
            redirect_stdout(StringIO()),
        ):
            warnings.simplefilter("ignore")
            program = torch.export.export(
                module.eval(), inputs, dynamic_shapes=dynamic_shapes or _free(inputs)
            )
            decompositions: Any = _onnx.DECOMPOSITIONS  # torch's types ask for more than it does
            translations: Any = _onnx.TRANSLATIONS
            program = program.run_decompositions(dict(decompositions))
            written = torch.onnx.export(
                program, inputs, dynamo=True, opset_version=OPSET,
                custom_translation_table=translations,
            )  # fmt: skip
            assert written is not None
            written.save(part)
            _check(part, inputs, module(*inputs))
    finally:
        module.train(training)
    return path


def run_to_onnx(run: Path, path: Path) -> Path:
    """Write what was trained as an ONNX file, and beside it what its numbers mean.

    Args:
        run: a run folder of a recipe with `exported`.
        path: of the file; `vocabulary.json` of the run is copied into the same folder.

    Raises:
        ValueError: the run cannot be used, or its model has torch's own recurrent layers, which
            ONNX takes with a fixed number of steps only.
    """
    known = load(run)
    if not hasattr(known.recipe, "exported"):
        raise ValueError(
            "swiftrnn export needs a run whose model is one graph, such as one of ner_crf; got "
            f"{run}, a run of {known.name}; for a module of yours call "
            "swiftrnn.deploy.export.to_onnx"
        )
    if any(isinstance(each, nn.RNNBase) for each in known.model.modules()):
        raise ValueError(
            f"swiftrnn export needs one of our layers; got {known.config.layer} in {run}, which "
            "ONNX takes with a fixed number of steps only; train with --layer sru"
        )
    module, inputs = known.recipe.exported(known.model)
    every = tuple(dict.fromkeys(range(x.dim()), torch.export.Dim.AUTO) for x in inputs)
    to_onnx(module, inputs, path, every)
    beside = path.parent / "vocabulary.json"
    if beside.resolve() != (run / "vocabulary.json").resolve():
        folder.write_text(beside, (run / "vocabulary.json").read_text("utf-8"))
    return path


def _free(inputs: Any) -> Any:
    """All sizes of every tensor but the last one, in the structure of the inputs."""
    if isinstance(inputs, Tensor):
        return dict.fromkeys(range(max(inputs.dim() - 1, 1)), torch.export.Dim.AUTO)
    return tuple(_free(each) for each in inputs) if isinstance(inputs, tuple | list) else None


def _flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [x for part in value for x in _flat(part)] if isinstance(value, tuple | list) else []


def _check(path: Path, inputs: Any, outputs: Any) -> None:
    """ValueError unless ONNX Runtime gives these outputs."""
    import onnxruntime  # pyright: ignore[reportMissingImports] (an extra)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    given = dict(zip(names, (x.numpy() for x in _flat(inputs)), strict=True))
    for found, exact in zip(session.run(None, given), _flat(outputs), strict=True):
        error = np.abs(found - exact.numpy()) / (1 + np.abs(exact.numpy()))
        if error.size and not error.max() <= CLOSE:
            raise ValueError(
                f"to_onnx needs ONNX Runtime to give the module's outputs within {CLOSE}; "
                f"got {error.max():.2g}; nothing was written to it, please report this"
            )
