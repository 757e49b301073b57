"""What `predict` reads and prints is UTF-8, and places count characters, in any locale."""

import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from swiftrnn import cli, console
from swiftrnn.data.entities import Entity
from swiftrnn.deploy import predict

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


@pytest.fixture
def tagger(monkeypatch):
    """A trained tagger that finds every word Jürgen and Köln, in place of one from a folder."""

    def found(_, text):
        words = [(text.index(word), word) for word in ("Jürgen", "Köln") if word in text]
        return tuple(Entity(at, at + len(word), "name", word, 0.5) for at, word in words)

    style = SimpleNamespace(vocabulary=SimpleNamespace(how="words"))
    trained = SimpleNamespace(name="ner_crf", model=style, recipe=SimpleNamespace(predict=found))
    monkeypatch.setattr(predict, "load", lambda _: trained)
    return trained


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
    said = "a text in UTF-8; got the byte 0xfc at byte 1 of standard input; convert it"
    assert said in capsys.readouterr().err


def test_surrogates_are_refused_where_places_are_counted(tagger):
    for text in ("a \ud83d\ude00", "\udcff"):
        with pytest.raises(ValueError, match=r"a text in Unicode; got the surrogate .* at charac"):
            predict.found(tagger, text, "jsonl")


def test_a_closed_standard_input_gets_one_line(tagger, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert cli.main(["predict", "run"]) == 2
    assert "a text as INPUT or on standard input; got neither" in capsys.readouterr().err


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
    (text,) = console.given((), any_bytes=True)
    console.show(text)
    assert out.getvalue() == b"\xff\xc3\xbc"


@pytest.mark.parametrize("locale", [ASCII, {**ASCII, "PYTHONIOENCODING": "latin-1"}, {}])
def test_words_of_the_command_line_are_utf_8_in_any_locale(locale):
    code = "import sys; from swiftrnn import console as c; [c.show(c.given(('{0}',))[0])]"
    code = code.replace("('{0}',)", "(sys.argv[1],)")
    command = [sys.executable, "-c", code, TEXT]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **locale})
    assert done.stdout == TEXT.encode(), done.stderr.decode()
    command[-1] = "Jürgen".encode("latin-1")
    done = subprocess.run(command, capture_output=True, env={**os.environ, **locale})
    assert b"got the byte 0xfc at byte 1 of INPUT 1" in done.stderr


@pytest.mark.parametrize("words", [("--length", "3"), ("--temperature", "0.5"), ("--top-k", "2"),
                                   ("--seed", "1")])  # fmt: skip
def test_options_that_mean_nothing_for_a_tagger_are_refused(tagger, capsys, words):
    assert cli.main(["predict", "run", "a text", *words]) == 2
    said = f"mean something for ner_crf, which finds names; got {words[0]} {words[1]}; leave it out"
    assert said in capsys.readouterr().err


def test_options_that_mean_nothing_for_a_language_model_are_refused(tagger, capsys):
    tagger.name = "language_model"
    assert cli.main(["predict", "run", "a text", "--format", "jsonl"]) == 2
    assert "which continues texts; got --format jsonl; leave it out" in capsys.readouterr().err
