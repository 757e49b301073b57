"""Run folders: whole files or none, and refusals that leave everything as it was."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from swiftrnn.training import folder


def test_a_new_folder_is_made_and_an_empty_one_taken(tmp_path):
    assert folder.create(tmp_path / "a" / "b", "x").is_dir()
    assert not list(folder.create(tmp_path / "a" / "b", "x").iterdir())


def test_two_runs_in_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [folder.create(None, "compare") for _ in range(3)]
    assert len(set(made)) == 3
    assert all(path.parent == Path("runs") and path.name.startswith("compare-") for path in made)


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


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[1]", b"\xff\xfe", b"null", b'{"b": 1}'])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json.*train again"):
        folder.read_json(path, needs=("a",))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs config\.json; got none in"):
        folder.read_json(tmp_path / "config.json")


@dataclass(frozen=True)
class Settings:
    hidden: int = 4
    layers: tuple[str, ...] = ("a", "b")
    text: Path | None = None


def test_saved_settings_come_back(tmp_path):
    path = tmp_path / "config.json"
    before = Settings(8, ("a",), Path("x"))
    folder.write_json(path, vars(before))
    assert folder.restore(Settings(), folder.read_json(path), "it") == before
    assert folder.restore(before, folder.read_json(path), "it") == before


def test_what_was_typed_must_not_differ_from_what_was_saved():
    saved = {"hidden": 8, "layers": ["a"], "text": None}
    with pytest.raises(ValueError, match="it goes on with --hidden 8; got 16; leave it out"):
        folder.restore(Settings(hidden=16), saved, "it")
    with pytest.raises(ValueError, match="it goes on with --layers a; got c;"):
        folder.restore(Settings(layers=("c",)), saved, "it")
    with pytest.raises(ValueError, match="it needs the setting hidden; got none"):
        folder.restore(Settings(), {"layers": [], "text": None}, "it")
