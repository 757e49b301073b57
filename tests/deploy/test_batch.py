"""Files of inputs in, files of answers out: every form, every bad row, and after every kill."""

import csv
import json
import os
import random
import re
import signal
import time

import pyarrow
import pytest
from pyarrow import parquet
from tests.deploy import loud
from tests.processes import context

from swiftrnn import cli
from swiftrnn.deploy.batch import journal, lines, loop, pool
from swiftrnn.deploy.batch import rows as row_module

TEXTS = [
    "plain",
    'commas, "quotes" and\ttabs',
    "two\nlines\rand\r\nmore",
    "Zoë 👩‍🚀 e\u0301 \u2028\x85\x0b",
    "",
    "  blanks  ",
    "'single' \\ back",
    "中文。",
    "=1+1",
    '"',
]
PROGRESS = r"predict +\d+%  \d+ rows  [\d,]+ rows/s  \d:\d\d left"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The words that name a run; what lies in this folder is found by its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return loud.made(tmp_path)


@pytest.fixture
def predict(run, capsys):
    """Runs the command and gives what it wrote, as rows; it must not write to standard error."""

    def predict(given, out, *words):
        capsys.readouterr()
        assert cli.main(["predict", *run, "--input", given, "--output", out, *words]) == 0
        _, errors = capsys.readouterr()
        assert "error" not in errors
        return read(out)

    return predict


@pytest.fixture
def refused(run, capsys):
    """The one line that a command gets."""

    def refused(*words):
        status = cli.main(["predict", *run, *map(str, words)])
        printed, errors = capsys.readouterr()
        complaint = errors.splitlines()[-1]
        assert (status, printed, complaint[:7]) == (2, "", "error: "), errors
        return complaint

    return refused


def write(path, rows):
    """A file of rows, each a dict of texts."""
    kind = path.suffix
    if kind == ".txt":
        path.write_bytes(b"".join(row["text"].encode() + b"\n" for row in rows))
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(
                file, list(rows[0]), delimiter={".csv": ",", ".tsv": "\t"}[kind]
            )
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


def read(path):
    """The rows of a file, each a dict; cells as the file has them."""
    path = os.fspath(path)
    if path.endswith(".jsonl"):
        with open(path, "rb") as file:
            return [json.loads(line) for line in file.read().split(b"\n")[:-1]]
    if path.endswith(".parquet"):
        return parquet.read_table(path).to_pylist()
    with open(path, newline="", encoding="utf-8") as file:
        if path.endswith(".txt"):
            return file.read().split("\n")[:-1]
        return list(csv.DictReader(file, delimiter="\t" if path.endswith(".tsv") else ","))


