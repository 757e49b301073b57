"""`swiftrnn sweep`: a recipe at every point of a grid of its settings."""

import contextlib
import dataclasses
import functools
import json
import math
import shlex
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction

from swiftrnn import recipes
from swiftrnn.commands.parsing import HELP, UsageError, about, of_recipe, parse
from swiftrnn.recipes import Found
from swiftrnn.runs import children, folder, limits, machine, settings
from swiftrnn.runs import run as runs
from swiftrnn.runs.results import spread
from swiftrnn.training.sweep.axes import axes

SHOWN = 20  # lines of the table; all are in sweep.json


@dataclass(frozen=True)
class Sweep(limits.Checked):
    """Train a recipe at every point of a grid, with any number of processes and machines.

    Prints the best points, and writes all of them to sweep.json. A point whose process was
    killed is trained again; one that diverges is reported. The recipe's settings are options
    too, and hold at all points: `swiftrnn sweep RECIPE --help` lists them.
    """

    grid: UseAppendAction[tuple[str, ...]] = ()
    """FIELD=VALUE,VALUE,... or FIELD=FIRST..LAST:lin:COUNT or :log:COUNT; once for each axis"""
    metric: str | None = None  # metric to compare points by; one that the recipe reports
    maximize: bool = False  # higher values of --metric are better
    seeds: limits.Count = 1  # seeds at each point, from --seed upwards
    # worker processes; other machines can join with the same --storage
    workers: limits.Processes = 1
    # URL of a database shared between machines; default: SQLite in --out
    storage: str | None = None
    # name of the study in --storage; default: the name of --out
    study: Annotated[str | None, limits.With("storage")] = None
    preset: str = "default"  # settings of the recipe to start from
    out: Path | None = None  # folder of the sweep; default: runs/sweep-<recipe>-<time>
    resume: bool = False  # continue the sweep in --out, or the recipe's newest


OPTIONS = Sweep
EXAMPLES = (
    "swiftrnn sweep language_model --grid layer=sru,lstm --metric bits_per_byte",
    "swiftrnn sweep language_model --grid learning_rate=1e-4..1e-1:log:6 --grid depth=1,2 "
    "--metric bits_per_byte --seeds 3 --workers 2 --out runs/rates",
    "swiftrnn sweep language_model --resume --out runs/rates",
    "swiftrnn sweep ner_crf --grid dropout=0..0.8:lin:5 --metric f1 --maximize "
    "--storage postgresql+psycopg://me@host/base --study dropout",
)


def main(words: list[str]) -> None:
    """Run the command."""
    if not words or words[0].startswith("-"):
        if HELP & set(words):
            parse(Sweep, "swiftrnn sweep RECIPE", about(Sweep, EXAMPLES), words)
        raise UsageError("swiftrnn sweep needs a recipe first; got none; swiftrnn list shows all")
    needed = "lightning", "optuna", "matplotlib", "jinja2"
    folder.needs_extra("swiftrnn sweep", "train,sweep,report", *needed)
    recipe = recipes.find(words[0])
    how, config = of_recipe(f"swiftrnn sweep {recipe.typed}", Sweep, recipe, words[1:])
    recipes.trust(recipe)
    sweep(recipe, config, how)


@dataclass(frozen=True)
class Began:
    """What a sweep began with, and goes on with; the storage without its password."""

    grid: tuple[str, ...] = ()
    metric: str | None = None
    maximize: bool = False
    seeds: int = 1
    storage: str | None = None
    study: str | None = None


@dataclass(frozen=True)
class Trial:
    """A recipe and its settings, on the way to another process, which knows no Config yet."""

    recipe: str
    config: dict[str, Any]

    def __call__(self, point: dict[str, Any], out: Path) -> dict[str, float]:
        """Train and measure at a point; numbers only."""
        recipe = _found(self.recipe)
        config = settings.read(recipe.parts.Config, self.config | point, out / folder.CONFIG)
        if "torch" in sys.modules:
            machine.keep_pages()
        return runs.once(recipe, config, out)


