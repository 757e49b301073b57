"""Optional dependencies: what is missing is said in one line, before anything begins."""

import importlib.util


def needs_extra(who: str, extra: str, *modules: str) -> None:
    """Check that an optional dependency is installed, without importing it.

    Raises:
        ModuleNotFoundError: names the first missing module and the extra to install.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f"{who} needs the extra {extra}; {module} is missing; "
                f"run pip install 'swiftrnn[{extra}]'",
                name=module,
            )
