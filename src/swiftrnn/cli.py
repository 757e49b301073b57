"""The command line.

Each command is a frozen dataclass, which is its options and their help, and a function that takes
it. Whatever is heavy is imported in that function: `swiftrnn --help` and `swiftrnn list` never load
torch. Bad input ends in one line on stderr and exit status 2, an interrupted run in 130.
"""

import ast
import contextlib
import dataclasses
import importlib.util
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tyro
from tyro.conf import OmitArgPrefixes

from swiftrnn import __version__, console, limits, run
from swiftrnn.compare import Compare
from swiftrnn.options import Bench, Copy, Data, Export, Info, List, Predict, Run, Serve, Sweep
from swiftrnn.training import children, folder


class UsageError(ValueError):
    """What was typed makes no sense; the message says what to type instead."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `swiftrnn`; those of this process unless given.

    Returns:
        The exit status: 0, 2 for bad input, 130 where the user interrupted it, 143 for SIGTERM.
    """
    if arguments is None:  # this process is ours: none of its children runs files that lie here
        os.environ[children.SAFE] = "1"
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        console.prepare()
        status = _dispatch(words)
        sys.stdout.flush()  # a full disk is told here, not while Python ends
        return status
    except SystemExit as stop:  # tyro's way to end after --help
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as stop:
        print(f"interrupted; {stop}" if str(stop) else "interrupted", file=sys.stderr)
        return 128 + getattr(stop, "number", signal.SIGINT)
    except BrokenPipeError:  # `swiftrnn list | head`
        sys.stderr.close()
        return 0
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not console.out_of_memory(error):
            raise  # a fault of ours
        _complain("swiftrnn needs more memory than there is; choose smaller sizes, or less at once")
        return 2
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and "swiftrnn[" not in str(error):
            raise  # a fault of ours, not a missing extra
        _complain(str(error))
        return 2


def _complain(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"swiftrnn {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        raise UsageError(
            f"swiftrnn needs one of the commands {', '.join(COMMANDS)}; got {name!r}; "
            f"{run.nearest(name, COMMANDS)}swiftrnn --help explains them"
        )
    of_recipes = {"run": _run, "sweep": _sweep}  # read the recipe's own options too
    if name in of_recipes and rest and not rest[0].startswith("-"):
        return of_recipes[name](rest[0], rest[1:])
    command = COMMANDS[name]
    if name in of_recipes and not {"-h", "--help"} & set(rest):
        raise UsageError(f"swiftrnn {name} needs a recipe first; got none; swiftrnn list shows all")
    prog = f"swiftrnn {name}" + " RECIPE" * (name in of_recipes)
    return command.act(_parse(command.options, prog, command.about(), rest)) or 0


@dataclass(frozen=True)
class Command:
    """What `swiftrnn NAME` takes, does and looks like."""

    options: type
    act: Callable[[Any], int | None]
    examples: tuple[str, ...]

    def about(self) -> str:
        """The first thing `--help` says."""
        examples = "".join(f"\n    {example}" for example in self.examples)
        return f"{_document(self.options)}\n\nExamples:{examples}"


def _help() -> str:
    lines = [
        "usage: swiftrnn COMMAND [ARGUMENTS]",
        "",
        "Fast recurrent layers for PyTorch, and the systems built from them.",
        "",
        "Commands:",
        *(f"    {n:9}{_document(c.options).splitlines()[0]}" for n, c in COMMANDS.items()),
        "",
        "Examples:",
        *(f"    {command.examples[0]}" for command in COMMANDS.values()),
        "",
        "swiftrnn COMMAND --help lists the options of a command; swiftrnn --version the version.",
    ]
    return "\n".join(lines)


def _document(kind: type) -> str:
    return "\n".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines())


