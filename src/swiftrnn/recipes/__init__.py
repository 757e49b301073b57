"""Systems and measurements, one folder each: what a recipe is, and how one is found.

A recipe is a package whose `__init__.py` has the parts of `Recipe`. It is found by its folder and
listed nowhere. It never states its own name: what found it knows that, so a copy is itself.
"""

import ast
import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from swiftrnn.runs.claims import Claim
from swiftrnn.runs.files import whole
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

HERE = Path(__file__).parent


class Recipe(Protocol):
    """The parts of a recipe's package.

    Attributes:
        Config: a frozen dataclass; its fields are the recipe's options. It has a `seed`.
        SMOKE: a Config that runs in seconds, offline. Any other Config constant is a preset.
        CLAIMS: what the paper claims, each with a condition or the reason why it is not tested.
        TASK: what a trained system takes and gives, a `tasks.Task`; None where nothing can be used.
    """

    Config: type
    SMOKE: Any
    CLAIMS: tuple[Claim, ...]
    TASK: Any

    def run(self, config: Any, out: RunFolder) -> Result:
        """Train, measure on unseen data, and say what was found."""
        ...


class Usable(Recipe, Protocol):
    """A recipe with a TASK."""

    def build(self, config: Any, vocabulary: dict[str, Any]) -> Any:
        """The model that weights are read into, from settings and what vocabulary.json holds."""
        ...


@dataclass(frozen=True)
class Found:
    """A recipe and what found it.

    Attributes:
        name: its identity, which run folders hold.
        typed: how it is named on the command line: its name, or ./FOLDER.
        folder: where its code lies.
        code: the same for a recipe that is no part of swiftrnn, None for one that is.
    """

    name: str
    typed: str
    folder: Path
    code: Path | None = None

    @cached_property
    def parts(self) -> Any:
        """Its package, a `Recipe`.

        Raises:
            ValueError: the folder's name is that of another module.
        """
        return importlib.import_module(f"{__name__}.{self.name}") if not self.code else self._own()

    def _own(self) -> Any:
        _forget(self.folder)
        sys.path.append(str(self.folder.parent))  # last: its other files stand in for no module
        found = importlib.import_module(self.name)
        where = getattr(found, "__file__", None)
        if Path(where or "").resolve().parent != self.folder:
            raise ValueError(
                "swiftrnn needs a folder whose name is no other module's; got "
                f"{self.name}, which is that of {where or 'Python'}; rename it"
            )
        _imported[self.name] = self.folder.parent
        return found

    @property
    def run(self) -> Callable[[Any, RunFolder], Result]:
        """What trains and measures."""
        return self.parts.run

    @property
    def about(self) -> str:
        """What it says of itself: the docstring of its package, read without importing it."""
        source = (self.folder / "__init__.py").read_text(encoding="utf-8")
        return ast.get_docstring(ast.parse(source)) or self.name

    @property
    def presets(self) -> dict[str, Any]:
        """Its Config constants by name in lower case, and "default"."""
        constants = vars(self.parts).items()
        kind = self.parts.Config
        return {"default": kind(), **{k.lower(): v for k, v in constants if isinstance(v, kind)}}


def names() -> list[str]:
    """The recipes of swiftrnn: every folder beside this file."""
    return sorted(path.parent.name for path in HERE.glob("*/__init__.py"))


def nearest(word: str, known: Collection[str], prefix: str = "") -> str:
    """A hint for a misspelt word, ready to be put before what else there is to say."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {prefix}{found[0]}? " if found else ""


def find(typed: str) -> Found:
    """The recipe of this name, or the one in a folder given as ./FOLDER; imports nothing yet.

    Raises:
        ValueError: there is no such recipe.
    """
    path = Path(typed)
    if (typed.startswith(".") or path.is_absolute()) and (path / "__init__.py").is_file():
        path = path.resolve()
        return Found(path.name, typed, path, path)
    if typed not in names():
        raise ValueError(
            f"swiftrnn needs one of the recipes {', '.join(names())}, or ./FOLDER; got {typed!r}; "
            f"{nearest(typed, names())}swiftrnn list describes them"
        )
    return Found(typed, typed, HERE / typed)


_imported: dict[str, Path] = {}  # the names of folders that were imported, and where they lie


def _forget(path: Path) -> None:
    """Another folder of the same name that was given before is not what is meant now."""
    parent = _imported.pop(path.name, path.parent)
    if parent == path.parent:
        return
    while str(parent) in sys.path:
        sys.path.remove(str(parent))
    for name in [n for n in sys.modules if n.partition(".")[0] == path.name]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _trusted() -> Path:
    """The file of the folders whose recipes this user ran: only their code is loaded for a run."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "swiftrnn" / "recipes.txt"


def _known() -> list[str]:
    try:
        return _trusted().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def trust(recipe: Found) -> None:
    """Remember that the user ran a recipe of their own, so that its runs can be used by name."""
    if recipe.code is None or str(recipe.code) in _known():
        return
    with contextlib.suppress(OSError):  # then --recipe has to be given
        _trusted().parent.mkdir(parents=True, exist_ok=True)
        with whole(_trusted()) as part:
            part.write_text("\n".join([*_known(), str(recipe.code), ""]), encoding="utf-8")


def of_run(saved: dict[str, Any], run: Path) -> Found:
    """The recipe of a run folder, as its config.json names it.

    A run folder may come from a stranger, and must not say which code is executed. So a recipe that
    is no part of swiftrnn is taken only from a folder that the user ran a recipe in before.

    Args:
        saved: what config.json holds.
        run: the folder, for messages.

    Raises:
        ValueError: there is no such recipe, or its code was never run here.
    """
    name, code = saved["recipe"], saved.get("code")
    if code is None:
        if name in names():
            return find(name)
        raise ValueError(
            f"a run needs one of the recipes {', '.join(names())}; got one of {name!r} in {run}; "
            "give --recipe ./FOLDER if that is where its code lies"
        )
    if code not in _known():
        raise ValueError(
            f"a run needs a recipe that ran here before; got {run}, whose recipe lies in {code}; "
            f"if that code is yours, give --recipe {code}"
        )
    if not (Path(code) / "__init__.py").is_file():
        raise ValueError(
            f"a run needs its recipe; got {run}, whose recipe is no longer in {code}; "
            "give --recipe ./FOLDER with the folder where it lies now"
        )
    return find(code)
