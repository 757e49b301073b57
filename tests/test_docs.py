"""README and docs are true: their code runs, their tree is the disk, their tables the results."""

import doctest
import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.programs import COMMAND, run_here

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "src" / "swiftrnn" / "recipes").glob("*/README.md")),
]
MODULES = sorted(
    ".".join(p.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for p in (ROOT / "src" / "swiftrnn").rglob("*.py")
    if p.name != "__main__.py"  # importing it runs the command line
)
OPTIONAL = {"triton", "onnx", "onnxscript", "ray"}  # needed by modules that most tests do not need
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
UNLISTED = {"__init__.py", "__main__.py", "__pycache__"}  # what every package has


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.M | re.S)


def cases(language: str) -> list:
    """Every block of the pages, once."""
    found = {}
    for path in PAGES:
        for number, text in enumerate(blocks(path, language)):
            found.setdefault(text, f"{path.relative_to(ROOT)}-{number}")
    return [pytest.param(text, id=name) for text, name in found.items()]


def runnable(block: str) -> list[str]:
    """The lines a test can run: quick, and without the two that `.ci/run` runs as they stand."""
    lines = [line for line in block.splitlines() if not line.startswith("pip ")]
    return [
        re.sub(r" --seconds \S+", " --seconds 1 --hidden 96", line)
        if line.startswith("swiftrnn compare")
        else line
        for line in lines
    ]


@pytest.mark.parametrize("code", cases("python"))
def test_python_blocks_run(code, tmp_path):
    done = run_here(code, folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", cases("sh"))
def test_shell_blocks_run(block, tmp_path, smoke):
    if not runnable(block):
        pytest.skip("installs and what follows: .ci/run runs it in a fresh virtual environment")
    for line in runnable(block):
        if kept := re.fullmatch(r'echo "(.*)" (>>?) (\S+)', line):
            with (tmp_path / kept[3]).open("w" if kept[2] == ">" else "a") as file:
                file.write(f"{kept[1]}\n")
            continue
        typed, command = re.fullmatch(r'(?:echo "(.*)" \| )?swiftrnn (.*)', line).groups()
        if small := re.fullmatch(r"run (\w+) --preset smoke --out (\S+)", command):
            shutil.copytree(smoke(small[1]), tmp_path / small[2])  # made once for all tests
            continue
        done = run_here(COMMAND, *shlex.split(command), folder=tmp_path, typed=typed or "")
        assert done.returncode == 0, done.stderr


def test_only_installs_are_left_out():
    block = "pip install '.[test]' && pytest\nswiftrnn compare --seconds 9\nswiftrnn list"
    assert runnable(block) == ["swiftrnn compare --seconds 1 --hidden 96", "swiftrnn list"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name not in OPTIONAL:
            raise
        pytest.skip(f"{missing.name} is not installed")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def tree() -> list[Path]:
    """The paths in the tree of docs/architecture.md, in its order."""
    (block,) = [b for b in blocks(ROOT / "docs" / "architecture.md", "text") if b.startswith(".\n")]
    paths, folders = [], {}
    for line in block.splitlines()[1:]:
        drawn, name = re.match(r"([│ ├└─]*)(\S+)", line).groups()
        depth = len(drawn) // 4
        folders[depth] = folders.get(depth - 1, ROOT) / name
        paths.append(folders[depth])
    return paths


def tracked(folder: Path) -> set[Path]:
    """What belongs to the project in a folder: no caches, no builds, no runs."""
    ignored = {".git", "build", "dist", "runs", "venv", ".venv"}
    return {
        p
        for p in folder.iterdir()
        if p.name not in ignored | UNLISTED
        and p.suffix not in (".egg-info", ".so", ".dylib")
        and not (p.is_dir() and not any(f.is_file() for f in p.rglob("*")))
        and (not p.name.startswith(".") or p.name == ".ci")
    }


def test_every_path_in_the_tree_exists():
    assert [str(p) for p in tree() if not p.exists()] == []


@pytest.mark.parametrize("folder", [ROOT, ROOT / "src" / "swiftrnn"], ids=["top", "package"])
def test_the_tree_leaves_nothing_out(folder):
    drawn = {p for path in tree() for p in (path, *path.parents)}
    assert {p.name for p in tracked(folder) - drawn} == set()


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "benchmarks" / "README.md", ROOT / "CONTRIBUTING.md"]
)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "features.md").read_text()))
    files = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    there = set(re.findall(r"^def (test_\w+)", "\n".join(files), flags=re.M))
    assert named
    assert named - there == set()


@pytest.mark.parametrize("script", ["benchmarks/report.py", "docs/build.py"])
def test_generated_text_is_in_step(script):
    done = run_here(ROOT / script, "--check", folder=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_has_exactly_the_two_commands():
    installs = [
        line
        for block in blocks(ROOT / "README.md", "sh")
        for line in block.splitlines()
        if line.startswith("pip ")
    ]
    assert installs == [
        "pip install '.[train,report]' && swiftrnn compare",
        "pip install '.[test]' && pytest",
    ]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_chinese_readme_is_in_step():
    """The same code, links, pictures, headings and tables, in the same order."""
    pages = [(ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md")]
    for pattern in (
        r"^```.*?^```", r"\]\(([^)]*)\)", r"^#+ ", r"<!-- generated: .*?<!-- end -->",
    ):  # fmt: skip
        english, chinese = (re.findall(pattern, page, flags=re.M | re.S) for page in pages)
        if pattern.startswith(r"\]"):
            english.remove("README.zh-CN.md")
            chinese.remove("README.md")
        assert english
        assert chinese == english
    rows = [page.count("\n| ") for page in pages]
    assert rows[0] == rows[1]


def test_nothing_names_the_place_it_was_written_in():
    suspicious = re.compile(r"(?<![\w.~])/(?:work|root|tmp|home)/")
    files = [*PAGES, *(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.c")]
    assert [str(f) for f in files if suspicious.search(f.read_text())] == []
