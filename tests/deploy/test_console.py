"""What `predict` reads and prints is UTF-8, and places count characters, in any locale."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from swiftrnn import cli
from swiftrnn.data.segmentation.tokens import sentences
from swiftrnn.deploy import console, predict, trained
from swiftrnn.tasks import Task
from swiftrnn.tasks.spans import Alternatives, Entities, Entity, Spans
from swiftrnn.tasks.tagging.find import NBest
from swiftrnn.tasks.text import Text

TEXT = "Zoë 👩‍🚀 met Jürgen\r\nin Köln e\u0301\u2028\x85."
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.fixture
def streams(monkeypatch):
    """Standard streams of an ASCII locale; gives what to write into one, and the other."""

    def set_up(content, encoding="ascii"):
        out = io.TextIOWrapper(io.BytesIO(), encoding, "strict")
        given = io.TextIOWrapper(io.BytesIO(content), encoding, "surrogateescape")
        monkeypatch.setattr("sys.stdin", given)
        monkeypatch.setattr("sys.stdout", out)
        return out.buffer

    return set_up


class Finds:
    """In place of a trained model: finds every word Jürgen and Köln."""

    vocabulary = SimpleNamespace(how="words")


def finds(_, texts, how):
    found = []
    for text in texts:
        words = [(text.index(word), word) for word in ("Jürgen", "Köln") if word in text]
        entities = (Entity(at, at + len(word), "name", word, 0.5) for at, word in words)
        found.append((Entities(tuple(entities), tuple(sentences(text))), None))
    return found


@pytest.fixture
def tagger(monkeypatch):
    """A run whose model finds two words, in place of one from a folder."""
    task = Task(Text(), Spans(), finds, NBest, shows=(Alternatives(),))
    known = trained.Trained(Path("run"), None, None, Finds(), task)
    monkeypatch.setattr(predict, "load", lambda *_: known)
    monkeypatch.setattr(trained, "task_of", lambda *_: task)
    return known


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "utf-16"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_places_in_jsonl_are_those_of_the_text_beside_them(streams, tagger, encoding, start):
    out = streams(start + TEXT.encode(), encoding)
    assert cli.main(["predict", "run", "--format", "jsonl"]) == 0
    (line,) = out.getvalue().decode("utf-8").splitlines()  # at U+2028, too
    content = json.loads(line)
    assert content["text"] == TEXT
    for each in content["entities"]:
        assert TEXT[each["start"] : each["end"]] == each["text"]
    assert [each["text"] for each in content["entities"]] == ["Jürgen", "Köln"]
    assert content["entities"][0]["start"] == 12  # in characters: 14 units of UTF-16, 21 bytes


@pytest.mark.parametrize("form", ["text", "conll"])
def test_other_forms_are_utf_8_too(streams, tagger, form):
    out = streams("Jürgen in Köln .".encode())
    assert cli.main(["predict", "run", "--format", form]) == 0
    shown = out.getvalue().decode("utf-8")
    if form == "text":
        assert [line.split()[0] for line in shown.splitlines()] == ["0-6", "10-14"]
    else:
        assert [row.split()[0] for row in shown.split("\n") if row][:3] == ["Jürgen", "in", "Köln"]


def test_what_is_no_utf_8_gets_one_line(streams, tagger, capsys):
    streams("Jürgen".encode("latin-1"))
    assert cli.main(["predict", "run"]) == 2
    said = "a text needs UTF-8; got the byte 0xfc at byte 1; convert it"
    assert said in capsys.readouterr().err


def test_surrogates_are_refused_where_places_are_counted(tagger):
    for text in ("a \ud83d\ude00", "\udcff"):
        with pytest.raises(ValueError, match=r"needs Unicode .* got the surrogate .* at ch"):
            tagger.answer([text])


def test_a_closed_standard_input_gets_one_line(tagger, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert cli.main(["predict", "run"]) == 2
    assert "needs an INPUT or standard input; got neither" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("streams", "status", "printed", "said"),
    [
        (">&-", 2, "", "error: swiftrnn needs a standard output; got a closed one; send it to"),
        ("2>&-", 0, "ner_crf", ""),
        ("<&-", 0, "ner_crf", ""),
        ("<&- >&- 2>&-", 2, "", ""),
    ],
)
def test_any_standard_stream_may_be_closed(streams, status, printed, said):
    paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m swiftrnn list {streams}'],
        capture_output=True,
        text=True,
        env={**os.environ, **paths},
    )
    assert done.returncode == status
    assert done.stdout.count("\n") > 5 if printed else not done.stdout
    assert printed in done.stdout
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)


def test_any_bytes_go_through_where_a_text_is_continued(streams):
    out = streams(b"\xff\xc3\xbc")
    (given,) = console.given(())
    console.show(Text(any_bytes=True).read(given))
    assert out.getvalue() == b"\xff\xc3\xbc"


@pytest.mark.parametrize("locale", [ASCII, {**ASCII, "PYTHONIOENCODING": "latin-1"}, {}])
def test_words_of_the_command_line_are_utf_8_in_any_locale(locale):
    code = (
        "import sys; from swiftrnn.deploy import console as c; from swiftrnn.tasks.text import Text"
        "; c.show(Text().read(c.given((sys.argv[1],))[0]))"
    )
    command = [sys.executable, "-c", code, TEXT]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **locale})
    assert done.stdout == TEXT.encode(), done.stderr.decode()
    command[-1] = "Jürgen".encode("latin-1")
    done = subprocess.run(command, capture_output=True, env={**os.environ, **locale})
    assert b"got the byte 0xfc at byte 1" in done.stderr
