"""What layers say to torch.fx.symbolic_trace and torch.jit.script."""

from typing import Any

from torch import nn
from torch.fx import Proxy


def one_call(module: nn.Module, *inputs: Any) -> Proxy:
    """The call of a module that torch.fx.symbolic_trace meets in a model, as one node of its graph.

    So it treats the modules of torch.nn as well.

    Raises:
        RuntimeError: the module is traced by itself, so there is no call of it.
    """
    tracer: Any = next(x for x in inputs if isinstance(x, Proxy)).tracer
    name = tracer.path_of_module(module)
    if not name:
        raise RuntimeError(
            f"torch.fx.symbolic_trace needs a model that {type(module).__name__} is a part of; "
            "got the layer by itself; trace the model, or take torch.export"
        )
    return tracer.create_proxy("call_module", name, inputs, {})


def refuse_script(module: nn.Module) -> nn.Module:
    """What torch.jit.script calls before it compiles a module.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        f"{type(module).__name__} cannot be compiled by torch.jit.script; "
        "take torch.jit.trace, torch.export or torch.compile, which can"
    )
