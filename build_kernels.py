"""Compiles every `ops/*/cpu.c` into one library, at install, without Python headers or torch.

The build backend calls `CustomBuildHook`; by hand: `python build_kernels.py` builds in place.
Each source is compiled once per dtype (`-DFLOAT32` ...). No compiler is no error: the install goes
on and the references run, `swiftrnn info` says why.
"""

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
DTYPES = ("FLOAT32", "FLOAT64", "BFLOAT16")
# never -ffast-math and friends: linking with them sets flush-to-zero for the whole process
FLAGS = (
    *("-std=c11", "-O3", "-fPIC", "-Wall", "-Wextra"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
WIDE = "-mprefer-vector-width=512"  # x86: the clones for AVX-512 use whole registers
SUFFIX = {"Darwin": ".dylib", "Windows": ".dll"}.get(platform.system(), ".so")


def library_path(package: Path) -> Path:
    """Where the library of a package folder (`.../swiftrnn`) lies."""
    return package / "ops" / f"_kernels{SUFFIX}"


def source_hash(package: Path) -> str:
    """Changes whenever a C source does; the library carries it, so a stale one is noticed."""
    sources = sorted((package / "ops").rglob("*.[ch]"))
    return hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()[:16]


def find_compiler() -> list[str] | None:
    """`$CC`, else the first of cc, gcc, clang on the path; None where there is none."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    return None


def compile_kernels(package: Path, extra: tuple[str, ...] = ()) -> Path:
    """Build the library of a package folder in place, whole or not at all.

    Raises:
        RuntimeError: there is no compiler, or it failed with every set of flags.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("no C compiler was found (set CC, or install gcc or clang)")
    sources = sorted((package / "ops").glob("*/cpu.c"))
    message = ""
    for optional in (("-fopenmp", WIDE), ("-fopenmp",), ()):  # macOS clang has no OpenMP
        with tempfile.TemporaryDirectory() as folder:
            try:
                built = _build(compiler, sources, package, (*optional, *extra), Path(folder))
            except (OSError, subprocess.CalledProcessError) as error:
                message = getattr(error, "stderr", None) or str(error)
                continue
            target = library_path(package)
            part = target.with_suffix(f".{os.getpid()}.part")
            shutil.copyfile(built, part)
            os.replace(part, target)
            return target
    raise RuntimeError(f"the C compiler {shlex.join(compiler)} failed: {message.strip()[-2000:]}")


def _build(
    compiler: list[str], sources: list[Path], package: Path, optional: tuple[str, ...], folder: Path
) -> Path:
    commands, objects = [], []
    stamp = f'-DSOURCE_HASH="{source_hash(package)}"'
    for source in sources:
        for dtype in DTYPES:
            objects.append(str(folder / f"{source.parent.name}_{dtype}.o"))
            target = ["-c", str(source), "-o", objects[-1]]
            commands.append([*compiler, *FLAGS, *optional, f"-D{dtype}", stamp, *target])
    running = [
        subprocess.Popen(c, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for c in commands
    ]
    errors = [process.communicate()[1] for process in running]
    for process, error in zip(running, errors, strict=True):
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, stderr=error)
    library = folder / f"kernels{SUFFIX}"
    link = [*compiler, "-shared", *optional, *objects, "-o", str(library)]
    subprocess.run(link, check=True, capture_output=True, text=True)
    return library


class CustomBuildHook(BuildHookInterface):
    """Builds the kernels into the wheel, or in place for an editable install."""

    def initialize(self, version: str, build_data: dict) -> None:  # noqa: ARG002
        """Called by hatchling before it collects the files of the wheel."""
        package = Path(self.root) / "src" / "swiftrnn"
        try:
            library = compile_kernels(package)
        except RuntimeError as error:
            self.app.display_warning(f"swiftrnn: built without C kernels: {error}")
            return
        tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"
        build_data["artifacts"].append(library.relative_to(self.root).as_posix())


def main() -> None:
    """The command line: build in place, or the package of another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, default=ROOT / "src" / "swiftrnn")
    parser.add_argument("--flag", action="append", default=[], help="one more compiler flag")
    arguments = parser.parse_args()
    try:
        print(compile_kernels(arguments.package, tuple(arguments.flag)))
    except RuntimeError as error:
        sys.exit(f"build_kernels: {error}")


if __name__ == "__main__":
    main()
