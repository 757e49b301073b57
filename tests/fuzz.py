"""Random calls of every op and layer: each equals the reference, or is refused as documented.

Tensors come in any layout: with gaps, turned, expanded, negated by a bit, parameters, states and
gradients too. Some calls ask for gradients of gradients, some are traced, and some run while torch
does something else: another default device, a mode that watches, hooks on saved tensors.

Run by hand, from the root of a checkout (some two hundred calls a second):

    python tests/fuzz.py                       # 10,000 calls
    python tests/fuzz.py --calls 500 --seed 7  # others

Prints the seed, how many calls of each kind there were, and the first call that went wrong with all
that is needed to repeat it; the exit status is then 1. A crash ends the process: the last line says
in which call, if `--verbose` is given.
"""

import argparse
import math
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from swiftrnn import nn as layers
from swiftrnn import ops
from swiftrnn.ops.crf.reference import path_scores, viterbi

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4, torch.bfloat16: 0.15, torch.float16: 0.03}
TIMES, BATCHES, CHANNELS = (0, 1, 2, 5, 17, 40), (0, 1, 1, 3, 5), (1, 2, 5, 33, 130)
SETTINGS = {"skip": (0, 3, 4), "scale": (1, 1, 3, 10)}
ORDERS = ("", " with gradients", " with second gradients")
KINDS = {
    layers.SRU: dict(
        version=(1, 2), tanh=(False, True), highway_bias=(0.0, -2.0), rescale=(False, True),
        skip=(True, True, False), projection_size=(0, 0, 2), project_input=(False, True),
        norm=("none", "none", "before", "after"),
    ),
    layers.SRUPlusPlus: dict(
        causal=(False, True), projection_size=(3, 4, 6), attention_every=(1, 2),
        inner_norm=(True, False), norm=("none", "none", "before", "after"),
    ),
    layers.QRNN: dict(window=(1, 2, 3), pooling=("f", "fo", "ifo")),
    layers.MinGRU: {}, layers.MinLSTM: {}, layers.RGLRU: {}, layers.HGRN: {},
}  # fmt: skip


