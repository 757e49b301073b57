"""Reading what was trained: a run folder becomes a model, and nothing in the folder can run."""

import math
import typing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from swiftrnn import recipes
from swiftrnn.training import folder, weights
from swiftrnn.training.files import fits

RECIPES = Path(recipes.__file__).parent


@dataclass(frozen=True)
class Trained:
    """A model that was read back, its recipe, and what it was trained with."""

    folder: Path
    recipe: Any
    config: Any
    model: Any

    @property
    def name(self) -> str:
        """Of the recipe."""
        return _name(self.recipe)


def load(run: Path) -> Trained:
    """Read a run folder; of a comparison, its best layer.

    Args:
        run: a run folder, or the folder of one layer in that of a comparison.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: a file of it was cut short or changed, or the comparison is not complete.
    """
    if not run.is_dir():
        raise FileNotFoundError(
            f"swiftrnn predict needs a run folder; got {run}, "
            f"{'a file' if run.exists() else 'which does not exist'}; "
            "give the folder that a run printed, such as runs/compare-<time>"
        )
    if "compare" in folder.read_json(run / "config.json"):
        run = _best(run)
    recipe, config = recipe_of(run), config_of(run)
    return Trained(run, recipe, config, recipe.load(config, run))


def _best(run: Path) -> Path:
    if not (run / "metrics.json").exists():
        done = sorted(path.parent.name for path in run.glob("*/model.safetensors"))
        raise ValueError(
            f"swiftrnn predict needs a complete comparison; got {run}, which was interrupted; "
            f"go on with swiftrnn compare --resume --out {run}"
            + (f", or give {run / done[0]}" if done else "")
        )
    best = folder.read_json(run / "metrics.json", needs=("best",))["best"]
    if best not in [path.name for path in run.iterdir() if path.is_dir()]:
        raise ValueError(
            f"metrics.json needs the best layer's name; got {best!r} in {run}; "
            "it was changed, so give the folder of a layer"
        )
    return run / best


def usable() -> list[str]:
    """The recipes whose runs can be used: those with a `predict`."""
    found = (path for path in RECIPES.glob("*/__init__.py") if "predict" in path.read_text("utf-8"))
    return sorted(path.parent.name for path in found)


def recipe_of(run: Path) -> Any:
    """The recipe that a run folder's config.json names.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: it was cut short, or its recipe has nothing to predict.
    """
    name = folder.read_json(run / "config.json", needs=("recipe", "config"))["recipe"]
    if name not in usable():
        raise ValueError(
            f"swiftrnn predict needs a run of {', '.join(usable())}; got one of {name!r} "
            f"in {run}; give another run"
        )
    return import_module(f"swiftrnn.recipes.{name}")


def config_of(run: Path) -> Any:
    """The settings in a run folder's config.json, each of its right type.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: it was cut short or changed, or is of another version.
    """
    recipe, path = recipe_of(run), run / "config.json"
    values, wanted = folder.read_json(path)["config"], typing.get_type_hints(recipe.Config)
    if isinstance(values, dict):  # what older versions did not have is at its default
        values = {n: getattr(recipe.Config, n) for n in getattr(recipe, "ADDED", ())} | values
    if not isinstance(values, dict) or values.keys() != wanted.keys():
        odd = sorted(set(values) ^ set(wanted)) if isinstance(values, dict) else [str(values)]
        raise ValueError(
            f"config.json needs the settings of {_name(recipe)}; got {', '.join(odd)} missing or "
            f"unknown in {path}; it was changed or is of another version, so train again"
        )
    for name, value in values.items():
        if not fits(value, wanted[name]):
            raise ValueError(
                f"config.json needs a {name} of the kind that was trained; got {value!r} "
                f"in {path}; it was changed, so train again"
            )
    paths = {name for name, kind in wanted.items() if Path in (kind, *typing.get_args(kind))}
    given = {n: Path(v) if n in paths and v is not None else v for n, v in values.items()}
    try:
        config = recipe.Config(**given)
    except ValueError as error:
        raise ValueError(
            f"config.json needs settings that can be trained; got {path}, where {error}; "
            "it was changed, so train again"
        ) from None
    if (run / recipe.WEIGHTS).exists():  # a run that has begun has none yet
        _check_sizes(recipe, config, run)
    return config


def _check_sizes(recipe: Any, config: Any, run: Path) -> None:
    """Refuse what is far too large for the weights, before time or memory are asked for it."""
    shapes = weights.shapes(run / recipe.WEIGHTS).values()
    most = max(1 << 24, sum(math.prod(shape) for shape in shapes))  # unused ones may be larger
    for name in recipe.SIZES:
        limit = len(shapes) if "depth" in name else most  # a layer has a tensor of its own
        if not 0 <= getattr(config, name) <= limit:
            raise ValueError(
                f"config.json needs a {name} that can be trained; got {getattr(config, name)} in "
                f"{run}, where {recipe.WEIGHTS} has {len(shapes)} tensors; "
                "it was changed, so train again"
            )


def _name(recipe: Any) -> str:
    return recipe.__name__.rpartition(".")[2]