@pytest.fixture
def several(tmp_path):
    """A file of 100 lines."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"line {i}\n" for i in range(100)))
    return "in.txt"


# forms


@pytest.mark.parametrize("into", [".jsonl", ".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_columns_and_answers_come_out_of_every_form_as_they_went_in(predict, tmp_path, kind, into):
    given = [{"id": f"{i:03}", "text": text} for i, text in enumerate(TEXTS)]
    path = write(tmp_path / f"in{kind}", given)
    found = predict(path, f"out{into}", "--batch", "3")
    assert list(found[0]) == ["row", "id", "text", "loud", "size", "error"]
    number = str if into in (".csv", ".tsv") else int
    assert [each["row"] for each in found] == [number(i) for i in range(len(given))]
    assert [{"id": e["id"], "text": e["text"]} for e in found] == given
    assert [each["loud"] for each in found] == [text.upper() for text in TEXTS]
    assert [float(each["size"]) for each in found] == [len(text) for text in TEXTS]
    assert {each["error"] for each in found} == {"" if number is str else None}


@pytest.mark.parametrize("into", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_each_line_of_a_text_is_an_input(predict, tmp_path, into):
    (tmp_path / "in.txt").write_bytes("\ufeffone\r\n\ntwo\x0bthree\n\ufefffour".encode())
    found = predict("in.txt", f"out{into}")
    assert [each["text"] for each in found] == ["one", "", "two\x0bthree", "\ufefffour"]
    assert [each["loud"] for each in found] == ["ONE", "", "TWO\x0bTHREE", "\ufeffFOUR"]


def test_each_file_of_a_folder_is_an_input(predict, tmp_path):
    for name in ("b.txt", "a/z.bin", "a/B.txt", ".hidden", "a/.git/x"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "in" / "bad").write_bytes(b"\xff")
    found = predict("in", "out.jsonl")
    assert [(each["file"], each["loud"]) for each in found] == [
        ("a/B.txt", "A/B.TXT"), ("a/z.bin", "A/Z.BIN"), ("b.txt", "B.TXT"), ("bad", None)
    ]  # fmt: skip
    assert "UTF-8" in found[-1]["error"]


def test_a_text_holds_a_line_for_each_input(predict, tmp_path):
    path = write(tmp_path / "in.jsonl", [{"text": text} for text in [*TEXTS, "no answer", "nan"]])
    found = predict(path, "out.txt", "--mark", "!")
    assert len(found) == len(TEXTS) + 2
    said = [json.loads(e) if e.startswith('"') else e for e in found]
    sizes = [float(len(text)) for text in TEXTS]
    assert said[: len(TEXTS)] == [f"{t.upper()}!\n{n}" for t, n in zip(TEXTS, sizes, strict=True)]
    assert said[-2:] == ["error: nobody answers that", "NAN!\nnan"]


def test_one_line_stays_as_it_is(monkeypatch, tmp_path):
    from swiftrnn.deploy.batch import outputs

    given = ["a", "", '"', "a\u2028b", "x\n"]
    found = [outputs._in_a_line({"line": each, "error": None}).decode() for each in given]
    assert found == ["a\n", "\n", '"\\""\n', '"a\\u2028b"\n', '"x\\n"\n']


def test_types_of_a_parquet_file_stay_as_they_are(predict, tmp_path):
    import datetime
    from decimal import Decimal

    when = datetime.datetime(2026, 1, 31, 12, 0, 0, 5)
    columns = {
        "text": pyarrow.array(["a", "b", None]),
        "when": pyarrow.array([when, None, when], pyarrow.timestamp("us", "UTC")),
        "price": pyarrow.array([Decimal("1.10"), None, Decimal("2.00")]),
        "raw": pyarrow.array([b"\xff\0", b"", None]),
        "list": pyarrow.array([[1, 2], [], None]),
        "map": pyarrow.array([[("k", 1)], [], None], pyarrow.map_(pyarrow.string(), "int8")),
        "kind": pyarrow.array(["x", "y", "x"]).dictionary_encode(),
        "part": pyarrow.array([0.5, float("nan"), float("inf")], pyarrow.float32()),
        "deep": pyarrow.array([{"a": [when]}, {"a": None}, None]),
        "day": pyarrow.array([when.date(), None, None]),
    }
    table = pyarrow.table(columns)
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=2)
    predict("in.parquet", "out.parquet")
    found = parquet.read_table("out.parquet")
    assert found.schema.names == ["row", *columns, "loud", "size", "error"]
    assert found.select(list(columns)).schema.equals(table.schema)
    assert repr(found.select(list(columns)).to_pylist()) == repr(table.to_pylist())
    assert found["size"].type == pyarrow.float64()
    assert found["error"].to_pylist()[:2] == [None, None]
    assert "a text needs to be a string; got NoneType" in found["error"].to_pylist()[2]
    plain = predict("in.parquet", "out.jsonl")[0]
    assert plain["when"] == "2026-01-31T12:00:00.000005+00:00"
    assert (plain["price"], plain["raw"], plain["map"]) == ("1.10", "/wA=", [["k", 1]])
    assert [each["part"] for each in read("out.jsonl")] == [0.5, None, None]


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_a_parquet_file_is_read_and_written_some_rows_at_a_time(
    predict, tmp_path, monkeypatch, kind
):
    from swiftrnn.deploy.batch import parquet as ours

    given = [{"text": f"{i}" * 50} for i in range(20)]
    path = write(tmp_path / f"in{kind}", given)
    for rows, size in ((6, 1 << 20), (100, 300)):
        monkeypatch.setattr(ours, "GROUP", rows)
        monkeypatch.setattr(ours, "LARGE", size)
        found = predict(path, f"{size}.parquet")
        assert [(each["row"], each["text"]) for each in found] == [
            (i, each["text"]) for i, each in enumerate(given)
        ]
        assert parquet.ParquetFile(f"{size}.parquet").num_row_groups > 3


def test_types_of_json_become_those_of_a_table(predict, tmp_path):
    given = [
        {"text": "a", "n": 1, "x": 1, "flag": True, "mixed": "5", "large": 1 << 60, "more": [1]},
        {"text": "b", "n": None, "x": 0.5, "mixed": 5, "late": "here", "more": {"k": "v"}},
    ]
    path = write(tmp_path / "in.jsonl", given)
    found = predict(path, "out.parquet")
    assert [found[0][n] for n in ("n", "x", "flag", "mixed", "large", "more", "late")] == [
        1, 1.0, True, "5", str(1 << 60), "[1]", None
    ]  # fmt: skip
    assert [found[1][n] for n in ("n", "x", "flag", "mixed", "large", "more", "late")] == [
        None, 0.5, None, "5", None, '{"k": "v"}', "here"
    ]  # fmt: skip
    assert predict(path, "out.csv")[1] == {
        "row": "1", "text": "b", "n": "", "x": "0.5", "flag": "", "mixed": "5", "large": "",
        "more": '{"k": "v"}', "late": "here", "loud": "B", "size": "1.0", "error": "",
    }  # fmt: skip


def test_an_input_may_be_any_json(predict, tmp_path):
    given = [{"text": each} for each in ("a", 5, None, ["a"], {"text": "a"}, True)]
    found = predict(write(tmp_path / "in.jsonl", given), "out.jsonl")
    assert [each["text"] for each in found] == [each["text"] for each in given]
    assert [each["loud"] for each in found] == ["A", *[None] * 5]
    assert all("a text needs to be a string; got" in each["error"] for each in found[1:])


def test_a_file_without_rows_gives_one(predict, tmp_path):
    for kind, content in ((".txt", ""), (".jsonl", "\n \n"), (".csv", "text,b\n\n")):
        (tmp_path / f"in{kind}").write_text(content)
        for into in (".jsonl", ".csv", ".parquet", ".txt"):
            assert predict(f"in{kind}", f"{kind[1:]}{into}") == []
    assert (tmp_path / "csv.csv").read_text() == "row,text,b,loud,size,error\n"


# bad rows


def test_a_bad_row_is_a_row_with_an_error(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "FIRST", 5)
    deep = b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}\n"
    content = (
        b'{"text": "a", "id": 1}\n{"text": "b"\n[1]\n{"id": 2}\n{"text": "\xff"}\n\n'
        b'{"text": "no answer"}\n{"text": "\\ud800", "id": 3}\n{"text": "nan"}\n'
        b'{"text": NaN}\n{"text": 1e999}\n{"text": "c", "error": "mine"}\n' + deep
        + b'{"text": "z", "id": ' + b"9" * 5000 + b'}\n{"text": "d"}'
    )  # fmt: skip
    (tmp_path / "in.jsonl").write_bytes(content)
    found = predict("in.jsonl", "out.jsonl")
    assert [e["row"] for e in found] == list(range(14))
    assert [e["row"] for e in found if e["error"] is None] == [0, 13]
    assert [e["row"] for e in found if e["loud"] is None] == list(range(1, 13))
    wanted = {
        1: "a line needs a JSON object; got Expecting",
        2: "a line needs a JSON object; got list",
        3: "a row needs the key text; got id",
        4: "got the byte 0xff at byte 10",
        5: "nobody answers that",
        6: "got the surrogate '\\ud800'",
        7: "not JSON compliant",
        8: "NaN, which is no JSON",
        9: "1e999, which is too large",
        10: "a row needs no error, as OUTPUT has its own",
        11: "more than 100 levels",
        12: "Exceeds the limit",
    }
    assert {n: text in found[n]["error"] for n, text in wanted.items()} == dict.fromkeys(
        wanted, True
    )
    assert all("\n" not in (e["error"] or "") for e in found)
    assert (found[3]["id"], found[6]["id"], found[6]["text"]) == (2, 3, "\N{REPLACEMENT CHARACTER}")
    assert found[10]["text"] == "c"


def test_a_bad_row_of_a_table_is_a_row_with_an_error(predict, tmp_path):
    content = b'id,text\n1,a\n2\n3,b,c\n"4"x,d\n5,"\xff"\n\n6,"e\nf"\n7,g\rh\n8,no answer\n9,"i'
    (tmp_path / "in.csv").write_bytes(content)
    for into in (".jsonl", ".csv", ".parquet"):
        found = predict("in.csv", f"out{into}")
        assert [e["loud"] or None for e in found] == ["A", *[None] * 4, "E\nF", *[None] * 3]
        assert [e.get("id") or None for e in found] == [
            "1",
            "2",
            "3",
            None,
            "5",
            "6",
            None,
            "8",
            None,
        ]
        wrong = [e["error"] or "" for e in found]
        assert "a row needs 2 cells, as the header has; got 1" in wrong[1]
        assert "got 3" in wrong[2]
        assert "a row needs its cells quoted in full; got: ',' expected after '\"'" in wrong[3]
        assert "got the byte 0xff at byte 0" in wrong[4]
        assert "new-line character" in wrong[6]
        assert wrong[7] == "nobody answers that"
        assert "unexpected end of data" in wrong[8]


def test_a_bad_line_of_a_text_is_a_row_with_an_error(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MOST", 20)
    (tmp_path / "in.txt").write_bytes(
        b"a\n" + b"x" * 50 + b"\n\xc3\xa4\xff\n" + b"y" * 19 + b"\nno answer\nb"
    )
    found = predict("in.txt", "out.jsonl", "--batch", "2")
    assert [e["loud"] for e in found] == ["A", None, None, "Y" * 19, None, "B"]
    assert "a line needs at most" in found[1]["error"]
    assert "got the byte 0xff at byte 2" in found[2]["error"]
    assert found[2]["text"] == "ä\N{REPLACEMENT CHARACTER}"


def test_every_other_input_of_a_batch_is_answered_once_or_in_halves(predict, tmp_path):
    texts = [f"t{i}" for i in range(40)]
    texts[3] = texts[17] = texts[39] = "no answer"
    found = predict(write(tmp_path / "in.txt", [{"text": t} for t in texts]), "out.jsonl")
    assert [e["row"] for e in found if e["error"]] == [3, 17, 39]
    assert [e["loud"] for e in found if not e["error"]] == [
        t.upper() for t in texts if t != "no answer"
    ]


def test_the_last_line_says_how_many_rows_have_an_error(run, tmp_path, capsys):
    write(tmp_path / "in.txt", [{"text": t} for t in ("a", "no answer", "no answer")])
    assert cli.main(["predict", *run, "--input", "in.txt", "--output", "o.csv"]) == 0
    said = "o.csv: 3 rows, 2 with an error (the first: row 1, nobody answers that)\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_fault_of_ours_is_no_row(run, tmp_path, several, monkeypatch, processes):
    monkeypatch.setattr(pool, "ALONE", -1.0)
    with open(several, "a") as file:
        file.write("a fault\n")
    words = ["predict", *run, "--input", several, "--output", "o.csv", "--processes", processes]
    with pytest.raises(TypeError, match="a fault of ours"):
        cli.main([*words, "--batch", "10"])
    assert not (tmp_path / "o.csv").exists()


# going on


def answered(tmp_path):
    path = tmp_path / "answered"
    return [eval(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_wherever_it_was_cut_the_rest_is_answered_and_nothing_twice(
    predict, run, several, tmp_path, monkeypatch
):
    whole = predict(several, "whole.jsonl", "--batch", "7")
    kept = tmp_path / ".cut.jsonl.journal"

    def fail(*_):
        raise ChildProcessError

    with monkeypatch.context() as changed:
        changed.setattr(loop, "_whole", fail)
        words = ["predict", *run, "--input", several, "--output", "cut.jsonl", "--batch", "7"]
        assert cli.main(words) == 2
    content = kept.read_bytes()
    starts = [i + 1 for i, c in enumerate(content) if c == 10]
    assert len(starts) == 101
    for cut in [0, 5, *starts[::9], *(s - 1 for s in starts[::9]), *(s + 7 for s in starts[:-1:9])]:
        kept.write_bytes(content[:cut])
        (tmp_path / "answered").unlink(missing_ok=True)
        assert predict(several, "cut.jsonl", "--batch", "7") == whole
        done = max(0, content[:cut].count(b"\n") - 1)
        assert answered(tmp_path) == [f"line {i}" for i in range(done, 100)]
        assert not kept.exists()
        (tmp_path / "cut.jsonl").unlink()


@pytest.mark.parametrize("hurt", [b"\0" * 30, b'{"row": 99}\n', b'{"row": 3, "lo', b"\n", b"[]\n"])
def test_what_a_machine_without_power_left_is_answered_again(
    predict, run, several, tmp_path, monkeypatch, hurt
):
    whole = predict(several, "whole.jsonl")
    kept = tmp_path / ".cut.jsonl.journal"
    with monkeypatch.context() as changed:
        changed.setattr(loop, "_whole", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cli.main(["predict", *run, "--input", several, "--output", "cut.jsonl"])
    rows = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(rows[:41]) + hurt + b"".join(rows[42:]))
    (tmp_path / "answered").unlink()
    assert predict(several, "cut.jsonl") == whole
    assert answered(tmp_path) == [f"line {i}" for i in range(40, 100)]


def killed(words, seconds):
    """A command in another process that is killed after some time; whether it was still there."""
    process = context().Process(target=loud.command, args=words)
    process.start()
    process.join(seconds)
    lived = process.is_alive()
    os.kill(process.pid, signal.SIGKILL) if lived else None
    process.join()
    return lived


def test_a_journal_that_is_opened_holds_nothing_but_rows(tmp_path):
    path, about = tmp_path / "journal", {"run": "x"}
    for hurt in (b"", b'{"row": 2, "a', b'{"row": 3}\n{"row": 4}\n'):
        found = journal.Journal(path, about, anew=True)
        found.add(b'{"row": 0}\n{"row": 1}\n')
        found.close()
        whole = path.read_bytes()
        path.write_bytes(whole + hurt)
        again = journal.Journal(path, about)
        again.close()
        assert (again.rows, path.read_bytes()) == (2, whole)
        assert list(again.lines()) == [b'{"row": 0}\n', b'{"row": 1}\n']


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_at_any_moment_it_goes_on_to_the_same_rows(predict, run, tmp_path):
    texts = [{"text": f"line {i}"} for i in range(2000)]
    path = write(tmp_path / "in.jsonl", texts)
    whole = predict(path, "whole.csv", "--batch", "5")
    draw = random.Random(1)
    (tmp_path / "seconds").write_text("0.01")
    words = [*run, "--input", path, "--output", str(tmp_path / "out.csv"), "--batch", "5"]
    kills = 0
    while kills < 4:
        kills += killed([*words, "--processes", str(1 + kills % 2)], draw.uniform(0.2, 1.2))
        if (tmp_path / "out.csv").exists():
            break
    assert kills
    assert predict(path, "out.csv", "--batch", "5") == whole if not (
        tmp_path / "out.csv").exists() else read(tmp_path / "out.csv") == whole  # fmt: skip
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert left <= {".out.csv.lock"}


def test_an_interrupted_command_says_how_to_go_on(run, several, tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(journal.Journal, "add", stop)
        words = ["predict", *run, "--input", several, "--output", "o.csv"]
        assert cli.main(words) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from there\n"
    assert cli.main(words) == 0


def test_another_work_is_refused_and_done_anew(
    predict, refused, run, several, tmp_path, monkeypatch
):
    with monkeypatch.context() as changed:
        changed.setattr(loop, "_whole", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cli.main(["predict", *run, "--input", several, "--output", "o.txt"])
    words = ("--input", several, "--output", "o.txt")
    assert (
        "needs the work that it began with; got, in .o.txt.journal, --mark , which is now !; give "
        "--anew to start over, or another --output"
    ) in refused(*words, "--mark", "!")
    os.utime(several, (1, 1))
    assert "--input modified 2" in refused(*words)
    assert "which is now 1970-01-01 00:00:01.000000000 UTC; give --anew" in refused(*words)
    assert predict(several, "o.txt", "--anew")[99] == '"LINE 99\\n7.0"'


def test_a_file_that_is_no_journal_is_left_alone(refused, several, tmp_path):
    for content in (b"mine\n", b"[1]\n", b'{"swiftrnn predict": 3}\n'):
        (tmp_path / ".o.csv.journal").write_bytes(content)
        said = refused("--input", several, "--output", "o.csv")
        assert "needs .o.csv.journal for its own; got something else there" in said
        assert (tmp_path / ".o.csv.journal").read_bytes() == content


def test_an_input_that_changes_meanwhile_is_refused(refused, several, monkeypatch):
    add = journal.Journal.add

    def grows(self, lines):
        with open(several, "a") as file:
            file.write("more\n")
        add(self, lines)

    monkeypatch.setattr(journal.Journal, "add", grows)
    said = refused("--input", several, "--output", "o.csv")
    assert "needs an --input that stays as it is; got in.txt, which changed meanwhile" in said


# several processes


def test_several_processes_give_the_same_rows_in_the_same_order(
    predict, several, tmp_path, monkeypatch
):
    with open(several, "a") as file:
        file.writelines(f"more {i}\n" for i in range(400))
    whole = predict(several, "one.jsonl", "--processes", "1", "--batch", "3")
    monkeypatch.setattr(pool, "ALONE", -1.0)
    (tmp_path / "slow").write_text(str(os.getpid()))  # so that the others do most of it
    assert predict(several, "two.jsonl", "--processes", "2", "--batch", "3") == whole
    assert (tmp_path / "others").exists()


def test_a_process_that_dies_gets_one_line_and_nothing_is_lost(
    predict, refused, several, tmp_path, monkeypatch
):
    monkeypatch.setattr(pool, "ALONE", -1.0)
    (tmp_path / "slow").write_text(str(os.getpid()))  # the one that does not die
    with open(several, "w") as file:
        file.write("die\nlast\n" * 500)
    said = refused("--input", several, "--output", "o.jsonl", "--processes", "2", "--batch", "10")
    assert "got one that died" in said
    assert "the same command goes on from there" in said
    found = predict(several, "o.jsonl", "--processes", "2", "--batch", "10")
    assert [e["row"] for e in found] == list(range(1000))
    assert {e["error"] for e in found} == {None}


def test_batches_hold_so_many_rows_or_so_many_bytes(several, tmp_path, monkeypatch):
    source = lines.Lines(tmp_path / several, "text")
    found = [(b.first, len(b.given)) for b in row_module.batches(source, 13, 40)]
    assert found == [(13, 40), (53, 40), (93, 7)]
    monkeypatch.setattr(row_module, "AT_ONCE", 14)  # two lines of seven bytes
    assert [len(b.given) for b in row_module.batches(source, 0, 40)][:3] == [2, 2, 2]
    with pytest.raises(ValueError, match="with 100 rows, of which 101 are answered"):
        list(row_module.batches(source, 101, 40))


def test_two_commands_do_not_write_one_file(refused, several, run, tmp_path):
    (tmp_path / "seconds").write_text("0.3")
    words = [*run, "--input", str(tmp_path / several), "--output", str(tmp_path / "o.csv")]
    process = context().Process(target=loud.command, args=[*words, "--batch", "1"])
    process.start()
    while not (tmp_path / ".o.csv.journal").exists():
        time.sleep(0.05)
        assert process.is_alive()
    said = refused("--input", several, "--output", "o.csv")
    process.kill()
    process.join()
    wanted = f"--output is for one process at a time; got o.csv, which process {process.pid} writes"
    assert wanted in said


# refusals


def test_what_makes_no_sense_gets_one_line(refused, several, tmp_path):
    (tmp_path / "in.csv").write_text("id,body\n1,a\n")
    (tmp_path / "in.jsonl").write_text('{"id": 1, "body": "a"}\n')
    parquet.write_table(pyarrow.table({"id": [1]}), tmp_path / "in.parquet")
    for name, content in {
        "empty.csv": "", "twice.csv": "text,text\na,b\n", "taken.csv": "text,row,loud\n",
        "broken.parquet": "PAR1", "in.doc": "x", "quoted.csv": '"text\n', "no.csv": "a,,b\n",
        "taken.jsonl": '{"text": "a", "size": 3}\n',
    }.items():  # fmt: skip
        (tmp_path / name).write_text(content)
    (tmp_path / "wide.txt").write_text("x", encoding="utf-16")
    (tmp_path / "files").mkdir()
    (tmp_path / "there.csv").write_text("mine")
    out = ("--output", "o.csv")
    for words, wanted in (
        (("--input", several), "--input needs an --output; got --input in.txt alone"),
        (("--output", "o.csv"), "--output needs a --input"),
        (("--batch", 5), "--batch needs a --input"),
        (("--anew",), "--anew needs a --input"),
        (("hello", "--input", several, *out), "either INPUT or --input; got 'hello'"),
        (("--input", "nosuch.txt", *out), "got nosuch.txt, which does not exist"),
        (("--input", "in.doc", *out), "ends in .txt, .conll, .csv, .tsv, .jsonl, .parquet, or a"),
        (("--input", several, "--output", "o.doc"), "ends in .jsonl, .csv, .tsv, .parquet, .txt"),
        (("--input", "in.csv", *out), "got no 'text' in in.csv, whose columns are id, body; name"),
        (("--input", "in.jsonl", *out), "got no 'text' in in.jsonl, whose columns are id, body"),
        (("--input", "in.parquet", *out), "got no 'text' in in.parquet, whose columns are id;"),
        (("--input", several, *out, "--column", "x"), "--column needs an --input with columns"),
        (("--input", "empty.csv", *out), "a different name for each column; got none in empty.csv"),
        (("--input", "twice.csv", *out), "a different name for each column; got text, text in"),
        (("--input", "no.csv", *out), "a different name for each column; got a, , b in"),
        (("--input", "quoted.csv", *out), "unexpected end of data"),
        (("--input", "taken.csv", *out), "are row, loud, size, error; got row, loud in taken.csv"),
        (("--input", "taken.jsonl", *out), "got size in taken.jsonl; rename"),
        (("--input", "broken.parquet", *out), "needs a Parquet file; got broken.parquet"),
        (("--input", "wide.txt", *out), "needs UTF-8; got UTF-16 in wide.txt"),
        (("--input", several, "--output", "there.csv"), "got there.csv, which is there; remove it"),
        (("--input", several, "--output", "no/o.csv"), "a folder that can be written to; got no ("),
        (("--input", "files", "--output", "files/o.csv"), "an --output outside of --input; got"),
        (("--input", several, *out, "--format", "text"), "--format needs an --output that ends in"),
        (("--input", several, "--output", "o.txt", "--format", "jsonl"), "end it in .jsonl"),
        (("--input", several, "--output", "o.txt", "--format", "x"), "--format needs one of text"),
        (("--input", several, *out, "--batch", 0), "--batch needs a whole number from 1 to 65,536"),
    ):  # fmt: skip
        assert wanted in refused(*words)
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_task_whose_input_and_answer_have_one_name_takes_tables_only(run, refused, tmp_path):
    (code,) = tmp_path.glob("loud*/__init__.py")
    code.write_text(code.read_text().replace('Text(name="loud")', "Text()"))
    write(tmp_path / "in.txt", [{"text": "a"}])
    said = refused("--input", "in.txt", "--output", "o.csv")
    assert "got text in in.txt; give a .csv, whose column can have any name, and --column" in said
    write(tmp_path / "in.csv", [{"words": "a"}])
    words = ["--input", "in.csv", "--output", "o.jsonl", "--column", "words"]
    assert cli.main(["predict", *run, *words]) == 0
    assert read("o.jsonl")[0] == {"row": 0, "words": "a", "text": "A", "size": 1.0, "error": None}


def test_a_missing_extra_gets_one_line(refused, several, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "pyarrow" else find(n))
    said = refused("--input", several, "--output", "o.parquet")
    assert (
        "needs the extra parquet; pyarrow is missing; run pip install 'swiftrnn[parquet]'" in said
    )


def test_progress_says_rows_rate_and_time_left(run, several, capsys):
    words = ["predict", *run, "--input", several, "--output", "o.csv", "--batch", "10"]
    assert cli.main(words) == 0
    shown = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(PROGRESS, line) for line in shown[1:]), shown
    assert len(shown) > 5


def test_full_disks_lose_nothing(predict, run, several, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as changed:
        changed.setattr(os, "fsync", full)
        words = ["predict", *run, "--input", several, "--output", "o.csv"]
        assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert (
        "needs room beside o.csv; got: No space left on device; nothing that was answered" in said
    )
    assert len(predict(several, "o.csv")) == 100