def is_real(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def disguised(choose: random.Random, x: Tensor) -> Tensor:
    """The same numbers, or now and then one for all of a dimension, in another layout."""
    kind = choose.choice(("as it is",) * 4 + ("turned", "gaps", "negated", "expanded"))
    if kind == "expanded" and x.numel() and x.dim():
        at = choose.randrange(x.dim())
        return x.narrow(at, 0, 1).expand(x.shape)
    if kind == "turned" and x.dim() > 1:
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if kind == "gaps" and x.dim():
        return torch.stack([x, x], -1)[..., 0]
    return torch._neg_view(-x) if kind == "negated" and is_real(x) else x


class Watching(TorchDispatchMode):
    """Sees every op, and does nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def turned(x: Tensor) -> Tensor:
    return x.transpose(0, -1).contiguous().transpose(0, -1) if x.dim() > 1 else x


CONTEXTS: dict[str, Callable[[], AbstractContextManager]] = {
    "": nullcontext,
    "default device": lambda: torch.device("meta"),
    "watched": Watching,
    "hooks": lambda: saved_tensors_hooks(lambda x: x, turned),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
}


def context(choose: random.Random) -> str:
    return choose.choice([""] * 12 + [*CONTEXTS])


def flat(value: object) -> list[Tensor]:
    """All tensors of an output."""
    if isinstance(value, Tensor):
        return [value]
    return [x for part in value for x in flat(part)]  # pyright: ignore


def differ(found: list[Tensor], exact: list[Tensor], dtype: torch.dtype) -> str:
    """Where two lists of tensors differ; empty where they do not."""
    for i, (a, e) in enumerate(zip(found, exact, strict=True)):
        if a.shape != e.shape:
            return f"value {i} has shape {tuple(a.shape)}, the reference {tuple(e.shape)}"
        # what is beyond a dtype is infinity in it
        most = torch.finfo(a.dtype).max if a.is_floating_point() else math.inf
        a, e = (each.double().clamp(-most, most) for each in (a, e))
        error = size(a - e, e)
        if not error <= TOLERANCE[dtype]:
            return f"value {i} is off by {error:.3g}"
    return ""


def size(change: Tensor, beside: Tensor) -> float:
    """The largest change, beside 1 and the number itself."""
    return (
        float((change.abs() / (1 + beside.double().abs())).detach().max())
        if change.numel()
        else 0.0
    )


def moved(x: Tensor) -> Tensor:
    """Each number off by about one rounding."""
    change = torch.finfo(x.dtype).eps * torch.randn(x.shape, dtype=torch.float64)
    return (x.double() * (1 + change)).to(x.dtype)


def is_rounding(wrong: str, found: list[Tensor], exact: list[Tensor], reference: Callable) -> bool:
    """Whether the reference itself changes as much where its inputs move by one rounding.

    So it is where large numbers cancel; what is told apart from it is far larger.
    """
    if not wrong or any(a.shape != e.shape for a, e in zip(found, exact, strict=True)):
        return False
    for others in (reference() for _ in range(5)):
        changes = zip(found, exact, others, strict=True)
        if all(
            size(a - e, e) <= 10 * size(o - e, e) + TOLERANCE.get(e.dtype, 0) for a, e, o in changes
        ):
            return True
    return False


def values(function, leaves: list[Tensor], order: int, where: str = "") -> list[Tensor]:
    """Outputs, the gradients of their sum of squares, and of those again, up to an order."""
    with CONTEXTS[where](), torch.set_grad_enabled(order > 0):
        outputs = flat(function())
        found, last = list(outputs), outputs
        for number in range(1, order + 1):
            loss = sum((y.double() ** 2).sum() for y in last)
            grads = [None] * len(leaves)
            if isinstance(loss, Tensor) and loss.requires_grad:
                grads = torch.autograd.grad(
                    loss, leaves, allow_unused=True, create_graph=number < order
                )
            pairs = zip(leaves, grads, strict=True)
            last = [torch.zeros_like(x) if g is None else g for x, g in pairs]
            found += last
    return found


def call_op(choose: random.Random) -> tuple[str, str]:
    """What was called, and what went wrong."""
    op, dtype = choose.choice(ops.ALL), choose.choice([*TOLERANCE])
    names = {name for case in op.cases for name in case}
    sizes = {"T": choose.choice(TIMES), "B": choose.choice(BATCHES)}
    sizes |= {name: choose.choice(CHANNELS) for name in names & {"H", "K"}}
    options = {name: choose.choice(SETTINGS.get(name, (0, 1))) for name in sorted(names - {*sizes})}
    inputs = [disguised(choose, x) if isinstance(x, Tensor) else x
              for x in op.sample(**sizes, **options, dtype=dtype)]  # fmt: skip
    order = choose.choice((0, 1) if dtype != torch.float64 else (0, 1, 1, 2))
    where, function = context(choose), getattr(ops, op.name)
    called = f"{op.name} {sizes} {options} {dtype} gradients {order} {where}"
    if choose.random() < 0.15:
        return f"bad {op.name}", refused(choose, function, inputs, called)

    def run(convert, target, where):
        own = [convert(x).detach().requires_grad_(order > 0) if is_real(x) else x for x in inputs]
        leaves = [own[i] for i in op.differentiable if own[i] is not None]
        return values(lambda: target(*own), leaves, order, where)

    found, exact = run(lambda x: x, function, where), run(lambda x: x.double(), op.reference, "")
    wrong = differ(found, exact, dtype)
    again = lambda: run(lambda x: moved(x).double(), op.reference, "")  # noqa: E731
    if is_rounding(wrong, found, exact, again):
        wrong = ""
    return f"{op.name}{ORDERS[order]}", wrong and f"{called}: {wrong}"


def call_path(choose: random.Random) -> tuple[str, str]:
    """The same for the best path and its score; of two paths that are as good any will do."""
    sizes = {"T": choose.choice(TIMES), "B": choose.choice(BATCHES), "K": choose.choice(CHANNELS)}
    options = {name: choose.randrange(2) for name in ("ragged", "forbidden")}
    dtype, where = choose.choice([*TOLERANCE]), context(choose)
    inputs = [disguised(choose, x) if isinstance(x, Tensor) else x
              for x in ops.ALL[-1].sample(**sizes, **options, dtype=dtype)][:-1]  # fmt: skip
    exact = [x.double() if is_real(x) else x for x in inputs]
    with CONTEXTS[where]():
        score, path = ops.crf_viterbi(*inputs)
    if sizes["T"]:
        own, lengths = path_scores(*exact, path), inputs[-1]
        of_path = own if lengths is None else torch.where(lengths > 0, own, 0)
    else:
        of_path = score
    best = viterbi(*exact)[0]
    wrong = differ([score, of_path], [best, best], dtype)
    return "crf_viterbi", wrong and f"crf_viterbi {sizes} {options} {dtype} {where}: {wrong}"


def refused(choose: random.Random, function, inputs: list, called: str) -> str:
    """Spoils one tensor; what went wrong if that is not refused in one line."""
    at = choose.choice([i for i, x in enumerate(inputs) if isinstance(x, Tensor)])
    spoil = {
        "a dimension more": lambda x: x[None],
        "seven features more": lambda x: torch.cat([x, x.new_zeros(*x.shape[:-1], 7)], -1),
        "a list": lambda x: [x.tolist()],
        "complex": lambda x: x.to(torch.complex64),
        "meta": lambda x: x.to("meta"),
    }
    name = choose.choice([*spoil])
    bad = [spoil[name](x) if i == at else x for i, x in enumerate(inputs)]
    try:
        function(*bad)
    except (TypeError, ValueError) as error:
        return (
            "" if "; got " in str(error) else f"{called}: input {at} {name} is refused by: {error}"
        )
    except Exception as error:
        return f"{called}: input {at} {name} raises {type(error).__name__}: {error}"
    return f"{called}: input {at} {name} is taken"


def call_layer(choose: random.Random) -> tuple[str, str]:
    """The same for a layer, with its kernels and with the references."""
    kind, dtype = choose.choice([*KINDS]), choose.choice([torch.float64, torch.float32])
    T, B = choose.choice(TIMES), choose.choice(BATCHES)
    H = choose.choice(CHANNELS[:4])
    I = choose.choice((H, 2 * H, 3, 7))
    arguments = dict(
        num_layers=choose.choice((1, 2)), bias=choose.random() < 0.8,
        bidirectional=choose.random() < 0.4, batch_first=choose.random() < 0.3,
    )  # fmt: skip
    arguments |= {name: choose.choice(from_) for name, from_ in KINDS[kind].items()}
    if arguments.get("causal"):
        arguments["bidirectional"] = False
    if kind is layers.SRUPlusPlus:
        dtype = torch.float64  # norms of little enlarge what is lost in rounding
    layer = kind(I, H, dtype=dtype, **arguments)
    x = torch.randn((B, T, I) if layer.batch_first else (T, B, I), dtype=dtype)
    x, order = (
        disguised(choose, x),
        choose.choice((0, 1) if dtype != torch.float64 else (0, 1, 1, 2)),
    )
    if kind is layers.SRUPlusPlus:
        order = min(order, 1)  # the attention of torch has no second gradient
    state, where = None, context(choose)
    if where == "hooks" and kind is layers.SRUPlusPlus:
        where = ""  # the attention of torch reads wrong numbers where hooks give other strides
    if kind is not layers.SRUPlusPlus and choose.random() < 0.4:
        count = layer.num_layers * (2 if layer.bidirectional else 1)
        state = disguised(choose, torch.randn(count, B, H, dtype=dtype))
    weights = {n: disguised(choose, p.detach()) for n, p in layer.named_parameters()}
    lengths = torch.randint(0, T + 1, (B,)) if choose.random() < 0.4 else None
    reset = torch.rand(x.shape[:2]) < 0.3 if choose.random() < 0.4 else None
    called = f"{kind.__name__} I {I} H {H} T {T} B {B} {arguments} {dtype} gradients {order}"
    called += f" lengths {lengths is not None} reset {reset is not None} {where}"
    if choose.random() < 0.1:
        return f"bad {kind.__name__}", spoilt(choose, layer, x, called)

    def run(where: str = "", change: Callable = Tensor.detach) -> list[Tensor]:
        own = change(x).requires_grad_(order > 0)
        first = None if state is None else change(state).requires_grad_(order > 0)
        here = {n: change(w).requires_grad_(order > 0) for n, w in weights.items()}
        leaves = [own, *here.values(), *([] if first is None else [first])]
        arguments = own, first, lengths, reset
        return values(lambda: functional_call(layer, here, arguments), leaves, order, where)

    found = run(where)
    with ops.references():
        wrong = differ(found, exact := run(), dtype)
        if is_rounding(wrong, found, exact, lambda: run(change=moved)):
            wrong = ""
    if not wrong and choose.random() < 0.02 and kind is not layers.SRUPlusPlus and min(T, B):
        wrong = traced(layer, x, dtype)
    return f"{kind.__name__}{ORDERS[order]}", wrong and f"{called}: {wrong}"


def spoilt(choose: random.Random, layer, x: Tensor, called: str) -> str:
    """Spoils one parameter; what went wrong if a call is not refused in one line."""
    names = [n for n, p in layer.named_parameters() if p.dim() > 1 and "_proj" not in n]
    name = choose.choice([n for n in names if n.startswith("weight_ih")] or names)
    change = {
        "of another dtype": lambda w: w.half(),
        "of another shape": lambda w: w[:-1],
        "on meta": lambda w: w.to("meta"),
    }
    how = choose.choice([*change])
    setattr(layer, name, torch.nn.Parameter(change[how](layer.get_parameter(name).detach())))
    try:
        layer(x)
    except (TypeError, ValueError) as error:
        return "" if "; got " in str(error) else f"{called}: {name} {how} is refused by: {error}"
    except Exception as error:
        return f"{called}: {name} {how} raises {type(error).__name__}: {error}"
    return f"{called}: {name} {how} is taken"


def traced(layer, x: Tensor, dtype: torch.dtype) -> str:
    """What went wrong where a trace of the layer meets other sizes."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = torch.jit.trace(layer, (x,))
        other = torch.randn(x.shape[0] + 2, x.shape[1] + 1, x.shape[2], dtype=dtype)
        wrong = differ(flat(trace(other)), flat(layer(other)), dtype)
    return wrong and f"traced: {wrong}"


def fuzz(calls: int, seed: int, verbose: bool = False) -> tuple[Counter[str], str]:
    """How many calls of each kind there were, and the first that went wrong."""
    counts: Counter[str] = Counter()
    threads = torch.get_num_threads()
    try:
        for number in range(calls):
            choose = random.Random(f"{seed} {number}")
            torch.manual_seed(choose.randrange(1 << 30))
            torch.set_num_threads(choose.choice((1, 2)))
            if verbose:
                print(f"call {number}", flush=True)
            call = choose.choice((call_op,) * 8 + (call_path,) + (call_layer,) * 4)
            kind, wrong = call(choose)
            counts[kind] += 1
            if wrong:
                return counts, f"call {number} of seed {seed}: {wrong}"
    finally:
        torch.set_num_threads(threads)
    return counts, ""


def main() -> None:
    """Call, count, say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--verbose", action="store_true", help="say the number of each call")
    arguments = parser.parse_args()
    began = time.monotonic()
    counts, wrong = fuzz(arguments.calls, arguments.seed, arguments.verbose)
    for kind, count in sorted(counts.items()):
        print(f"{count:7,}  {kind}")
    total = sum(counts.values())
    grads = sum(n for kind, n in counts.items() if kind.endswith("gradients"))
    print(f"{total:7,}  calls, {grads / max(total, 1):.0%} with gradients, seed {arguments.seed}, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    if wrong:
        sys.exit(wrong)


if __name__ == "__main__":
    main()
