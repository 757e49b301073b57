"""Run folders: whole files or none, and refusals that leave everything as it was."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from swiftrnn.runs import folder, settings


def test_a_new_folder_is_made_and_an_empty_one_taken(tmp_path):
    assert folder.create(tmp_path / "a" / "b", "x").is_dir()
    assert not list(folder.create(tmp_path / "a" / "b", "x").iterdir())


def test_two_runs_in_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [folder.create(None, "compare") for _ in range(3)]
    assert len(set(made)) == 3
    assert all(path.parent == Path("runs") and path.name.startswith("compare-") for path in made)


def test_processes_that_start_at_once_get_a_folder_each(tmp_path):
    code = (
        "import sys, time; from swiftrnn.runs import folder; sys.stdin.read(1); "
        "folder.time.strftime = lambda _: 'now'; "
        "print(*(folder.create(None, 'x') for _ in range(20)), sep='\\n')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": tmp_path}
    four = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(4)]
    for process in four:
        process.stdin.write("x")
        process.stdin.flush()
    made = [line for process in four for line in process.communicate(timeout=60)[0].split()]
    assert len(made) == len(set(made)) == 80
    assert len(list((tmp_path / "runs").iterdir())) == 80


def test_what_a_killed_process_left_of_its_lock_is_no_content(tmp_path):
    (tmp_path / folder.LOCK).touch()
    assert folder.create(tmp_path, "x") == tmp_path


def ended(out, end, *names):
    """The folder of a run that wrote these files and ended with an error."""
    with pytest.raises(end), folder.new(out, "x") as made:
        written_then(end, made, names)
    return made


def written_then(end, made, names):
    for name in names:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).touch()
    raise end


def test_a_run_that_fails_before_it_began_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in (None, tmp_path / "a" / "b"):
        ended(out, ValueError, "config.json", "seed-0/vocabulary.json")
        assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    ended(tmp_path / "mine", ValueError, "config.json")
    assert [*tmp_path.rglob("*")] == [tmp_path / "mine"]


@pytest.mark.parametrize("name", ["seed-0/checkpoints/last.ckpt", "train.log"])
@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt])
def test_a_run_that_began_keeps_its_folder(tmp_path, name, end):
    made = ended(tmp_path / "a", end, "config.json", name)
    kept = {str(p.relative_to(made)) for p in made.rglob("*") if p.is_file()}
    assert kept == {"config.json", name}


def test_an_interrupted_run_keeps_its_settings(tmp_path):
    made = ended(tmp_path / "a", KeyboardInterrupt, "config.json")
    assert [each.name for each in made.iterdir()] == ["config.json"]


def test_of_two_runs_that_found_one_folder_empty_the_second_is_refused(tmp_path, monkeypatch):
    real = folder.create

    def slow(out, *args):  # another process makes a whole run just now
        made = real(out, *args)
        (made / "metrics.json").touch()
        return made

    monkeypatch.setattr(folder, "create", slow)
    with pytest.raises(ValueError, match="empty folder"), folder.new(tmp_path, "x"):
        raise AssertionError
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.json"]


def test_the_newest_run_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("compare-2026-01-02-0", "compare-2025-12-31-2", "other-2027-01-01-0"):
        out = tmp_path / "runs" / name
        out.mkdir(parents=True)
        (out / "config.json").write_text("{}")
    assert folder.newest("compare").name == "compare-2026-01-02-0"
    with pytest.raises(FileNotFoundError, match="got no runs/lstm-"):
        folder.newest("lstm")


def test_a_failed_write_leaves_the_file_before(tmp_path):
    path = tmp_path / "metrics.json"
    folder.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json(path, {"a": float("nan")})
    with contextlib.suppress(RuntimeError), folder.whole(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert folder.read_json(path) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.json"]


DAMAGED = {
    "empty": b"", "cut": b'{"a": 1', "list": b"[1]", "latin": b"\xff\xfe", "null": b"null",
    "other": b'{"b": 1}', "deep": b'{"a": ' + b"[" * 100_000, "nul": b'{"a": 1}\0', "text": b'"a"',
    "nan": b'{"a": NaN}', "infinite": b'{"a": [-Infinity]}', "large": b'{"a": 1e999}',
    "digits": b'{"a": ' + b"9" * 5000 + b"}", "twice": b'{"a": 1, "a": 2}',
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json.*train again"):
        folder.read_json(path, needs=("a",))


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"readable config\.json; got .*Is a directory"):
        folder.read_json(make(tmp_path / "config.json"))


def make(path):
    path.mkdir()
    return path


CONTENT = {"a": [1, 2.5, "ä\u2028", None, True], "b": {"path": Path("x/y"), "tuple": (1,)}}


def test_whichever_byte_is_damaged_no_other_content_is_read(tmp_path):
    path = tmp_path / "config.json"
    folder.write_json(path, CONTENT)
    good, content = folder.read_json(path), path.read_bytes()
    assert good == {"a": CONTENT["a"], "b": {"path": "x/y", "tuple": [1]}}
    refused = 0
    for place in range(len(content)):
        bit = 1 << place % 7
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = folder.read_json(path)
        except ValueError:
            refused += 1
        else:
            assert {key: found.get(key) for key in good} == good, (place, bit)
    assert refused > len(content) / 2


def test_files_of_older_versions_and_changes_on_purpose_are_read(tmp_path):
    path = tmp_path / "config.json"
    folder.write_json(path, {"a": 1})
    changed = path.read_text().replace("1,", "2,")
    path.write_text(changed)
    with pytest.raises(ValueError, match=r"as it was written; .*take the line \"checksum\" out"):
        folder.read_json(path)
    path.write_text('{"a": 2}')
    assert folder.read_json(path) == {"a": 2}
    folder.write_json(path, {"a": 3}, checked=False)
    assert path.read_text() == '{\n  "a": 3\n}\n'


def test_a_number_is_read_and_nothing_else(tmp_path):
    path = tmp_path / "best.json"
    folder.write_json(path, {"f1": 3})
    assert folder.number(path, "f1") == 3
    for other in ({}, {"f1": "3"}, {"f1": None}, {"f1": True}, {"f1": [3]}):
        folder.write_json(path, other)
        with pytest.raises(ValueError, match=r"best\.json.*f1"):
            folder.number(path, "f1")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs config\.json; got none in"):
        folder.read_json(tmp_path / "config.json")


PATH = Path("config.json")


@dataclass(frozen=True)
class Settings:
    hidden: int = 4
    layers: tuple[str, ...] = ("a", "b")
    text: Path | None = None


def test_saved_settings_come_back(tmp_path):
    path = tmp_path / "config.json"
    before = Settings(8, ("a",), Path("x"))
    folder.write_json(path, vars(before))
    assert settings.resumed(Settings(), folder.read_json(path), path, "it") == before
    assert settings.resumed(before, folder.read_json(path), path, "it") == before


def test_what_was_typed_must_not_differ_from_what_was_saved():
    saved = {"hidden": 8, "layers": ["a"], "text": None}
    with pytest.raises(ValueError, match="it goes on with --hidden 8; got 16; leave it out"):
        settings.resumed(Settings(hidden=16), saved, PATH, "it")
    with pytest.raises(ValueError, match="it goes on with --layers a; got c;"):
        settings.resumed(Settings(layers=("c",)), saved, PATH, "it")
    with pytest.raises(ValueError, match="it needs the setting hidden; got none in"):
        settings.resumed(Settings(), {"layers": [], "text": None}, PATH, "it")
    with pytest.raises(
        ValueError, match=r"config.json needs a hidden of the kind that was written; got '8'"
    ):
        settings.resumed(Settings(), saved | {"hidden": "8"}, PATH, "it")
    with pytest.raises(
        ValueError, match=r"config.json needs a layers of the kind .* got \['a', 1\]"
    ):
        settings.resumed(Settings(), saved | {"layers": ["a", 1]}, PATH, "it")
    with pytest.raises(ValueError, match="holds no object but list"):
        settings.resumed(Settings(), [], PATH, "it")
