"""Screens made in parallel, resumable; without a browser it is one clear line."""

import pytest
from tests.browser.conftest import CHROMIUM

from swiftrnn.data.screens import browser, folder
from swiftrnn.data.screens.browser import Wish, make, name_of

pytestmark = [
    pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
]  # fmt: skip


@pytest.mark.parametrize("processes", [1, 2])
def test_screens_are_made_in_any_number_of_processes_and_go_on(processes, tmp_path):
    wish, told = Wish("android", 7, seed=40), []
    names = make(wish, tmp_path, processes, lambda done, most: told.append((done, most)))
    assert names == [name_of(wish, i) for i in range(7)]
    assert told[-1] == (7, 7)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(first) == 14
    for i in (2, 5):
        (tmp_path / f"{names[i]}.gui").unlink()  # as if it had been killed before
    kept = (tmp_path / f"{names[0]}.png").stat().st_mtime_ns
    make(wish, tmp_path, processes)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert (tmp_path / f"{names[0]}.png").stat().st_mtime_ns == kept
    assert [pair.name for pair in folder.read(tmp_path, "android")] == names


def test_without_a_browser_it_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "NAMES", ("no-such-browser",))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="screenshots need Chromium; got none that starts"):
        make(Wish("web", 1), tmp_path / "made", 1)
