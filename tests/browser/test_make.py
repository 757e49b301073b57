"""Screens made in parallel, resumable; without a browser it is one clear line."""

import pytest
from tests.browser.conftest import CHROMIUM

from swiftrnn.data.screens import browser, folder
from swiftrnn.data.screens.browser import Wish, make, name_of
from swiftrnn.data.screens.program import parse
from swiftrnn.recipes.pix2code import measure

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


def test_pages_of_programs_that_differ_more_are_less_alike(monkeypatch):
    page, colour, other = (
        parse(f"header {{ btn-active }} row {{ {cells} }}")
        for cells in ("single { text , btn-red }", "single { text , btn-green }",
                      "double { small-title , text } double { small-title , text }")
    )  # fmt: skip
    alike = [
        measure.similarity([each], [page], (144, 256))["similarity"]
        for each in (page, colour, other, None)
    ]
    assert alike[0] == 100 > alike[1] > alike[2] > alike[3] == 0
    half = measure.similarity([page, None], [page, page], (144, 256))
    assert half == {"similarity": 50}
    monkeypatch.setattr(browser, "NAMES", ("no-such-browser",))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "/nowhere")
    assert measure.similarity([other], [page], (144, 256)) == {}  # not measured
    assert measure.similarity([page], [page], (144, 256)) == {"similarity": 100}
