"""Programs run inside the tests' own process: nobody waits until torch is imported once more."""

import io
import os
import runpy
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import torch

COMMAND = "from swiftrnn.cli import main\nraise SystemExit(main())"


def run_here(
    program: Path | str, *words: str, folder: Path, beside: Path | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a script, or code, as a program of its own would: the same warnings are errors.

    Args:
        program: a script, which finds the modules beside it, or code.
        words: of the command line.
        folder: to run in.
        beside: where else modules are found.
        typed: what comes from standard input.
    """
    out, err, status, threads = io.StringIO(), io.StringIO(), 0, torch.get_num_threads()
    beside = program.parent if isinstance(program, Path) else beside
    before, there, came_from = Path.cwd(), {*sys.modules}, io.BytesIO(typed.encode())
    with (
        mock.patch.object(sys, "argv", ["swiftrnn", *words]),
        mock.patch.object(sys, "path", [*([str(beside)] if beside else []), *sys.path]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(came_from, encoding="utf-8")),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        os.chdir(folder)
        try:
            if isinstance(program, Path):
                runpy.run_path(str(program), run_name="__main__")
            else:
                names = {"__name__": "__main__", "__file__": str(folder / "program.py")}
                exec(compile(program, "<program>", "exec"), names)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except Exception:
            traceback.print_exc()
            status = 1
        finally:
            os.chdir(before)
            torch.set_num_threads(threads)
            for name in {*sys.modules} - there:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).parent == beside:
                    del sys.modules[name]  # names like "rows" are the script's alone
    return subprocess.CompletedProcess(
        [str(program), *words], status, out.getvalue(), err.getvalue()
    )
