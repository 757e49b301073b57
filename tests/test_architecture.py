"""The layout's rules as code: who may import whom, how long things may be, what loads when."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "swiftrnn"
FILES = sorted(SRC.rglob("*.py"))
SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").glob("*.py")])
C_FILES = sorted([*SRC.rglob("*.c"), *SRC.rglob("*.h")])
BELOW = {
    "recipes",
    "tasks",
    "training",
    "report",
    "runs",
    "nn",
    "ops",
    "analysis",
    "data",
    "metrics",
}
LOWEST = {"runs", "analysis", "data", "metrics"}
MAY_IMPORT = {  # part -> the parts of swiftrnn it may import, itself aside
    "ops": set(),
    "nn": {"ops"},
    "runs": set(),
    "analysis": {"runs"},  # what says that an extra is missing
    "data": set(),
    "metrics": {"data"},
    "report": {"runs"},
    "training": {"runs"},
    "tasks": LOWEST | {"report", "training", "nn", "ops"},
    "recipes": BELOW,
    "deploy": BELOW,
    "bench": BELOW,
    "compare": BELOW | {"bench", "deploy"},
    "commands": BELOW | {"bench", "deploy", "compare"},
    "cli": {"commands", "deploy", "recipes", "runs"},
    "__main__": {"cli"},
    "__init__": {"deploy"},  # `swiftrnn.load`, when it is asked for
}
FILE_LINES, FUNCTION_LINES, RECIPE_LINES, FOLDER_FILES = 400, 50, 1500, 15
RECIPE_FILES = {"__init__.py": 120, "data.py": 150, "model.py": 250, "README.md": 80}
VAGUE = {"utils", "util", "common", "core", "helpers", "base", "misc", "models", "lib"}
names = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))


def part(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that a file's source consists of; read once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module a file imports, functions included: 'swiftrnn.ops._op', 'torch.nn'."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """What a file imports from swiftrnn, without the first word: 'ops._op.Op'."""
    found = (name for name in imports(path) if name.startswith("swiftrnn."))
    return {name.removeprefix("swiftrnn.") for name in found} - {"__version__"}


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@names
def test_imports_point_down(path):
    allowed = MAY_IMPORT[part(path)] | {part(path)}
    assert {name.split(".")[0] for name in ours(path)} <= allowed


@names
def test_imports_are_never_relative(path):
    assert not [n.lineno for n in nodes(path) if isinstance(n, ast.ImportFrom) and n.level]


@pytest.mark.parametrize(
    "op", sorted(p.parent for p in (SRC / "ops").glob("*/reference.py")), ids=str
)
def test_backends_of_an_op_never_import_one_another(op):
    backends = {"reference", "cpu", "triton"}
    for name in backends:
        path = op / f"{name}.py"
        if path.exists():
            seen = {word for module in ours(path) for word in module.split(".")[2:]}
            assert not seen & (backends - {name})


@pytest.mark.parametrize("path", [p for p in FILES if part(p) in ("ops", "nn")], ids=str)
def test_ops_and_layers_never_see_the_trainer(path):
    heavy = ("lightning", "pytorch_lightning", "matplotlib", "scipy", "sklearn", "tyro")
    assert not [name for name in imports(path) if name.split(".")[0] in heavy]


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.parent == SRC / "recipes"], ids=str)
def test_a_recipe_never_imports_a_recipe(path):
    own = f"recipes.{path.parent.name}"
    others = {name for name in ours(path) if name.startswith("recipes.")}
    assert all(name == own or name.startswith(own + ".") for name in others)


@names
def test_nothing_in_the_package_imports_tests_or_benchmarks(path):
    assert not {n.split(".")[0] for n in imports(path)} & {
        "tests",
        "benchmarks",
        "rows",
    }


@pytest.mark.parametrize("path", C_FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_kernels_know_neither_python_nor_torch(path):
    included = [line for line in path.read_text().splitlines() if line.startswith("#include")]
    assert not [
        line for line in included if any(w in line.lower() for w in ("python", "torch", "aten"))
    ]


@pytest.mark.parametrize(
    "path", [*FILES, *SCRIPTS, *C_FILES, ROOT / "build_kernels.py"], ids=lambda p: p.name
)
def test_files_stay_short(path):
    limit = FILE_LINES - 10 if SRC in path.parents else FILE_LINES
    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize(
    "folder", sorted({p.parent for p in FILES} - {SRC / "nn"}), ids=lambda p: p.name
)
def test_folders_stay_small(folder):
    assert len([p for p in folder.iterdir() if p.suffix in (".py", ".c", ".h")]) <= FOLDER_FILES


RECIPES = sorted(p.parent.name for p in (SRC / "recipes").glob("*/__init__.py"))
PARTS = {"Config", "SMOKE", "CLAIMS", "TASK", "run", "build"}


@pytest.mark.parametrize("path", [p for p in FILES if part(p) != "recipes"], ids=str)
def test_only_compare_knows_a_recipe_by_name(path):
    known = {"language_model"} if part(path) == "compare" else set()
    others = {name.split(".")[1] for name in ours(path) if name.startswith("recipes.")}
    assert others & set(RECIPES) <= known
    branches = [
        node
        for node in nodes(path)
        if isinstance(node, ast.Compare)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in RECIPES
    ]
    assert not branches


@names
def test_parts_of_a_recipe_are_declared_not_looked_up(path):
    asked = [
        node.args[1].value
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in ("getattr", "hasattr")
        and isinstance(node.args[1], ast.Constant)
    ]
    assert not set(asked) & PARTS


@names
def test_a_recipe_never_states_its_own_name(path):
    if part(path) != "recipes" or path.parent == SRC / "recipes":
        return
    words = [n.value for n in nodes(path) if isinstance(n, ast.Constant)]
    assert path.parent.name not in words
    assert not {"config.json", "metrics.json"} & {w for w in words if isinstance(w, str)}


@pytest.mark.parametrize(
    "path", [*FILES, *SCRIPTS, ROOT / "build_kernels.py"], ids=lambda p: p.name
)
def test_functions_stay_short(path):
    functions = [
        node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {f.name: n for f in functions if (n := code_lines(f)) > FUNCTION_LINES}
    assert not long


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: a contract in full is not complexity."""
    first = function.body[0]
    written = ast.get_docstring(function) is not None and first.end_lineno is not None
    doc = first.end_lineno - first.lineno + 1 if written else 0
    return (function.end_lineno or 0) - function.lineno + 1 - doc


