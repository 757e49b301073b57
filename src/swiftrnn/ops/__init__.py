"""Mathematics on tensors, time first. Each op is a reference and its faster twins."""

from importlib.util import find_spec

import torch

from swiftrnn.ops import _native
from swiftrnn.ops._plain import references
from swiftrnn.ops._pool import keep as keep_memory
from swiftrnn.ops._pool import release as release_memory
from swiftrnn.ops.crf import OP as _CRF
from swiftrnn.ops.crf import crf, crf_scores, crf_viterbi
from swiftrnn.ops.gated_scan import OP as _GATED_SCAN
from swiftrnn.ops.gated_scan import gated_scan
from swiftrnn.ops.leaky_rnn import OP as _LEAKY_RNN
from swiftrnn.ops.leaky_rnn import leaky_rnn
from swiftrnn.ops.linear_scan import OP as _LINEAR_SCAN
from swiftrnn.ops.linear_scan import linear_scan
from swiftrnn.ops.rg_lru import OP as _RG_LRU
from swiftrnn.ops.rg_lru import rg_lru
from swiftrnn.ops.sru import OP as _SRU
from swiftrnn.ops.sru import sru
from swiftrnn.ops.sru.newton import sru_newton

OPS = (_LINEAR_SCAN, _GATED_SCAN, _RG_LRU, _SRU)  # the element-wise recurrences
ALL = (*OPS, _LEAKY_RNN, _CRF)

__all__ = [
    "ALL",
    "OPS",
    "crf",
    "crf_scores",
    "crf_viterbi",
    "gated_scan",
    "keep_memory",
    "kernels",
    "leaky_rnn",
    "linear_scan",
    "references",
    "release_memory",
    "rg_lru",
    "sru",
    "sru_newton",
]


def kernels() -> dict[str, dict[str, object]]:
    """Which kernels run here, per device, and why others do not.

    Examples:
        >>> sorted(kernels()["cpu"])
        ['library', 'loaded', 'ops', 'why']
    """
    loaded = _native.library() is not None
    cpu = {
        "loaded": loaded,
        "why": _native.why(),
        "library": str(_native.PATH) if loaded else None,
        "ops": [op.name for op in ALL if op.has_kernel("cpu")],
    }
    reason = _why_no_gpu()
    gpu = {
        "loaded": reason is None,
        "why": reason or "Triton compiles them at first use",
        "library": None,
        "ops": [op.name for op in ALL if op.has_kernel("cuda")],
    }
    return {"cpu": cpu, "gpu": gpu}


def _why_no_gpu() -> str | None:
    """Why no Triton kernel runs here; None where they do."""
    if not torch.cuda.is_available():
        return "torch sees no GPU"
    if find_spec("triton") is None:
        return "Triton is not installed (pip install triton)"
    return None
