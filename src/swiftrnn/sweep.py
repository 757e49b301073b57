"""`swiftrnn sweep`: trains a recipe at every point of a grid of its settings.

`swiftrnn.training.sweep` has the study and its workers; here are the folder that goes on, the
processes that workers run in, and the table at the end.
"""

import contextlib
import dataclasses
import functools
import math
import multiprocessing
import multiprocessing.connection
import os
import re
import shlex
import shutil
import signal
import statistics
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from swiftrnn import __version__, run
from swiftrnn.options import Sweep, axes
from swiftrnn.training import children, folder
from swiftrnn.training import sweep as training
from swiftrnn.training.progress import Progress

SHOWN = 20  # lines of the table; all are in sweep.json
PATIENCE = 60  # seconds an interrupted worker gets to write its checkpoint
EVERY = 1.0  # seconds between two looks at the study, for the progress line


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
        recipe = _module(self.recipe)
        paths = {each.name for each in fields(recipe.Config) if "Path" in str(each.type)}
        typed = {k: Path(v) if k in paths and v is not None else v for k, v in point.items()}
        if "torch" in sys.modules:
            from swiftrnn.machine import keep_pages

            keep_pages()
        config = recipe.Config(**{**self.config, **typed})
        metrics = run._once(recipe, self.recipe, config, out)
        return {k: v for k, v in metrics.items() if type(v) in (int, float)}


_module = functools.cache(run.module)


