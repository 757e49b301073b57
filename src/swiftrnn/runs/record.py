"""Results that are kept with the code: written by `run --record`, read by lists and documents."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from swiftrnn.runs import claims, files, folder, machine, results
from swiftrnn.runs.claims import Verdict
from swiftrnn.runs.run import Done

CHECKOUT = Path(__file__).resolve().parents[3]  # where this file lies in a source checkout
PICTURES = CHECKOUT / "docs" / "pictures"


Judge = Callable[[list[dict[str, float]]], Sequence[Verdict]]


class Recorded(Protocol):
    """What results are of: a recipe, as `recipes.find` gives it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def folder(self) -> Path:
        """Where its code lies."""
        ...


def check(recipe: Path, code: Path | None) -> None:
    """Refuse `--record` where results would be written into an installed package, or be nobody's.

    Args:
        recipe: the recipe's folder.
        code: the same for a recipe that is no part of swiftrnn.

    Raises:
        ValueError: this is no source checkout, the recipe is no part of it, or there are changes
            that are not committed.
    """
    if code is not None or not (CHECKOUT / "pyproject.toml").is_file():
        raise ValueError(
            f"swiftrnn run --record needs a recipe of a source checkout; got {recipe}; "
            "clone the project and install it with pip install -e ."
        )
    if machine.commit().endswith("+changes"):
        raise ValueError(
            f"swiftrnn run --record needs code that is committed; got {machine.commit()} in "
            f"{CHECKOUT}; commit your changes to src/, or record in a second checkout"
        )


def record(recipe: Recorded, done: Done, judge: Judge, join: bool = False) -> Path:
    """Write the recipe's results.json, with the machine and the commit that gave them.

    Those of a preset lie beside it, in results-PRESET.json. The picture of the first seed goes into
    the documentation.

    Args:
        recipe: whose results they are.
        done: the run.
        judge: the metrics of each seed to the verdicts of the recipe's claims.
        join: whether the seeds that were recorded before, of the same settings, are kept.

    Returns:
        The file.

    Raises:
        ValueError: a seed was trained by another commit, or cannot be joined.
    """
    here, seeds, config = machine.machine(), len(done.metrics), done.config
    parts = [done.out / f"seed-{config.seed + i}" if seeds > 1 else done.out for i in range(seeds)]
    for each in parts:
        began = folder.read_json(each / folder.CONFIG).get("commit", "")
        if began != here["commit"]:
            raise ValueError(
                f"swiftrnn run --record needs all seeds of one commit; got {each}, trained by "
                f"{began or 'an unknown one'}, and {here['commit']} now; train it again"
            )
    path = results_of(recipe.folder, done.preset)
    settings = _plain(config)
    old = before(path, settings) if join else {}
    metrics = [*(claims.per_seed(old["metrics"], old["seeds"]) if old else ()), *done.metrics]
    found = results.spread(metrics) if len(metrics) > 1 else dict(metrics[0])
    known = old["commit"].split(", ") if old else []
    part = {"seeds": seeds, "commit": here["commit"], "machine": here}
    content = {
        "config": old.get("config", settings),
        "metrics": found,
        "verdicts": [dataclasses.asdict(each) for each in judge(metrics)],
        "seeds": len(metrics),
        "seconds": found.get("seconds"),
        "machine": here,
        "torch": here["torch"],
        "commit": ", ".join(dict.fromkeys([*known, str(here["commit"])])),
    }
    if old:
        content["parts"] = [*parts_of(old), part]
    files.write_json(path, content, checked=False)  # people read it
    if old:
        return path
    beside = path.stem.removeprefix("results")
    if picture := folder.read_json(parts[0] / folder.METRICS).get("picture"):
        with files.whole(PICTURES / f"{recipe.name}{beside}.png") as part:
            shutil.copyfile(parts[0] / picture, part)
    return path


def results_of(recipe: Path, preset: str | None) -> Path:
    """The file of the results of a preset."""
    return recipe / f"results{'' if preset is None else f'-{preset}'}.json"


def check_join(recipe: Path, config: Any, preset: str | None) -> None:
    """Refuse a seed that cannot be joined to those recorded, before it is trained.

    Raises:
        ValueError: it cannot.
    """
    settings = _plain(config)
    before(results_of(recipe, preset), settings)


def before(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What was recorded, to join the next seeds to it.

    Raises:
        ValueError: there is nothing, it has other settings, or other seeds come next.
    """
    if not path.is_file():
        raise ValueError(
            f"swiftrnn run --join needs recorded results to join; got no {path}; leave out --join"
        )
    old = json.loads(path.read_text("utf-8"))
    following = old["config"]["seed"] + old["seeds"]
    others = [k for k, v in settings.items() if k != "seed" and old["config"].get(k) != v]
    if others or settings["seed"] != following:
        got = f"other {', '.join(others)}" if others else f"--seed {settings['seed']}"
        raise ValueError(
            f"swiftrnn run --join needs the settings that were recorded, and --seed {following}; "
            f"got {got} for {path.name}; record without --join, or change what differs"
        )
    return old


def _plain(config: Any) -> dict[str, Any]:
    """Settings as JSON has them."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def parts_of(old: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where each part of recorded seeds comes from."""
    one = {name: old[name] for name in ("seeds", "commit", "machine")}
    return old.get("parts", [one])


def recorded(recipe: Path) -> list[tuple[str | None, dict[str, Any]]]:
    """The results that lie in a recipe's folder, with the preset that each is of."""
    return [
        (path.stem.removeprefix("results")[1:] or None, json.loads(path.read_text("utf-8")))
        for path in sorted(recipe.glob("results*.json"), key=lambda path: path.stem)
    ]


def verdicts(content: Mapping[str, Any]) -> list[Verdict]:
    """The verdicts of recorded results, as they were written."""
    return [Verdict(**{**v, "values": tuple(v["values"])}) for v in content["verdicts"]]


def summary(recipe: Path) -> list[Verdict]:
    """One verdict for each claim of a recipe; with several presets, seen only where all see it."""
    order, found = (claims.NOT_TESTED, claims.SEEN, claims.NOT_SEEN), {}
    for each in (v for _, content in recorded(recipe) for v in verdicts(content)):
        key = each.says, each.where
        found[key] = max(found.get(key, each), each, key=lambda v: order.index(v.verdict))
    return list(found.values())


def judged(
    content: Mapping[str, Any], of: Sequence[claims.Claim], preset: str | None
) -> dict[str, Any]:
    """Recorded results with verdicts of these claims, which may have been reworded since."""
    metrics = claims.per_seed(content["metrics"], content["seeds"])
    found = [dataclasses.asdict(each) for each in claims.judge(of, metrics, preset)]
    order = ("config", "metrics", "verdicts", "seeds", "seconds", "machine", "torch", "commit",
             "parts")  # fmt: skip
    values = {**content, "verdicts": json.loads(json.dumps(found))}
    return {key: values[key] for key in order if key in values}
