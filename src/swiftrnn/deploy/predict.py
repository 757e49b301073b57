"""Using what was trained: a run folder becomes a model, and nothing in the folder can run."""

import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from swiftrnn.recipes import language_model
from swiftrnn.recipes.language_model.model import LanguageModel
from swiftrnn.recipes.language_model.use import sample
from swiftrnn.training import folder

RECIPE = "language_model"  # the only one so far that can be used after its training


@dataclass(frozen=True)
class Trained:
    """A model that was read back, with what it was trained with."""

    folder: Path
    config: language_model.Config
    model: LanguageModel


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
    config = config_of(run)
    _check_size(config, run / language_model.WEIGHTS)
    return Trained(run, config, language_model.load(config, run))


def _check_size(config: language_model.Config, weights: Path) -> None:
    """Refuse settings that are far too large for the file before memory is asked for them."""
    # an embedding and a read-out of 256 bytes each, 4 bytes a weight; a fourth of that is enough
    size = weights.stat().st_size if weights.is_file() else None
    least = 2 * config.hidden * max(256, config.depth)
    if config.ngrams > 1:
        least = max(least, config.ngram_rows, config.ngrams)
    if size is not None and least > size:
        raise ValueError(
            f"{weights.name} needs to fit its config.json; got {size:,} bytes in {weights} for "
            f"hidden {config.hidden} and ngram_rows {config.ngram_rows}; one of them was cut short "
            "or changed, so train again"
        )


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


def config_of(run: Path) -> language_model.Config:
    """The settings in a run folder's config.json, each of its right type.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: it was cut short or changed, or is of another recipe.
    """
    path = run / "config.json"
    read = folder.read_json(path, needs=("recipe", "config"))
    if read["recipe"] != RECIPE:
        raise ValueError(
            f"swiftrnn predict needs a run of {RECIPE}; got one of {read['recipe']!r} in {run}; "
            "give another run"
        )
    values, wanted = read["config"], typing.get_type_hints(language_model.Config)
    if not isinstance(values, dict) or values.keys() != wanted.keys():
        odd = sorted(set(values) ^ set(wanted)) if isinstance(values, dict) else [str(values)]
        raise ValueError(
            f"config.json needs the settings of {RECIPE}; got {', '.join(odd)} missing or unknown "
            f"in {path}; it was changed or is of another version, so train again"
        )
    for name, value in values.items():
        if not _fits(value, wanted[name]):
            raise ValueError(
                f"config.json needs a {name} of the kind that was trained; got {value!r} "
                f"in {path}; it was changed, so train again"
            )
    for name in ("hidden", "depth", "ngrams", "ngram_rows"):
        if values[name] < 1 or (name == "ngram_rows" and values[name].bit_count() > 1):
            raise ValueError(
                f"config.json needs a {name} that can be trained; got {values[name]} in {path}; "
                "it was changed, so train again"
            )
    text = values["text"]
    return language_model.Config(**{**values, "text": None if text is None else Path(text)})


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of a dataclass field's type."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value in inside
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in inside)
    if kind is Path:
        return isinstance(value, str)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


@torch.no_grad()
def continue_text(
    trained: Trained,
    text: str,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int = 0,
    seed: int = 0,
) -> str:
    """Continue a text with a language model.

    Args:
        trained: what `load` gave.
        text: what to begin with; it may be empty.
        length: how many bytes (or words) to add.
        temperature: below 1 plays safe, above 1 is wild; 0 always takes the likeliest.
        top_k: draw from the k likeliest only; 0 draws from all.
        seed: the same seed gives the same text.

    Returns:
        What was added; bytes that are no UTF-8 become replacement characters.

    Raises:
        ValueError: `length`, `temperature` or `top_k` is negative.
    """
    words = trained.model.vocabulary
    prompt = words.encode(text.encode("utf-8", "surrogateescape"))
    added = sample(trained.model, prompt, length, temperature, top_k, seed)
    return words.decode(added)


def width_of(trained: Trained) -> int:
    """How wide the layer is: not the setting, which is the width of SRU at equal size."""
    return trained.model.embedding.embedding_dim


def parameters_of(trained: Trained) -> int:
    """How many trainable parameters the model has."""
    return sum(each.numel() for each in trained.model.parameters() if each.requires_grad)