def sweep(name: str, config: Any, how: Sweep) -> Path:
    """Train and measure a recipe at every point of a grid, and print the best points.

    Args:
        name: of the recipe.
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
    began, config, out = _begin(name, config, how)
    grid = axes(began.grid, type(config))
    seeds = [] if "seed" in grid else [*range(config.seed, config.seed + began.seeds)]
    full = {**grid, "seed": seeds} if seeds else grid
    storage, study = how.storage or began.storage or out / "study.db", began.study or out.name
    settings = dataclasses.asdict(config)
    same = {key: value for key, value in settings.items() if key not in full}
    about = {"recipe": Path(name).name, **same}
    task = functools.partial(training.work, Trial(name, settings), full, storage, study, out=out)
    task = functools.partial(task, metric=began.metric, maximize=began.maximize, about=about)
    again = f"go on with swiftrnn sweep {name} --resume --out {shlex.quote(str(out))}"
    again += " --storage URL" * ("***" in (began.storage or ""))
    try:
        with contextlib.closing(_study(storage, study, began.maximize)) as opened:
            opened.begin(full, began.metric, about)
            with children.stopped_by_signals():
                _lead(opened, how.workers, task, out)
    except KeyboardInterrupt as stop:
        raise children.again(stop, f"what is done is kept; {again}") from None
    except (ValueError, OSError) as error:
        if any(out.glob("trial-*")):
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(f"{error}; {again}") from error
        if not how.resume:  # nothing began: leave nothing
            shutil.rmtree(out)
        raise
    rows = _rows(grid, training.finished(storage, study), began)
    _report(name, began, rows, training.failed(storage, study), out)
    return out


def _begin(name: str, config: Any, how: Sweep) -> tuple[Began, Any, Path]:
    """What is to be done, with what was saved where it goes on; nothing is written if it is bad."""
    who, kind = f"swiftrnn sweep {name}", f"sweep-{Path(name).name}"
    for option in ("seeds", "workers"):
        if getattr(how, option) < 1:
            raise ValueError(
                f"{who} needs --{option} from 1 up; got {getattr(how, option)}; give more"
            )
    began = Began(how.grid, how.metric, how.maximize, how.seeds, _checked(how.storage), how.study)
    if how.resume:
        out = how.out or folder.newest(kind)
        saved = folder.read_json(out / "config.json", needs=("recipe", "config"))
        if "sweep" not in saved or saved["recipe"] != name:
            verb = "sweep" if "sweep" in saved else "run"
            raise ValueError(
                f"{who} --resume needs a sweep of {name}; got {out}, a {verb} of "
                f"{saved['recipe']}; use swiftrnn {verb} {saved['recipe']} --resume"
            )
        kept = saved["sweep"]
        kept["metric"] = kept.get("metric") or how.metric
        config = folder.restore(config, saved["config"], f"{who} --resume")
        began = folder.restore(began, kept, f"{who} --resume")
        if "***" in (began.storage or "") and how.storage is None:
            raise ValueError(
                f"{who} --resume needs the password of {began.storage}; got no --storage, and "
                "passwords are not saved; give the URL again"
            )
    else:
        recipe = run.module(name)
        _check_grid(who, config, run.presets(recipe)[how.preset], how)
        out = folder.create(how.out, kind)
        metric = how.metric or getattr(recipe, "METRIC", None)
        began = dataclasses.replace(began, metric=metric, study=how.study or out.name)
    described = {"recipe": name, "config": dataclasses.asdict(config), "swiftrnn": __version__}
    folder.write_json(out / "config.json", {**described, "sweep": dataclasses.asdict(began)})
    return began, config, out


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


def _checked(storage: str | None) -> str | None:
    """The URL without its password, if it can be that of a database."""
    if storage is None:
        return None
    import sqlalchemy.exc

    shown = re.sub(r"//.*@", "//***@", storage)
    try:
        url = sqlalchemy.make_url(storage)
        url.get_dialect().import_dbapi()
    except sqlalchemy.exc.ArgumentError:
        raise ValueError(
            f"--storage needs the URL of a database; got {shown}; write it like "
            "sqlite:///study.db or postgresql+psycopg://user@host/base"
        ) from None
    except ImportError as error:
        raise ValueError(
            f"--storage needs the driver of its database; got {shown}, and {error.name} is "
            "missing; install it, or name another, as in postgresql+psycopg"
        ) from None
    file = url.database if url.get_backend_name() == "sqlite" else "/"
    if file in (None, "", ":memory:") or not Path(file).parent.is_dir():
        raise ValueError(
            f"--storage needs a file in a folder that is there; got {shown}; make the folder, "
            "or leave --storage out"
        )
    return url.render_as_string()


def _study(storage: str | Path, name: str, maximize: bool) -> training.Study:
    try:
        return training.Study(storage, name, maximize)
    except RuntimeError as error:  # what Optuna says of tables that another version made
        raise ValueError(
            f"a sweep needs a database of this Optuna; got one of another ({error}); "
            "upgrade it, or name a new one"
        ) from error


def _lead(study: training.Study, workers: int, task: Callable[..., Any], out: Path) -> None:
    """Start workers, show how far they all are, and wait until they end."""
    context, bar = multiprocessing.get_context("spawn"), Progress("sweep")
    threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
    staff: list[tuple[Any, Any]] = []
    try:
        for _ in study.trials("WAITING", "RUNNING")[:workers]:  # no more than there is work for
            ours, theirs = context.Pipe(duplex=False)
            staff.append(
                (context.Process(target=_employed, args=(task, out, threads, theirs)), ours)
            )
            staff[-1][0].start()
            theirs.close()
        while alive := [process for process, _ in staff if process.is_alive()]:
            study.draw(bar)
            multiprocessing.connection.wait([process.sentinel for process in alive], EVERY)
            if any(process.exitcode == 2 for process, _ in staff):  # the others would say the same
                break
        study.draw(bar)
    finally:
        bar.close()
        _dismiss([process for process, _ in staff if process.is_alive()])
    for _, pipe in staff:
        with contextlib.suppress(EOFError):  # it said nothing
            raise ValueError(pipe.recv())
    if study.trials("WAITING", "RUNNING"):
        ends = ", ".join(str(process.exitcode) for process, _ in staff)
        killed = ", killed, often for lack of memory" * ("-9" in ends)
        raise OSError(
            f"a sweep needs workers that end well; got exit status {ends}{killed}; "
            f"look at {out}/worker-*.log"
        )


def _dismiss(staff: list[Any]) -> None:
    """Let workers save what they have, and put their trials back."""
    for process in staff:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
    for process in staff:
        process.join(PATIENCE)
        process.kill()
        process.join()


def _employed(task: Callable[..., Any], out: Path, threads: int | None, pipe: Any) -> None:
    """The life of a worker: what it prints goes to its log, Ctrl-C comes from its parent, once.

    The terminal sends Ctrl-C to its whole group; a second one would end a trial before it has
    saved, so a worker leaves that group.
    """
    children.end_with_starter()
    if os.name == "posix":
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before torch is loaded
    with (out / f"worker-{os.getpid()}.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        task(progress=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        traceback.print_exc()
        pipe.send(" ".join(str(error).split()))
        sys.exit(2)


def _rows(
    grid: dict[str, list[Any]], found: list[tuple[dict[str, Any], dict[str, float]]], began: Began
) -> list[dict[str, Any]]:
    """The points with their metrics over all seeds, best first."""
    groups: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for point, metrics in found:
        groups.setdefault(tuple(point[key] for key in grid), []).append(metrics)
    rows = []
    for point, results in groups.items():
        values = [metrics[began.metric or ""] for metrics in results]
        sound = {k for k in results[0] if all(math.isfinite(r.get(k, math.nan)) for r in results)}
        kept = [{k: v for k, v in metrics.items() if k in sound} for metrics in results]
        rows.append(
            {
                "point": dict(zip(grid, point, strict=True)),
                "mean": statistics.fmean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "values": values,
                "metrics": kept[0] if len(kept) == 1 else run.spread(kept),
            }
        )
    return sorted(rows, key=lambda row: row["mean"], reverse=began.maximize)


def _report(
    name: str,
    began: Began,
    rows: list[dict[str, Any]],
    lost: list[tuple[dict[str, Any], str]],
    out: Path,
) -> None:
    failures = [{"point": point, "why": why} for point, why in lost]
    how = {"recipe": name, "metric": began.metric, "maximize": began.maximize}
    folder.write_json(out / "sweep.json", {**how, "points": rows, "failed": failures})
    point, why = lost[0] if lost else ({}, "")
    where = ", ".join(f"{key} {_shown(value)}" for key, value in point.items())
    note = f"{len(lost)} failed, the first at {where} with {why}"
    if not rows:
        raise ValueError(
            f"swiftrnn sweep {name} needs a trial that ends well; got none: {note}; "
            "start anew with other values"
        )
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


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
