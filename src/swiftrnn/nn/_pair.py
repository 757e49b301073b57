"""Finds code that takes a state for a pair: `output, (h, c) = layer(x)`, as with an LSTM."""

import dis
import functools
import sys
from types import CodeType, FrameType
from typing import Any

import torch

OWN = ("swiftrnn.nn.", "torch.nn.modules.module")  # modules whose frames lie between
BETWEEN = ("STORE_", "LOAD_", "COPY_FREE_VARS", "CACHE")  # opcodes that put the output away


def refuse_pair(layer: Any) -> None:
    """TypeError if what called a layer unpacks its state into two, in the same statement.

    A state of two layers, or of two directions, is a tensor that lets itself be unpacked so; the
    halves would be taken for h and c. A state cannot say so itself and stay a plain tensor, which
    compiled code asks for. So the caller's code is looked at, once for each place in it.
    """
    if torch.compiler.is_compiling():
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(OWN):
        frame = frame.f_back
    if frame is not None and _unpacks(frame.f_code, frame.f_lasti):
        raise TypeError(
            f"{layer._name()} needs code that takes its state as one tensor "
            "(layers * directions, B, H); got output, (h, c) = ..., which would cut it into two "
            "layers or directions; call InPlaceOfLSTM(layer), or use state.unbind(0)"
        )


def refuse_tuple(layer: Any, state: Any, letters: str) -> None:
    """TypeError if a state of one tensor is given as a pair, or a list."""
    if isinstance(state, tuple | list):
        raise TypeError(
            f"{layer._name()} needs a state {letters}; got {type(state).__name__}; it is one "
            "tensor and no pair (h, c): pass what an earlier call returned, or see InPlaceOfLSTM"
        )


@functools.lru_cache(4096)
def _unpacks(code: CodeType, at: int) -> bool:
    """Whether the result of a call is unpacked into two, and the second one into two again."""
    after = [step for step in dis.get_instructions(code) if step.offset > at]
    if not after or (after[0].opname, after[0].argval) != ("UNPACK_SEQUENCE", 2):
        return False
    for step in after[1:]:
        if step.opname == "UNPACK_SEQUENCE":
            return step.argval == 2
        if not step.opname.startswith(BETWEEN):
            return False
    return False
