"""swiftrnn: recurrent networks that train as fast as convolutions, and systems built from them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swiftrnn.deploy.trained import load as load

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`swiftrnn.load` without loading torch for who does not use it."""
    if name == "load":
        from swiftrnn.deploy.trained import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
