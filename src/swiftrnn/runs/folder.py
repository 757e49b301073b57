"""Run folders: made once, used by one process at a time, gone on with as they began."""

import contextlib
import dataclasses
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftrnn import __version__
from swiftrnn.runs.extras import needs_extra as needs_extra
from swiftrnn.runs.files import leads as leads
from swiftrnn.runs.files import number as number
from swiftrnn.runs.files import read_json as read_json
from swiftrnn.runs.files import whole as whole
from swiftrnn.runs.files import why
from swiftrnn.runs.files import write_json as write_json
from swiftrnn.runs.files import write_text as write_text
from swiftrnn.runs.lock import LOCK
from swiftrnn.runs.lock import held as held

CONFIG, METRICS = "config.json", "metrics.json"
VOCABULARY, WEIGHTS, REPORT = "vocabulary.json", "model.safetensors", "report.html"
MODEL = "model"  # in config.json: the settings of its model, where a run trains several
SETTINGS = (CONFIG, VOCABULARY)  # what a run writes before it begins
RUNS = Path("runs")  # where runs go unless told otherwise
PATIENCE = 300  # seconds, with the first of several processes
TOGETHER = "SWIFTRNN_RUN"  # tells the processes that the first one starts which folder it made


@dataclass(frozen=True)
class RunFolder:
    """Where a recipe trains, and whose run it is: recipes write no name and no settings themselves.

    Attributes:
        path: the folder.
        recipe: the name of the recipe, as it is found again.
        code: the folder of the recipe's code, where that is no part of swiftrnn.
        commit: of the code that trains; "" outside a checkout.
        preset: that its settings are of; None for the default.
        load: reads a run folder, of any recipe; None where nobody said how.
        settings: of the whole run, which may train more models than the one of this folder; None
            in the folder of a part.
    """

    path: Path
    recipe: str
    code: Path | None = None
    commit: str = ""
    preset: str | None = None
    load: Callable[[Path], Any] | None = None
    settings: Any = None

    def __truediv__(self, name: str) -> Path:
        """The path of something in it."""
        return self.path / name

    def part(self, name: str) -> "RunFolder":
        """A folder in it for one more model, such as the control."""
        return dataclasses.replace(self, path=self.path / name, settings=None)

    def trained(self, run: Path) -> Any:
        """What another run trained, as `swiftrnn.load` gives it: to compare with.

        Raises:
            FileNotFoundError, ValueError: there is no such run, or it cannot be used.
            RuntimeError: nobody said how to read one, as in a sweep.
        """
        if self.load is None:
            raise RuntimeError(f"{self.recipe} needs swiftrnn run to read {run}; got another way")
        return self.load(run)

    def begin(self, config: Any, vocabulary: Any = None) -> None:
        """Write what is trained: the settings, and the vocabulary where there is one.

        A run that trains several models keeps its own settings, and is resumed with them; those of
        the model in its folder are told beside them.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        told = {"code": self.code, "commit": self.commit, "preset": self.preset}
        about = {"recipe": self.recipe, **{name: each for name, each in told.items() if each}}
        whole = dataclasses.asdict(config if self.settings is None else self.settings)
        model = dataclasses.asdict(config)
        begin(self.path, about | {"config": whole} | ({MODEL: model} if model != whole else {}))
        if vocabulary is not None:
            write_json(self / VOCABULARY, vocabulary)


def settings_of(out: Path) -> Any:
    """The settings of the model in a folder, as `RunFolder.begin` wrote them.

    Raises:
        FileNotFoundError, ValueError: as `files.read_json`.
    """
    saved = read_json(out / CONFIG, ("config",))
    return saved.get(MODEL, saved["config"])


def begin(out: Path, content: Mapping[str, Any]) -> None:
    """Write config.json: what a run is of, and the version that made it."""
    write_json(out / CONFIG, {**content, "swiftrnn": __version__})


def end(out: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json, the last file of a run: with it, it is complete."""
    write_json(out / METRICS, dict(metrics))


