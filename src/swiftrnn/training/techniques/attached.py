"""What is done around every step of an optimiser, and goes with it wherever it goes.

torch's hooks alone are lost when an optimiser is copied or pickled, and its groups are replaced
when a state is loaded. What is attached here is found again on a copy, sees the groups as they are
at each step, and is there once however often it is asked for.
"""

from collections import OrderedDict
from typing import Any, Self

import torch

HOOKS = ("step_pre", "step_post", "state_dict_pre", "load_state_dict_pre", "load_state_dict_post")


class Attached:
    """Hooks of one optimiser; `remove()` takes them away, and so does the end of a `with`.

    A subclass says what is done. Its arguments after the optimiser are kept in `options`, from
    which a copy is made.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, *options: Any) -> None:
        self.optimizer, self.options = optimizer, options
        own = vars(optimizer)
        for name in HOOKS:  # a copy gets its attachments before torch has made these
            own.setdefault(f"_optimizer_{name}_hooks", OrderedDict())
        self._handles = [
            optimizer.register_step_pre_hook(lambda _, args, kwargs: self.before(args, kwargs)),
            optimizer.register_step_post_hook(lambda *_: self.after()),
            optimizer.register_state_dict_pre_hook(lambda _: self.saving()),
            optimizer.register_load_state_dict_pre_hook(lambda *_: self.loading()),
            optimizer.register_load_state_dict_post_hook(lambda _: self.loaded()),
        ]
        own.setdefault("_attached", {})[type(self)] = self
        own["__getstate__"] = lambda: _state_of(optimizer)

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer) -> Self | None:
        """The one of this kind that an optimiser has already."""
        return vars(optimizer).get("_attached", {}).get(cls)

    def before(self, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:  # noqa: ARG002
        """Before a step; what it gives takes the place of the step's arguments."""
        return None

    def after(self) -> None:
        """After a step that raised nothing."""

    def saving(self) -> None:
        """Before a state is made."""

    def loading(self) -> None:
        """Before a state is loaded: the groups are still there."""

    def loaded(self) -> None:
        """After a state was loaded: the groups are others."""

    def remove(self) -> None:
        """Take the hooks away; once more does nothing."""
        for handle in self._handles:
            handle.remove()
        own = vars(self.optimizer)
        if own.get("_attached", {}).get(type(self)) is self:
            del own["_attached"][type(self)]
        if not own.get("_attached", True):
            del own["_attached"], own["__getstate__"]

    def skipped(self) -> bool:
        """Whether a GradScaler leaves this step out inside a fused optimiser."""
        found = getattr(self.optimizer, "found_inf", None)
        return found is not None and bool(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.optimizer, *self.options)


def _state_of(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What is copied and pickled: torch's own, and what is attached."""
    for each in vars(optimizer)["_attached"].values():
        each.saving()
    own: Any = type(optimizer).__getstate__(optimizer)
    return {**own, "_attached": vars(optimizer)["_attached"]}
