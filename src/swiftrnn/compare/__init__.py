"""The main job: every layer learns the same text in the same time, side by side.

Layers get equal trainable parameters, the same embedding of n-grams, equal batches, equal training
seconds and a process of their own each, so that peak memory is theirs. Test text is read once,
after all have trained. Nothing heavy is imported before a comparison runs, because
`swiftrnn compare --help` shows `Compare`.
"""

import contextlib
import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from swiftrnn.data.text import Text, read_text, standard_library
from swiftrnn.runs import children, folder, limits, settings


@dataclass(frozen=True)
class Tuned:
    """What suits a layer best, out of the same trials for each: `benchmarks/quality.py tune`."""

    optimizer: Literal["adamw", "muon"]
    learning_rate: float
    depth: int


TUNED = {
    "sru": Tuned("adamw", 4e-3, 3),
    "qrnn": Tuned("adamw", 4e-3, 2),
    "mingru": Tuned("adamw", 4e-3, 3),
    "lstm": Tuned("muon", 4e-3, 1),
    "gru": Tuned("muon", 4e-3, 1),
    "conv": Tuned("muon", 4e-3, 1),
}
LAYERS = tuple(TUNED)
KIND = "compare"
Depth = Annotated[int, limits.Range(0, 128)]
PATIENCE = 60  # seconds an interrupted layer gets to write its checkpoint


@dataclass(frozen=True)
class Compare(limits.Checked):
    """Train fast layers and their rivals on the same text, and compare speed and quality.

    SRU, QRNN, minGRU, LSTM, GRU and a causal convolution get as many parameters as SRU of
    hidden size --hidden, the same batches and the same time. Prints a table; writes a run
    folder with report.html. The default text is the source code of Python's library: nothing is
    downloaded.
    """

    # training time of each layer, in seconds; with the default the whole takes five minutes
    seconds: limits.Positive = 25.0
    layers: tuple[str, ...] = LAYERS  # layers to train, in this order
    hidden: limits.Size = 128  # hidden size of SRU; the others get as many parameters
    depth: Depth = 0  # stacked layers; 0 for the best depth of each kind (conv takes more)
    ngrams: limits.Ngrams = 5  # longest byte n-gram that has an embedding; 1 for none
    batch_size: limits.Size = 64  # sequences in a batch
    time: limits.Size = 32  # bytes of each sequence in an update; states carry over to the next
    optimizer: Literal["own", "adamw", "muon"] = "own"  # own: the best one for each layer
    learning_rate: limits.Least0 = 0.0  # peak, after the warm-up; 0 for the best of each layer
    seed: limits.Seed = 0  # random seed of weights and batches
    threads: limits.Threads = 0  # threads of torch; 0 for as many as there are cores
    dtype: Literal["float32", "bfloat16"] = "float32"  # bfloat16: faster on CPUs that have it
    text: Path | None = None  # training text; default: the source code of Python's library
    out: Path | None = None  # run folder; default: runs/compare-<time>
    resume: bool = False  # continue the run in --out, or the newest one

    def check(self) -> None:
        """Refuse layers that cannot be trained.

        Raises:
            ValueError: names the option, what it needs and what it got.
        """
        if not self.layers or len(set(self.layers)) < len(self.layers):
            raise ValueError(
                f"--layers needs different names out of {', '.join(LAYERS)}; "
                f"got {' '.join(self.layers) or 'none'}; name each once"
            )
        for layer in self.layers:
            if layer not in LAYERS:
                from swiftrnn.recipes import nearest

                raise ValueError(
                    f"--layers needs names out of {', '.join(LAYERS)}; got {layer!r}; "
                    f"{nearest(layer, LAYERS)}choose from the list"
                )

    def command(self) -> str:
        """The command line that repeats this comparison."""
        words = ["swiftrnn compare"]
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value == each.default or each.name in ("out", "resume"):
                continue
            text = value if isinstance(value, tuple) else (str(value),)
            words += [f"--{each.name.replace('_', '-')}", *map(shlex.quote, text)]
        return " ".join(words)


