"""Running a recipe: found by its folder, trained once per seed, its results written down."""

import contextlib
import dataclasses
import difflib
import importlib
import math
import shutil
import statistics
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from swiftrnn import __version__
from swiftrnn.training import folder

RECIPES = Path(__file__).parent / "recipes"
PICTURES = RECIPES.parents[2] / "docs" / "pictures"  # in a source checkout


def names() -> list[str]:
    """The recipes there are: every folder under `recipes/`."""
    return sorted(path.parent.name for path in RECIPES.glob("*/__init__.py"))


def nearest(word: str, known: Collection[str], prefix: str = "") -> str:
    """A hint for a misspelt word, ready to be put before what else there is to say."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {prefix}{found[0]}? " if found else ""


_given: dict[str, Path] = {}  # the names of folders that `module` imported, and where they lie


def module(name: str) -> Any:
    """Import the recipe of this name, or the package in a folder given as ./FOLDER.

    Raises:
        ValueError: there is no such recipe.
    """
    path = Path(name)
    if (name.startswith(".") or path.is_absolute()) and (path / "__init__.py").is_file():
        path = path.resolve()
        _forget(path)
        sys.path.append(str(path.parent))  # last: its other files stand in for no module
        found = importlib.import_module(path.name)
        if Path(getattr(found, "__file__", None) or "").resolve().parent != path:
            raise ValueError(
                f"swiftrnn needs a folder whose name is no other module's; got {path.name}, which "
                f"is that of {getattr(found, '__file__', None) or 'Python'}; rename it"
            )
        _given[path.name] = path.parent
        return found
    if name not in names():
        raise ValueError(
            f"swiftrnn needs one of the recipes {', '.join(names())}; got {name!r}; "
            f"{nearest(name, names())}swiftrnn list describes them"
        )
    return importlib.import_module(f"swiftrnn.recipes.{name}")


def _forget(path: Path) -> None:
    """Another folder of the same name that was given before is not what is meant now."""
    parent = _given.pop(path.name, path.parent)
    if parent == path.parent:
        return
    while str(parent) in sys.path:
        sys.path.remove(str(parent))
    for name in [n for n in sys.modules if n.partition(".")[0] == path.name]:
        del sys.modules[name]
    importlib.invalidate_caches()


def presets(recipe: Any) -> dict[str, Any]:
    """The Config constants of a recipe by name in lower case, and "default"."""
    constants = vars(recipe).items()
    found = {key.lower(): value for key, value in constants if isinstance(value, recipe.Config)}
    return {"default": recipe.Config(), **found}


def run(
    name: str, config: Any, out: Path | None = None, resume: bool = False, seeds: int = 1
) -> tuple[dict[str, Any], Path]:
    """Train a recipe and measure it, once per seed; seeds that are done are not done again.

    Args:
        name: of the recipe.
        config: its Config; with several seeds the first one is `config.seed`.
        out: the run folder; `runs/<name>-<time>` unless given.
        resume: go on with the run in `out`, or with the newest of this recipe.
        seeds: how many.

    Returns:
        The metrics (with several seeds each number is {mean, sd, values}) and the folder.

    Raises:
        ValueError: `seeds` is below 1, the folder is not empty, or is not one to resume.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    recipe, kind = module(name), Path(name).name
    if seeds < 1:
        raise ValueError(f"swiftrnn run needs at least one seed; got --seeds {seeds}; give more")
    if resume:
        out = out or folder.newest(kind)
        saved = folder.read_json(out / "config.json", needs=("recipe", "config"))
        _same_recipe(name, saved["recipe"], out)
        config = folder.restore(config, saved["config"], f"swiftrnn run {name} --resume")
        with folder.held(out) if folder.leads() else contextlib.nullcontext():
            return _all_seeds(recipe, name, config, out, seeds), out
    with folder.new(out, kind) as out:
        folder.write_json(out / "config.json", _described(name, config))
        return _all_seeds(recipe, name, config, out, seeds), out


def _all_seeds(recipe: Any, name: str, config: Any, out: Path, seeds: int) -> dict[str, Any]:
    again = f"swiftrnn run {name} --resume --out {out}" + f" --seeds {seeds}" * (seeds > 1)
    results = []
    try:
        for seed in range(config.seed, config.seed + seeds):
            here = out / f"seed-{seed}" if seeds > 1 else out
            results.append(_once(recipe, name, dataclasses.replace(config, seed=seed), here))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with {again}") from None
    _part_from_others()
    if seeds == 1:
        return results[0]
    metrics = spread(results)
    folder.write_json(out / "metrics.json", metrics)
    return metrics


