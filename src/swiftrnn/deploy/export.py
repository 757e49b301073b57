"""Models in the form of others: ONNX, for servers, phones and browsers without PyTorch."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError

from swiftrnn.runs import folder

folder.needs_extra("swiftrnn.deploy.export", "onnx", "onnxscript", "onnxruntime")

from swiftrnn.deploy import _onnx  # noqa: E402 (what is missing is said first)
from swiftrnn.deploy.trained import load  # noqa: E402

OPSET = 18  # the first with all that is used, Scan in both directions
STATIC = (None, torch.export.Dim.STATIC)  # sizes that do not stay free
CLOSE = 1e-4  # how far ONNX Runtime may be from PyTorch, beside 1 + |value|


def to_onnx(
    module: nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    dynamic_shapes: Any = None,
    others: Sequence[tuple[Any, ...]] = (),
) -> Path:
    """Write a module, with our layers in it, as an ONNX file, and check it in ONNX Runtime.

    Recurrences become ONNX's Scan; dropout is off. Time and batch stay free: the file takes other
    sequences than the example's.

    Args:
        module: what to write; it is not changed.
        inputs: an example of what it is called with; sizes that stay free are at least 2 in it,
            because torch fixes those of 1.
        path: of the file, which is written whole or not at all.
        dynamic_shapes: which sizes stay free, as for `torch.export.export`; by default all of every
            input's but the last one that the module itself does not fix.
        others: more examples, of other sizes, that ONNX Runtime must give the same outputs for.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: the packages of `swiftrnn[onnx]` are missing.
        ValueError: a size that should stay free is 1 in the example or fixed by the module, or
            ONNX Runtime does not give the module's outputs; nothing was written.
        OSError: the file cannot be written.

    Examples:
        >>> from swiftrnn.deploy.export import to_onnx  # doctest: +SKIP
        >>> to_onnx(SRU(8, 16), (torch.randn(4, 2, 8),), Path("sru.onnx"))  # doctest: +SKIP
        PosixPath('sru.onnx')
    """
    training, given = module.training, dynamic_shapes is not None
    free = dynamic_shapes if given else _free(inputs)
    _check_sizes(module, inputs, free, given)
    try:
        with folder.whole(path) as part, torch.no_grad(), _quiet():
            program = _exported(module.eval(), inputs, free)
            decompositions: Any = _onnx.DECOMPOSITIONS  # torch's types ask for more than it does
            translations: Any = _onnx.TRANSLATIONS
            program = program.run_decompositions(dict(decompositions))
            written = torch.onnx.export(
                program, inputs, dynamo=True, opset_version=OPSET,
                custom_translation_table=translations,
            )  # fmt: skip
            assert written is not None
            written.save(part)
            for each in (inputs, *others):
                _check(part, each, module(*each))
    finally:
        module.train(training)
    return path


def run_to_onnx(run: Path, path: Path, recipe: str | None = None) -> Path:
    """Write what was trained as an ONNX file, and beside it what its numbers mean.

    Args:
        run: a run folder whose task has a graph.
        path: of the file; `vocabulary.json` of the run is copied into the same folder.
        recipe: ./FOLDER of the recipe's code, where that was moved.

    Raises:
        ValueError: the run cannot be used, or its model has torch's own recurrent layers, which
            ONNX takes with a fixed number of steps only.
    """
    known = load(run, recipe=recipe)
    if known.task.graph is None:
        raise ValueError(
            "swiftrnn export needs a run whose task is one graph, such as one of ner_crf; got "
            f"{run}, a run of {known.recipe.name}; for a module of yours call "
            "swiftrnn.deploy.export.to_onnx"
        )
    if any(isinstance(each, nn.RNNBase) for each in known.model.modules()):
        raise ValueError(
            f"swiftrnn export needs one of our layers; got {run}, whose recurrent layer is torch's "
            "own, which ONNX takes with a fixed number of steps only; train with --layer sru"
        )
    module, (inputs, *others) = known.task.graph(known.model)
    every = tuple(dict.fromkeys(range(x.dim()), torch.export.Dim.DYNAMIC) for x in inputs)
    to_onnx(module, inputs, path, every, others)
    beside, words = path.parent / folder.VOCABULARY, known.folder / folder.VOCABULARY
    if words.exists() and beside.resolve() != words.resolve():
        folder.write_text(beside, words.read_text("utf-8"))
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """What exporters say of packages that are not installed is not for our users."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript")]
    before = [(each, each.level) for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in before:
            each.setLevel(level)


def _exported(module: nn.Module, inputs: tuple[Any, ...], free: Any) -> Any:
    try:
        return torch.export.export(module, inputs, dynamic_shapes=free)
    except UserError as error:
        raise ValueError(
            "to_onnx needs sizes that can stay free, as dynamic_shapes says; torch.export says: "
            f"{' '.join(str(error).split())[:400]}; leave out a size that the module fixes"
        ) from error


def _check_sizes(module: nn.Module, inputs: tuple[Any, ...], free: Any, given: bool) -> None:
    """ValueError where a size that should stay free is 1: torch would fix it without a word."""
    if isinstance(free, dict):  # by the names of the arguments
        names = list(inspect.signature(module.forward).parameters)
        free = tuple(free.get(name) for name in names[: len(inputs)])
    pairs = _pairs(inputs, free)
    for x, sizes in pairs if given else pairs[:1]:  # of a state, layers and directions may be 1
        fixed = [i for i, size in sizes.items() if size not in STATIC and x.shape[i] == 1]
        if fixed:
            raise ValueError(
                "to_onnx needs an example with at least 2 of each size that stays free; got an "
                f"input {tuple(x.shape)}, with 1 in dimension {fixed[0]}; give a larger one"
            )


def _pairs(inputs: Any, free: Any) -> list[tuple[Tensor, dict[int, Any]]]:
    """Every tensor and what is said of its sizes."""
    if isinstance(inputs, Tensor):
        return [(inputs, dict(free if isinstance(free, dict) else enumerate(free or ())))]
    if not isinstance(inputs, tuple | list) or free is None:
        return []
    return [pair for x, each in zip(inputs, free, strict=False) for pair in _pairs(x, each)]


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

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    given = dict(zip(names, (x.numpy() for x in _flat(inputs)), strict=True))
    for each, exact in zip(session.run(None, given), _flat(outputs), strict=True):
        found, wanted = np.asarray(each), exact.numpy()
        if found.shape != wanted.shape:
            raise ValueError(
                f"to_onnx needs ONNX Runtime to give the module's outputs; got {found.shape} for "
                f"{wanted.shape}; nothing was written to it, please report this"
            )
        error = np.abs(found - wanted) / (1 + np.abs(wanted))
        if error.size and not error.max() <= CLOSE:
            raise ValueError(
                f"to_onnx needs ONNX Runtime to give the module's outputs within {CLOSE}; "
                f"got {error.max():.2g}; nothing was written to it, please report this"
            )