_found = functools.cache(recipes.find)


def sweep(recipe: Found, config: Any, how: Sweep) -> Path:
    """Train and measure a recipe at every point of a grid, and print the best points.

    Args:
        recipe: what is trained.
        config: what is the same at all points.
        how: the grid and all else; see `Sweep`.

    Returns:
        The folder, which holds sweep.json.

    Raises:
        ValueError: the grid, the metric or the folder does not fit, or every trial failed.
        OSError: the folder or the database cannot be used, or the workers died.
        ModuleNotFoundError: an extra or the driver of the database is missing.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    from swiftrnn.training.sweep import failed, finished, study, team, work

    began, config, out = _begin(recipe, config, how)
    grid = axes(began.grid, type(config))
    seeds = [] if "seed" in grid else [*range(config.seed, config.seed + began.seeds)]
    full = {**grid, "seed": seeds} if seeds else grid
    where = how.storage or began.storage or out / "study.db", began.study or out.name
    fixed = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    same = {key: value for key, value in dataclasses.asdict(config).items() if key not in full}
    told = {"recipe": recipe.name, **same}
    task = functools.partial(work, Trial(recipe.typed, fixed), full, *where, out=out)
    task = functools.partial(task, metric=began.metric, maximize=began.maximize, about=told)
    again = f"go on with swiftrnn sweep {recipe.typed} --resume --out {shlex.quote(str(out))}"
    again += " --storage URL" * ("***" in (began.storage or ""))
    try:
        with contextlib.closing(study.opened(*where, began.maximize)) as opened:
            opened.begin(full, began.metric, told)
            with children.stopped_by_signals():
                team.lead(opened, how.workers, task, out)
    except KeyboardInterrupt as stop:
        raise children.again(stop, f"what is done is kept; {again}") from None
    except (ValueError, OSError) as error:
        if any(out.glob("trial-*")):
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(f"{error}; {again}") from error
        if not how.resume:  # nothing began: leave nothing
            shutil.rmtree(out)
        raise
    rows = _rows(grid, finished(*where), began)
    _report(recipe.typed, began, rows, failed(*where), out, same)
    return out


def _begin(recipe: Found, config: Any, how: Sweep) -> tuple[Began, Any, Path]:
    """What is to be done, with what was saved where it goes on; nothing is written if it is bad."""
    from swiftrnn.training.sweep.study import checked_url

    who, kind = f"swiftrnn sweep {recipe.typed}", f"sweep-{recipe.name}"
    url = checked_url(how.storage)
    began = Began(how.grid, how.metric, how.maximize, how.seeds, url, how.study)
    if how.resume:
        out = how.out or folder.newest(kind)
        began, config = _saved(recipe, began, config, out, who)
        if "***" in (began.storage or "") and how.storage is None:
            raise ValueError(
                f"{who} --resume needs the password of {began.storage}; got no --storage, and "
                "passwords are not saved; give the URL again"
            )
    else:
        _check_grid(who, config, recipe.presets[how.preset], how)
        out = folder.create(how.out, kind)
        began = dataclasses.replace(began, study=how.study or out.name)
    about = {"recipe": recipe.name, **({"code": recipe.code} if recipe.code else {})}
    about |= {"config": dataclasses.asdict(config), "sweep": dataclasses.asdict(began)}
    folder.begin(out, about)
    return began, config, out


def _saved(recipe: Found, began: Began, config: Any, out: Path, who: str) -> tuple[Began, Any]:
    """What the sweep in a folder began with, and its settings."""
    path = out / folder.CONFIG
    saved = folder.read_json(path, needs=("recipe", "config"))
    if "sweep" not in saved or saved["recipe"] != recipe.name:
        verb = "sweep" if "sweep" in saved else "run"
        raise ValueError(
            f"{who} --resume needs a sweep of {recipe.name}; got {out}, a {verb} of "
            f"{saved['recipe']}; use swiftrnn {verb} {saved['recipe']} --resume"
        )
    kept = saved["sweep"]
    kept["metric"] = kept.get("metric") or began.metric
    config = settings.resumed(config, saved["config"], path, f"{who} --resume")
    return settings.resumed(began, kept, path, f"{who} --resume"), config


def _check_grid(who: str, config: Any, preset: Any, how: Sweep) -> None:
    if not how.grid:
        raise ValueError(f"{who} needs a grid; got none; give --grid FIELD=VALUE,VALUE")
    found = axes(how.grid, type(config))
    if "seed" in found and how.seeds > 1:
        raise ValueError(
            f"{who} needs seeds from one place; got --seeds {how.seeds} and --grid seed=...; "
            "leave one out"
        )
    for key in found:
        if getattr(config, key) != getattr(preset, key):
            option = f"--{key.replace('_', '-')}"
            raise ValueError(
                f"{who} needs each setting once; got {option} {getattr(config, key)} and "
                f"--grid {key}=...; leave one out"
            )


def _rows(
    grid: dict[str, list[Any]], found: list[tuple[dict[str, Any], dict[str, float]]], began: Began
) -> list[dict[str, Any]]:
    """The points with their metrics over all seeds, best first."""
    groups: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for point, metrics in found:
        groups.setdefault(tuple(point[key] for key in grid), []).append(metrics)
    rows = []
    for point, of_seeds in groups.items():
        values = [metrics[began.metric or ""] for metrics in of_seeds]
        first, *_ = of_seeds
        sound = {k for k in first if all(math.isfinite(m.get(k, math.nan)) for m in of_seeds)}
        kept = [{k: v for k, v in metrics.items() if k in sound} for metrics in of_seeds]
        rows.append(
            {
                "point": dict(zip(grid, point, strict=True)),
                "mean": statistics.fmean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "values": values,
                "metrics": kept[0] if len(kept) == 1 else spread(kept),
            }
        )
    return sorted(rows, key=lambda row: row["mean"], reverse=began.maximize)


def _report(
    name: str,
    began: Began,
    rows: list[dict[str, Any]],
    lost: list[tuple[dict[str, Any], str]],
    out: Path,
    same: dict[str, Any],
) -> None:
    from swiftrnn.report import sweep_page

    failures = [{"point": point, "why": why} for point, why in lost]
    how = {"recipe": name, "metric": began.metric, "maximize": began.maximize}
    content = {**how, "points": rows, "failed": failures}
    folder.write_json(out / "sweep.json", content)
    point, why = lost[0] if lost else ({}, "")
    where = ", ".join(f"{key} {_shown(value)}" for key, value in point.items())
    note = f"{len(lost)} failed, the first at {where} with {why}"
    if not rows:
        raise ValueError(
            f"swiftrnn sweep {name} needs a trial that ends well; got none: {note}; "
            "start over with other values"
        )
    sweep_page.write(content, same, began.seeds, _command(name, began), out)
    head = [*rows[0]["point"], f"{began.metric}, {'highest' if began.maximize else 'lowest'} first"]
    table = [head]
    for row in rows[:SHOWN]:
        score = _shown(row["mean"]) + ("" if row["sd"] is None else f" ± {row['sd']:.2g}")
        few = f" ({len(row['values'])} of {began.seeds} seeds)" * (len(row["values"]) < began.seeds)
        table.append([*map(_shown, row["point"].values()), score + few])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    if len(rows) > SHOWN:
        print(f"and {len(rows) - SHOWN} more in {out / 'sweep.json'}")
    if lost:
        print(f"\nOf {len(lost) + sum(len(row['values']) for row in rows)} trials, {note}")
    print(f"\nThe sweep is in {out}")


def _command(name: str, began: Began) -> str:
    """What to type for the same grid."""
    words = [f"swiftrnn sweep {name}", *(f"--grid {shlex.quote(each)}" for each in began.grid)]
    words += [f"--metric {began.metric}", *(["--maximize"] if began.maximize else [])]
    return " ".join([*words, *([f"--seeds {began.seeds}"] if began.seeds > 1 else [])])


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