def test_folders_have_names_that_say_something():
    folders = {p.name for p in SRC.rglob("*") if p.is_dir()} | {p.stem for p in FILES}
    assert not folders & VAGUE


def test_nothing_is_deeper_than_part_thing_file():
    assert not [p for p in FILES if len(p.relative_to(SRC).parts) > 3]


@pytest.mark.parametrize(
    "folder",
    [p.parent for p in sorted((SRC / "recipes").glob("*/__init__.py"))],
    ids=lambda p: p.name,
)
def test_a_recipe_has_its_files_and_stays_short(folder):
    needed = RECIPE_FILES.keys() - {"data.py"}  # only where examples are the recipe's own
    assert {p for p in needed if not (folder / p).exists()} == set()
    texts = {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}
    written = {n: re.sub(r"<!-- generated.*?<!-- end", "", t, flags=re.S) for n, t in texts.items()}
    lines = {name: len(text.splitlines()) for name, text in written.items()}
    limits = {name: RECIPE_FILES.get(name, 250) for name in lines if not name.endswith(".json")}
    assert {name: lines[name] for name in limits if lines[name] > limits[name]} == {}
    assert sum(n for name, n in lines.items() if name.endswith(".py")) <= RECIPE_LINES
    source = ast.parse((folder / "__init__.py").read_text())
    defined = {n.name for n in source.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    targets = [t for n in source.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in source.body if isinstance(n, ast.AnnAssign)]
    defined |= {t.id for t in targets if isinstance(t, ast.Name)}
    defined |= {
        a.asname or a.name for n in source.body if isinstance(n, ast.ImportFrom) for a in n.names
    }
    assert {"Config", "SMOKE", "CLAIMS", "TASK", "run"} <= defined


@pytest.mark.parametrize("words", [["--help"], ["list"], ["compare", "--help"], ["--version"]])
def test_the_command_line_answers_without_torch(words):
    code = (
        f"import sys; from swiftrnn.cli import main; main({words!r}); print('torch' in sys.modules)"
    )
    assert in_a_fresh_process(code).endswith("False\n")


def test_layers_load_torch_and_nothing_heavier():
    code = "import sys, swiftrnn.nn; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = ast.literal_eval(in_a_fresh_process(code))
    assert "torch" in loaded
    assert not set(loaded) & {
        "lightning",
        "pytorch_lightning",
        "matplotlib",
        "scipy",
        "tyro",
        "jinja2",
    }


def test_importing_the_package_loads_nothing():
    assert in_a_fresh_process("import sys, swiftrnn; print('torch' in sys.modules)") == "False\n"


def test_import_finder_sees_imports_inside_functions(tmp_path):
    path = tmp_path / "found.py"
    path.write_text("def f():\n    from swiftrnn.nn import SRU\n    import lightning.pytorch\n")
    assert imports(path) == {"swiftrnn.nn.SRU", "lightning.pytorch"}
