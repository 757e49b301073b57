"""Where layers of torch stand in a model, and whether another one can take their places."""

import dis
import functools
import re
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.utils import parametrize

READ = re.compile(
    r"(weight|bias)_h[hr]_l\d+(_reverse)?|_?all_weights|_flat_weight(s|s_names|_refs)"
)
SPELT = re.compile(r"(weight|bias)_h[hr](_l.*)?")  # by which code finds them among others
DEPTH = 3  # of lists in lists that are looked through
HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)  # fmt: skip


class Site(NamedTuple):
    """A place in a model: its name, and what stands there."""

    name: str
    old: Any

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def last(self) -> str:
        return self.name.rpartition(".")[2]


def sites_of(model: nn.Module, kinds: tuple[type, ...]) -> list[Site]:
    """All places of some kinds; with parametrizations a class is one torch made from it."""
    return [
        Site(name, module)
        for name, module in model.named_modules(remove_duplicate=False)
        if parametrize.type_before_parametrizations(module) in kinds
    ]


def check_site(model: nn.Module, site: Site, sites: Sequence[Site], kind: str) -> None:
    """ValueError, which says why, if a layer of a kind cannot take a place."""
    name, old, rnn = site.name, site.old, site.old
    parameters = list(rnn.parameters())
    hooks = [hook for hook in HOOKS if getattr(old, hook, None)]
    if rnn.proj_size:
        _refuse("LSTMs without proj_size", f"{rnn.proj_size} at {name}",
                "put a torch.nn.Linear behind the layer instead")  # fmt: skip
    if parametrize.is_parametrized(old):
        _refuse("layers without parametrizations", f"{', '.join(rnn.parametrizations)} at {name}",
                "remove them, and add them to the new layer")  # fmt: skip
    if hooks:
        _refuse("layers without hooks, which would be lost", f"{', '.join(hooks)} at {name}",
                "remove them; weight_norm and pruning are such hooks")  # fmt: skip
    if not all(p.requires_grad for p in parameters):
        _refuse("layers that are to be trained, since weights are reinitialised",
                f"parameters without requires_grad at {name}", "unfreeze them first")  # fmt: skip
    if len({(p.device, p.dtype) for p in parameters}) > 1:
        _refuse("layers of one device and dtype", f"several at {name}", "use .to() first")
    _check_owners(model, site, sites)
    _check_code(model, site, kind)


def _refuse(needed: str, got: str, advice: str) -> None:
    raise ValueError(f"convert needs {needed}; got {got}; {advice}")


def _check_owners(model: nn.Module, site: Site, sites: Sequence[Site]) -> None:
    """Nothing else may hold the layer or its weights: it would go on with the old ones."""
    own = {id(p) for p in site.old.parameters()}
    olds = {id(each.old) for each in sites}
    for where, module in model.named_modules():
        if isinstance(module, DistributedDataParallel | DataParallel):
            _refuse("a model that is not wrapped yet",
                    f"{type(module).__name__} around {site.name}", "convert first")  # fmt: skip
        if module is site.old:
            continue
        if any(id(p) in own for p in module._parameters.values()):
            _refuse("layers with weights of their own",
                    f"{site.name}, which shares some with {where or 'the model'}",
                    "undo that first")  # fmt: skip
        for name, value in vars(module).items():
            if name == "_modules" or id(module) in olds:
                continue
            if any(found is site.old for found in _inside(value, DEPTH)):
                _refuse("layers that are held as modules only",
                        f"{site.name}, which {type(module).__name__} holds in {name} as well",
                        "use a torch.nn.ModuleList, or look the layer up when it runs")  # fmt: skip


def _inside(value: Any, depth: int) -> Iterator[Any]:
    """What a list, a dict, a method or a partial holds, and the value itself."""
    yield value
    if depth == 0:
        return
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    elif isinstance(value, functools.partial):
        parts = (value.func, *value.args, *value.keywords.values())
    elif hasattr(value, "__self__"):
        parts = (value.__self__,)
    for part in list(parts):
        yield from _inside(part, depth - 1)


def _check_code(model: nn.Module, site: Site, kind: str) -> None:
    """What runs in a forward must not read weights that ours do not have."""
    words = site.name.split(".")
    for depth in range(len(words)):
        owner = model.get_submodule(".".join(words[:depth]))
        if type(owner).__module__.startswith("torch."):
            continue
        for function, read in _reads(type(owner), frozenset(words[depth:])):
            _refuse(f"models whose forward reads no weights that {kind} has not",
                    f"{site.name}, where {function} reads {read}",
                    "change the model, or convert its other parts one by one")  # fmt: skip


def _reads(kind: type, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Functions that a class's forward runs, and weights of torch's layers that they read."""
    seen, waiting = set(), ["forward"]
    while waiting:
        word = waiting.pop()
        found: Any = getattr(kind, word, None)
        found = getattr(found, "fget", found)
        found = getattr(found, "__wrapped__", found)
        code = getattr(found, "__code__", None)
        if word in seen or not isinstance(code, CodeType):
            continue
        if getattr(found, "__module__", "").startswith("torch."):
            continue
        seen.add(word)
        for each in _codes(code):
            waiting += each.co_names
            yield from ((f"{kind.__name__}.{word}", read) for read in _read(each, names))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Code, and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _read(code: CodeType, names: frozenset[str]) -> Iterator[str]:
    """Attributes that some code reads of what may be the layer, and names that it spells."""
    before: dis.Instruction | None = None
    for step in dis.get_instructions(code):
        if step.opname in ("CACHE", "RESUME", "NOP"):
            continue
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and READ.fullmatch(str(step.argval)):
            attribute = before is not None and before.opname in ("LOAD_ATTR", "LOAD_METHOD")
            if not attribute or before.argval in names:  # pyright: ignore[reportOptionalMemberAccess]
                yield str(step.argval)
        before = step
    for constant in code.co_consts:
        if isinstance(constant, str) and SPELT.fullmatch(constant):
            yield repr(constant)