@contextlib.contextmanager
def new(out: Path | None, kind: str, resumes: bool = True) -> Iterator[Path]:
    """Make a new run folder and hold it; where the run fails before it began, leave nothing.

    A run began once there is anything beside the settings and the vocabulary. What was interrupted
    by the user stays, so that it can go on.

    Args:
        out: as in `create`.
        kind: as there.
        resumes: as there.

    Yields:
        The folder.

    Raises:
        ValueError, TimeoutError, OSError: as `create` and `held`.
    """
    if not leads():
        yield create(out, kind, resumes)
        return
    wanted = out or RUNS / kind
    there = {each for each in (wanted, *wanted.parents) if each.exists()}
    out = create(out, kind, resumes)
    try:
        with held(out):
            _emptied(out, resumes)  # again: now nobody else writes to it
            try:
                yield out
            except Exception:
                _discard(out)
                raise
    except Exception:
        for each in (out, *out.parents):
            if each not in there:
                with contextlib.suppress(OSError):  # it holds something
                    each.rmdir()
        raise


def _discard(out: Path) -> None:
    """Remove what a run writes before it begins, unless it began."""
    files = [each for each in out.rglob("*") if not each.is_dir() and each.name != LOCK]
    if all(each.name in SETTINGS for each in files):
        for each in files:
            each.unlink()
        for each in sorted(out.rglob("*"), reverse=True):
            if each.is_dir():
                each.rmdir()


def create(out: Path | None, kind: str, resumes: bool = True) -> Path:
    """Make a new, empty run folder.

    Args:
        out: the folder; it may exist if it is empty. None takes `runs/<kind>-<time>`.
        kind: what runs: "compare" or the name of a recipe.
        resumes: whether the command has a --resume to name.

    Returns:
        The folder; in a process that does not lead, that of the first one, as it is.

    Raises:
        ValueError: there is something in the folder already; it is left as it is. Or several
            processes were started that cannot know which folder the first one makes.
        TimeoutError: the first of several processes did not make it.
        OSError: the folder cannot be made or written to.
    """
    if not leads():
        out = out or Path(os.environ.get(TOGETHER, ""))
        if out == Path():
            raise ValueError("processes that were started together need one --out; got none")
        return _made_by_the_first(out)
    try:
        out = _fresh(kind) if out is None else _emptied(out, resumes)
        with tempfile.TemporaryFile(dir=out):  # writable? the answer must come before the training
            pass
    except OSError as error:
        raise OSError(
            f"a run needs a folder that can be written to; got {out or RUNS} ({why(error)}); "
            "choose another --out"
        ) from error
    os.environ[TOGETHER] = str(out.absolute())
    return out


def _fresh(kind: str) -> Path:
    """A folder that no other process takes, however many start in one second."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    RUNS.mkdir(parents=True, exist_ok=True)
    for count in itertools.count(1):
        out = RUNS / (f"{kind}-{stamp}" + f"-{count}" * (count > 1))
        with contextlib.suppress(FileExistsError):
            out.mkdir()
            return out
    raise AssertionError


def _emptied(out: Path, resumes: bool) -> Path:
    """The folder that was asked for; one whose process was killed at once counts as empty."""
    if out.exists() and (not out.is_dir() or any(each.name != LOCK for each in out.iterdir())):
        raise ValueError(
            f"a new run needs an empty folder; got {out}, which holds something; "
            f"choose another --out{', or go on with it by --resume' if resumes else ''}"
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def _made_by_the_first(out: Path) -> Path:
    for _ in range(PATIENCE * 10):
        if (out / CONFIG).exists():
            return out
        time.sleep(0.1)
    raise TimeoutError(
        f"processes that train together need the first to begin; got nothing in {out} after "
        f"{PATIENCE} s; do all of them see the same disk?"
    )


def newest(kind: str) -> Path:
    """The newest `runs/<kind>-*`, for `--resume` without a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(RUNS.glob(f"{kind}-*/{CONFIG}"), key=lambda path: path.parent.name)
    if not found:
        raise FileNotFoundError(
            f"--resume needs a run to go on with; got no {RUNS / kind}-* here; "
            "name its folder with --out"
        )
    return found[-1].parent
