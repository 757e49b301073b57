"""The recipe of a new kind in docs/extending.md, in a folder outside the package."""

import json
import re
import sys
from pathlib import Path

import pytest

import swiftrnn
from swiftrnn import cli

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of it."""
    out = tmp_path_factory.mktemp("stranger")
    found = re.findall(
        r"^```(?:python|js)\n(?:#|//) (vowels/\S+)\n(.*?)^```", PAGE.read_text(), re.M | re.S
    )
    assert [name for name, _ in found] == ["vowels/__init__.py", "vowels/number.js"]
    for name, text in found:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(out / "state"))
        patch.delitem(sys.modules, "vowels", raising=False)
        assert (
            cli.main(["run", str(out / "vowels"), "--preset", "smoke", "--out", str(out / "run")])
            == 0
        )
        yield out / "run"


def test_it_learns_and_leaves_a_report_with_its_verdict(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["error"] < 0.8 * metrics["baseline_mean"]
    assert (run / "report.html").exists()


def test_it_predicts(run, capsys):
    assert cli.main(["predict", str(run), "aeiou", "xyz", ""]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.endswith(" vowels") for line in lines)
    assert float(lines[0].split()[0]) > float(lines[1].split()[0]) + 2
    assert lines[2] == "0.00 vowels"
    assert cli.main(["predict", str(run), "aeiou", "--format", "jsonl"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert read == {"text": "aeiou", "number": round(float(lines[0].split()[0]), 2)}


def test_it_answers_in_python(run):
    many, few = swiftrnn.load(run).answer(["aeiou", "xyz"])
    assert many > few


def test_it_answers_a_file(run, tmp_path, capsys):
    (tmp_path / "in.csv").write_text('text,of\n"a, e",first\nxyz,second\n')
    words = ("--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.jsonl"))
    assert cli.main(["predict", str(run), *words]) == 0, capsys.readouterr().err
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["text"], row["of"]) for row in rows] == [("a, e", "first"), ("xyz", "second")]
    assert rows[0]["number"] > rows[1]["number"]