def compare(options: Compare) -> Path:
    """Train every layer, measure them together, print the table and write the report.

    Args:
        options: what to do; see `Compare`.

    Returns:
        The run folder.

    Raises:
        ValueError: an option, the text or the run to resume does not fit.
        ModuleNotFoundError: an extra is missing.
        OSError: the run folder cannot be written, another process trains in it, or the process of a
            layer died.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    folder.needs_extra("swiftrnn compare", "train,report", "lightning", "matplotlib", "jinja2")
    text_path = None if options.text is None else options.text.absolute()
    options = dataclasses.replace(options, layers=_split(options.layers), text=text_path)
    options.check()
    if options.resume:
        out = options.out or folder.newest(KIND)
        folder.read_json(out / folder.CONFIG)  # a folder that is none says so
        with folder.held(out):
            options, text = _saved(options, out)
            _all(options, out, text)
        return out
    text = read(options.text)
    with folder.new(options.out, KIND) as out:
        described = {KIND: dataclasses.asdict(options), "text_sha256": text.sha256}
        folder.begin(out, described)
        _all(options, out, text)
    return out


def _all(options: Compare, out: Path, text: Text) -> None:
    """Train and measure in a run folder that is held."""
    from swiftrnn.runs.machine import load  # loads torch: only now, when all was checked

    before = load()
    warning = "" if before["idle"] else f"\nwarning: {before['note']}"
    size = len(text.train) / 1e6
    print(f"{text.name}, {size:.2g} MB to learn; run folder {out}{warning}", flush=True)
    try:
        with _training(out) as wait:
            from swiftrnn.compare import measure, show  # loads Lightning while the child does too

            wait()
        metrics = measure.measure(options, out, text)
    except SystemExit:
        if not options.resume and not any(out.glob("*/*/*")):  # no layer began: leave nothing
            shutil.rmtree(out)
        raise
    except KeyboardInterrupt as stop:
        raise children.again(stop, f"what is done is kept; go on with {_again(out)}") from None
    metrics["load"] = {"start": before, "end": load()}
    show.write(metrics, out)
    measure.tidy(out, options.layers)
    print(show.closing(metrics, out))


def _split(layers: tuple[str, ...]) -> tuple[str, ...]:
    """`sru,lstm` is as good as `sru lstm`."""
    return tuple(name for word in layers for name in word.split(",") if name)


def _again(out: Path) -> str:
    return f"swiftrnn compare --resume --out {shlex.quote(str(out))}"


def _saved(options: Compare, out: Path) -> tuple[Compare, Text]:
    """The options and the text that the run in `out` began with."""
    saved = folder.read_json(out / folder.CONFIG, needs=(KIND, "text_sha256"))
    if (out / folder.METRICS).exists():
        raise ValueError(
            f"--resume needs an interrupted comparison; got {out}, which is complete; "
            f"open {out / 'report.html'}"
        )
    kept = {**saved[KIND], "out": options.out and str(options.out), "resume": True}
    options = settings.resumed(options, kept, out / folder.CONFIG, "swiftrnn compare --resume")
    options.check()
    text = read(options.text)
    if text.sha256 != saved["text_sha256"]:
        raise ValueError(
            f"--resume needs the text that {out} began with; got {text.name}, which has changed "
            "since; start over"
        )
    return options, text


def read(path: Path | None) -> Text:
    """The text to learn: a file, or this Python's standard library."""
    return standard_library() if path is None else read_text(path)


@contextlib.contextmanager
def _training(out: Path) -> Iterator[Callable[[], None]]:
    """Start the process that trains all layers; gives the function that waits for it.

    The terminal sends Ctrl-C to its whole foreground group. The child leaves that group, so that
    it hears of it exactly once, however it came: a second one would end it before it has saved.
    """
    apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    command = children.python("-m", "swiftrnn.compare", str(out))
    with (
        children.stopped_by_signals(),
        subprocess.Popen(command, stdin=subprocess.PIPE, **apart) as child,
    ):
        try:
            yield lambda: _wait(child, out)
        finally:
            if child.poll() is None:  # interrupted, or a fault of ours: let it save what it has
                _signal(child, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(PATIENCE)
                _signal(child, signal.SIGKILL)


def _wait(child: subprocess.Popen[Any], out: Path) -> None:
    status = child.wait()
    if status in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    if status == 2:  # it has said why
        raise SystemExit(2)
    if status:
        killed = ", killed, often for lack of memory" if status == -signal.SIGKILL else ""
        raise OSError(
            f"training needs its process to end well; got exit status {status}{killed}; "
            f"finished layers are kept, so go on with {_again(out)}"
        )


def _signal(child: subprocess.Popen[Any], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