def _part_from_others() -> None:
    """Where processes trained together, end together: gloo aborts one whose partner is gone."""
    distributed: Any = sys.modules.get("torch.distributed")  # nothing loads torch for this
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def _same_recipe(name: str, saved: str, out: Path) -> None:
    if saved != name:
        raise ValueError(
            f"swiftrnn run {name} --resume needs a run of {name}; got {out}, a run of {saved}; "
            f"use swiftrnn run {saved} --resume"
        )


def _described(name: str, config: Any) -> dict[str, Any]:
    return {"recipe": name, "config": dataclasses.asdict(config), "swiftrnn": __version__}


def _once(recipe: Any, name: str, config: Any, out: Path) -> dict[str, Any]:
    if (out / "metrics.json").is_file():  # done before the interruption
        return folder.read_json(out / "metrics.json")
    out.mkdir(exist_ok=True)
    with folder.held(out):
        folder.write_json(out / "config.json", _described(name, config))
        metrics = recipe.run(config, out)
        if not (out / "metrics.json").exists():  # a recipe may have written more than it returns
            folder.write_json(out / "metrics.json", metrics)
    return metrics


def spread(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and sample standard deviation of every number that all of at least two results have.

    Example:
        >>> spread([{"loss": 1.0}, {"loss": 3.0}])["loss"]["mean"]
        2.0
    """
    found = {}
    for key, first in results[0].items():
        if isinstance(first, int | float) and all(key in result for result in results):
            values = [result[key] for result in results]
            mean, sd = statistics.fmean(values), statistics.stdev(values)
            found[key] = {"mean": mean, "sd": sd if math.isfinite(sd) else None, "values": values}
    return found


def check_recordable(name: str) -> None:
    """Refuse `--record` where results.json would go into an installed package.

    Raises:
        ValueError: this is no source checkout, or the recipe is no part of it.
    """
    checkout = RECIPES.parents[2] / "pyproject.toml"
    if not checkout.is_file() or name not in names():
        raise ValueError(
            f"swiftrnn run --record needs a recipe of a source checkout; got {name} in {RECIPES}; "
            "clone the project and install it with pip install -e ."
        )


def record(
    name: str, config: Any, seeds: int, metrics: dict[str, Any], out: Path, preset: str = "default"
) -> Path:
    """Write the recipe's results.json, with the machine and the commit that gave them.

    Those of a preset lie beside it, in results-PRESET.json.

    Where the recipe names a `PICTURE` of its run folder, that goes into the documentation; of
    several seeds, that of the first. Of many numbers it may name those for short tables, HEADLINE.

    Returns:
        The file.
    """
    from swiftrnn.machine import machine

    check_recordable(name)
    here, beside = machine(), "" if preset == "default" else f"-{preset}"
    path = RECIPES / name / f"results{beside}.json"
    content = {
        "config": dataclasses.asdict(config),
        "metrics": metrics,
        "claims": getattr(module(name), "CLAIMS", {}),
        "baseline": {key: value for key, value in metrics.items() if "baseline" in key},
        "control": {key: value for key, value in metrics.items() if "control" in key},
        "headline": list(getattr(module(name), "HEADLINE", metrics)),
        "seeds": seeds,
        "seconds": metrics.get("seconds"),
        "machine": here,
        "torch": here["torch"],
        "commit": here["commit"],
    }
    folder.write_json(path, content, checked=False)  # people edit it
    if picture := getattr(module(name), "PICTURE", None):
        here_lies = (out / f"seed-{config.seed}" if seeds > 1 else out) / picture
        with folder.whole(PICTURES / f"{name}{beside}.png") as part:
            shutil.copyfile(here_lies, part)
    return path


def copy(name: str, target: Path) -> None:
    """Copy a recipe's folder; its own imports then name the copy.

    Raises:
        ValueError: there is no such recipe, or `target` exists or cannot be a package's name.
        OSError: it cannot be written.
    """
    if name not in names():
        module(name)  # says which there are
    package = target.resolve().name
    if not package.isidentifier():
        raise ValueError(
            f"swiftrnn copy needs a DIR that can be imported; got {package!r}; "
            "use letters, digits and _ only"
        )
    if target.exists():
        raise ValueError(
            f"swiftrnn copy needs a new DIR; got {target}, which exists; choose another name"
        )
    ignored = shutil.ignore_patterns("__pycache__", "results*.json")
    shutil.copytree(RECIPES / name, target, ignore=ignored)
    for path in target.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(f"swiftrnn.recipes.{name}", package), encoding="utf-8")
