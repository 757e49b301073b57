"""Training the layers of a comparison, in the process that `python -m swiftrnn.compare` is.

One process loads torch and Lightning, which takes seconds, and each layer then trains in a fork of
it: a process of its own whose peak memory is its own. That process has not computed anything, so
that no thread pool is lost by the fork. Where forks are not safe, each layer loads them itself.
"""

import contextlib
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from swiftrnn.compare import KIND, TUNED, read
from swiftrnn.data.text import Text
from swiftrnn.deploy.trained import config_of
from swiftrnn.recipes import language_model
from swiftrnn.recipes.language_model.sizes import width_for
from swiftrnn.runs import children, folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.machine import keep_pages

FORKS = sys.platform == "linux"
RECIPE = "language_model"
REFUSED, INTERRUPTED = 2, 130  # exit statuses


def plan(out: Path) -> list[Path]:
    """The folders of the layers that are not done, each with its config.json.

    Raises:
        ValueError: a layer has no width at which it is as large as the others.
    """
    options = folder.read_json(out / folder.CONFIG, needs=(KIND,))[KIND]
    shared = {each.name for each in fields(language_model.Config)}
    values = {key: value for key, value in options.items() if key in shared}
    todo = [
        out / layer for layer in options["layers"] if not (out / layer / folder.METRICS).exists()
    ]
    for path in todo:
        for name, own in asdict(TUNED[path.name]).items():
            values[name] = own if options[name] in (0, "own") else options[name]
        config = language_model.Config(**values, layer=path.name)  # pyright: ignore
        sru_depth = options["depth"] or TUNED["sru"].depth
        config = replace(config, width=width_for(config, sru_depth=sru_depth))
        RunFolder(path, RECIPE).begin(config)
    return todo


def train(out: Path, text: Text) -> None:
    """Train what `config.json` in `out` says, going on from its last checkpoint.

    Writes `model.safetensors` and, last, `metrics.json`, which marks the layer as done.

    Raises:
        ValueError: a setting or the text does not fit, or no checkpoint is whole.
        OSError: the folder cannot be written to, or another process trains in it.
        FloatingPointError: training diverged.
        KeyboardInterrupt: it was interrupted; a checkpoint was written.
    """
    with folder.held(out):  # a process that outlives its parent while it saves keeps others out
        here = RunFolder(out, RECIPE)
        fitted = language_model.train(config_of(out), here, resume=True, text=text)
        folder.end(out, asdict(fitted))


def _status(action: Callable[[], object], name: str = "") -> int:
    """The exit status for what happened: 0, 2 after one line for bad input, 130 for Ctrl-C."""
    try:
        action()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {name}{' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED
    return 0


class _Stop:
    """Remembers that this process was told to stop, while a layer's process saves what it has.

    Ctrl-C reaches all of this process group. SIGTERM reaches this process only, so it is passed on,
    but once: a second one ends the layer's process before it has saved.
    """

    told, term, child = False, False, 0

    def __call__(self, number: int, _: Any) -> None:
        self.told = True
        if number == signal.SIGTERM and not self.term:
            self.term = True
            self.pass_on()

    def trains(self, child: int) -> None:
        """A layer's process has begun."""
        self.child = child
        if self.term:  # it came before the process was known
            self.pass_on()

    def pass_on(self) -> None:
        """Tell the layer's process, if there is one."""
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGTERM)


def main(out: Path) -> int:
    """Train all layers that are not done, one after the other; gives the exit status."""
    keep_pages()  # 10 to 15 % more updates: the next step finds its memory where this one left it
    if KIND not in folder.read_json(out / folder.CONFIG):  # one layer: started by `_spawned`
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return _status(lambda: train(out, read(config_of(out).text)), f"{out.name}: ")
    stop = _Stop()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    todo: list[Path] = []
    if status := _status(lambda: todo.extend(plan(out))):
        return status
    if not todo:
        return 0
    text = read(config_of(todo[0]).text)  # once for all, before the forks
    for path in todo:
        if stop.told:
            return INTERRUPTED
        if status := _forked(path, text, stop) if FORKS else _spawned(path, stop):
            return status
    return 0


def _forked(out: Path, text: Text, stop: _Stop) -> int:
    ours, theirs = os.pipe()  # we write nothing: its end says that this process has ended
    with warnings.catch_warnings():  # Python warns of forks beside threads: NumPy keeps idle ones
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(theirs)
            children.end_with_parent(children.closed(ours))
            if stop.told:
                raise KeyboardInterrupt
            status = _status(lambda: train(out, text), f"{out.name}: ")
        except KeyboardInterrupt:
            status = INTERRUPTED
        except SystemExit as end:  # told to end, after saving
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as fault:  # a fork must never go on as if it were its parent
            sys.excepthook(type(fault), fault, fault.__traceback__)
        finally:
            sys.stderr.flush()
            os._exit(status)
    stop.trains(child)
    os.close(ours)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stop.child = 0
    os.close(theirs)
    return status


def _spawned(out: Path, stop: _Stop) -> int:
    command = children.python("-m", "swiftrnn.compare", str(out))
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        stop.trains(child.pid)
        status = child.wait()
        stop.child = 0
    return status