def _parse(kind: Any, prog: str, about: str, words: Sequence[str]) -> Any:
    """Words to an instance of `kind`; tyro's boxes become one line."""
    said, how = io.StringIO(), [tyro.conf.FlagCreatePairsOff]
    if not {"-h", "--help"} & set(words):  # comments are only read for who sees them
        how.append(tyro.conf.HelptextFromCommentsOff)
    try:
        with contextlib.redirect_stderr(said):
            parsed, unknown = tyro.cli(
                kind,
                prog=prog,
                description=about,
                args=list(words),
                return_unknown_args=True,
                config=how,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        cause = stop.__context__
        while cause and not isinstance(cause, limits.Unfit):
            cause = cause.__context__
        if cause:  # it says all there is to say
            raise UsageError(str(cause)) from None
        raise UsageError(f"{prog}: {_unboxed(said.getvalue())}; see {prog} --help") from None
    if unknown:
        flag = next((word for word in unknown if word.startswith("-")), unknown[0])
        what = "option" if flag.startswith("-") else "argument"
        known = [] if what == "argument" else _flags(kind)
        near = run.nearest(flag.partition("=")[0].lstrip("-"), known, "--")
        raise UsageError(f"{prog} has no such {what}; got {flag}; {near}see {prog} --help")
    return parsed


def _unboxed(text: str) -> str:
    """What tyro says in its box, up to the first rule, in one line without the final stop."""
    rows = [row.strip("│ ") for row in text.splitlines() if not row.startswith(("╭", "╰"))]
    upto = next((i for i, row in enumerate(rows) if row.startswith("─")), len(rows))
    line = " ".join(" ".join(rows[:upto]).split()).rstrip(".") or "cannot be understood"
    line = line.replace("invalid literal for int() with base 10:", "it needs a whole number; got")
    return line.replace("could not convert string to float:", "it needs a number; got")


def _flags(kind: Any) -> list[str]:
    flags = []
    for item in dataclasses.fields(kind):
        default = item.default
        inner = dataclasses.is_dataclass(default) and not isinstance(default, type)
        flags += _flags(type(default)) if inner else [item.name.replace("_", "-")]
    return flags


def _list(_: List) -> None:
    for name in run.names():
        source = (run.RECIPES / name / "__init__.py").read_text(encoding="utf-8")
        about = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        print(f"{name:20}{about}")
        results = run.RECIPES / name / "results.json"
        if results.is_file():
            found = json.loads(results.read_text(encoding="utf-8"))
            chosen = {k: found["metrics"][k] for k in found.get("headline", found["metrics"])}
            print(" " * 20 + ", ".join(f"{k} {_shown(v)}" for k, v in chosen.items()))


def _shown(value: Any) -> str:
    if isinstance(value, dict):  # over seeds
        return f"{value['mean']:.4g} ± {value['sd']:.2g}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _info(_: Info) -> None:
    from swiftrnn.machine import machine
    from swiftrnn.ops import kernels

    for key, value in machine().items():
        print(f"{key:14}{value}")
    for device, state in kernels().items():
        run_here = "run" if state["loaded"] else "do not run"
        print(f"{device + ' kernels':14}{run_here}: {state['why']}")
        if state["library"]:
            print(f"{'':14}{state['library']}")
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        found = f"lacks {', '.join(missing)}" if missing else "installed"
        print(f"{'extra ' + extra:14}{found}")


EXTRAS = {
    "train": ("lightning", "tensorboard"),
    "report": ("matplotlib", "jinja2"),
    "sweep": ("optuna",),
    "analysis": ("scipy",),
}


def _run(name: str, words: list[str]) -> int:
    folder.needs_extra("swiftrnn run", "train", "lightning")
    options = _with_config(f"swiftrnn run {name}", name, Run(), words)
    how = options.how
    if how.record:
        run.check_recordable(name)  # before hours of training
    from swiftrnn.machine import keep_pages  # loads torch: only now, when all was checked

    keep_pages()
    children.launched_here()
    metrics, out = run.run(name, options.config, how.out, how.resume, how.seeds)
    if not folder.leads():  # of several processes one speaks
        return 0
    for key, value in metrics.items():
        if not isinstance(value, list):  # a history is for programs
            print(f"{key:32}{_shown(value)}")
    print(f"\nThe run is in {out}")
    if how.record:
        path = run.record(name, options.config, how.seeds, metrics, out, how.preset)
        print(f"Recorded in {path}")
    return 0


def _sweep(name: str, words: list[str]) -> int:
    folder.needs_extra("swiftrnn sweep", "train,sweep", "lightning", "optuna")
    options = _with_config(f"swiftrnn sweep {name}", name, Sweep(), words)
    from swiftrnn import sweep

    sweep.sweep(name, options.config, options.how)
    return 0


def _with_config(prog: str, name: str, how: Any, words: list[str]) -> Any:
    """The options of a command as `how`, and those of a recipe as `config`."""
    recipe = run.module(name)
    presets, preset = run.presets(recipe), _preset(words)
    if preset not in presets:
        raise UsageError(
            f"{prog} --preset needs one of {', '.join(presets)}; got {preset!r}; "
            f"{run.nearest(preset, presets)}choose one of them"
        )
    parts = [
        ("how", OmitArgPrefixes[type(how)], field(default=how)),
        ("config", OmitArgPrefixes[recipe.Config], field(default=presets[preset])),
    ]
    kind = dataclasses.make_dataclass("Options", parts, frozen=True)
    parsed = _parse(kind, prog, (recipe.__doc__ or name).strip(), words)
    limits.check_typed(parsed.how, words, preset)
    limits.check_typed(parsed.config, words, preset)
    return parsed


def _preset(words: list[str]) -> str:
    for i, word in enumerate(words):
        if word == "--preset" and i + 1 < len(words):
            return words[i + 1]
        if word.startswith("--preset="):
            return word.partition("=")[2]
    return "default"


def _predict(options: Predict) -> None:
    from swiftrnn.deploy import predict

    predict.main(options)


def _serve(options: Serve) -> None:
    from swiftrnn.deploy import serve

    serve.main(options.run, options.host, options.port, options.allow_host)


def _export(options: Export) -> None:
    from swiftrnn.deploy import export

    print(export.run_to_onnx(options.run, options.out or options.run / "model.onnx"))


def _compare(options: Compare) -> None:
    from swiftrnn import compare

    compare.compare(options)


def _bench(options: Bench) -> None:
    from swiftrnn import bench

    try:
        bench.main(options.op, seconds=options.seconds, out=options.out)
    except RuntimeError as error:  # a kernel is missing or wrong: it refuses to time that
        raise UsageError(str(error)) from error


def _data(options: Data) -> None:
    from swiftrnn.data import fetch

    if options.action == "list":
        for name, dataset in fetch.DATASETS.items():
            size = sum(file.size for file in dataset.files)
            print(f"{name:16}{size / 1e6:8.1f} MB  {dataset.licence:24}{dataset.about}")
    elif options.action != "fetch" or options.name is None:
        raise UsageError(
            f"swiftrnn data needs list, or fetch and a NAME; got {options.action}; "
            "swiftrnn data list shows the names"
        )
    elif options.name not in fetch.DATASETS:
        raise UsageError(
            f"swiftrnn data fetch needs one of {', '.join(fetch.DATASETS)}; got {options.name!r}; "
            f"{run.nearest(options.name, fetch.DATASETS)}swiftrnn data list describes them"
        )
    else:
        for file in fetch.DATASETS[options.name].files:
            print(fetch.fetch(options.name, file.name))


def _copy(options: Copy) -> None:
    run.copy(options.recipe, options.dir)
    print(f"{options.dir} is yours: edit it, then swiftrnn run ./{options.dir}")


COMMANDS = {
    "compare": Command(
        Compare,
        _compare,
        (
            "swiftrnn compare",
            "swiftrnn compare --seconds 60 --layers sru lstm",
            "swiftrnn compare --text book.txt --out runs/book",
            "swiftrnn compare --resume",
        ),
    ),
    "list": Command(List, _list, ("swiftrnn list",)),
    "info": Command(Info, _info, ("swiftrnn info",)),
    "run": Command(
        Run,
        lambda _: None,  # `_run`, which reads the recipe's own options too
        (
            "swiftrnn run language_model --preset smoke",
            "swiftrnn run language_model --layer lstm --seeds 3 --out runs/lstm",
            "swiftrnn run language_model --resume",
        ),
    ),
    "sweep": Command(
        Sweep,
        lambda _: None,  # `_sweep`, which reads the recipe's own options too
        (
            "swiftrnn sweep language_model --grid layer=sru,lstm --metric bits_per_byte",
            "swiftrnn sweep language_model --grid learning_rate=1e-4..1e-1:log:6 --grid depth=1,2 "
            "--metric bits_per_byte --seeds 3 --workers 2 --out runs/rates",
            "swiftrnn sweep language_model --resume --out runs/rates",
            "swiftrnn sweep ner_crf --grid dropout=0..0.8:lin:5 --metric f1 --maximize "
            "--storage postgresql+psycopg://me@host/base --study dropout",
        ),
    ),
    "predict": Command(
        Predict,
        _predict,
        (
            'swiftrnn predict runs/compare-2026-01-31-120000 "def "',
            'swiftrnn predict runs/lstm "import " --length 500 --temperature 0.6',
            "swiftrnn predict runs/names --format jsonl < letters.txt",
        ),
    ),
    "serve": Command(
        Serve, _serve, ("swiftrnn serve runs/names", "swiftrnn serve runs/names --port 8080")
    ),
    "export": Command(Export, _export, ("swiftrnn export runs/names --to onnx",)),
    "bench": Command(Bench, _bench, ("swiftrnn bench", "swiftrnn bench SRU --out runs/sru")),
    "data": Command(Data, _data, ("swiftrnn data list", "swiftrnn data fetch wikitext-2")),
    "copy": Command(Copy, _copy, ("swiftrnn copy language_model my_model",)),
}
