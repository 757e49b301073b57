"""Optional dependencies: what is missing is said in one line, before anything begins."""

import importlib.util
import re
from importlib import metadata

OF_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


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


def extras() -> dict[str, list[str]]:
    """The extras of this package and what each one lacks here, as its metadata has it."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("swiftrnn") or ():
        named = re.match(r"[\w.-]+", requirement)
        if (extra := OF_EXTRA.search(requirement)) and named:
            lacks = found.setdefault(extra[1], [])
            if not _installed(named[0]):
                lacks.append(named[0])
    return found


def _installed(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False
