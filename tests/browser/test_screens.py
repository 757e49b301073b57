"""Screens in Chromium: the same by seed, and showing what they say."""

import io

import numpy as np
import pytest
from PIL import Image as Files

from swiftrnn.data.screens.browser import Camera
from swiftrnn.data.screens.generate import Screen, screen
from swiftrnn.data.screens.html import Theme, page
from swiftrnn.data.screens.program import parse

pytestmark = pytest.mark.browser
ROW = "row { label, label, label, label, label, label, label, label, label, label, label, label }"


@pytest.fixture
def camera(browser):
    found = Camera(browser)
    yield found
    found.page.close()


def test_pages_say_nothing_on_the_console_and_fetch_nothing(camera):
    said, asked = [], []
    camera.page.on("console", lambda message: said.append(message.text))
    camera.page.on("pageerror", lambda error: said.append(str(error)))
    camera.page.on("request", lambda request: asked.append(request.url))
    for platform in ("web", "android", "ios"):
        for seed in range(20):
            camera.shoot(screen(platform, seed))
    assert (said, asked) == ([], [])


def test_a_screen_is_as_large_as_it_says_and_the_same_twice(camera):
    wanted = screen("ios", 2)
    shown, picture = camera.shoot(wanted)
    assert Files.open(io.BytesIO(picture)).size == wanted.size
    assert camera.shoot(wanted) == (shown, picture)


def test_buttons_have_their_colours(camera):
    for name, place in (("green", 1), ("red", 0)):
        program = parse(f"row {{ single {{ btn-{name} }} }}")
        _, picture = camera.shoot(Screen(program, Theme(), (400, 300), 0))
        pixels = np.asarray(Files.open(io.BytesIO(picture)).convert("RGB")).astype(int)
        strong = pixels.max(2) - pixels.min(2) > 60
        assert strong.sum() > 500
        assert (pixels[strong].argmax(1) == place).mean() > 0.95


def test_what_lies_below_the_screen_is_no_part_of_the_program(camera):
    program = parse("row { single { small-title, text } }" * 20)
    shown, _ = camera.shoot(Screen(program, Theme(), (900, 500), 0))
    rows = shown.program.names.count("row")
    assert 2 < rows < 8
    camera.page.set_content(page(shown.program))
    assert camera.page.evaluate("document.documentElement.scrollHeight") <= 500


def test_a_row_never_takes_two_lines(camera):
    program = parse(f"stack {{ {ROW} row {{ slider }} }}", "android")
    shown, _ = camera.shoot(Screen(program, Theme(), (412, 732), 0))
    labels = shown.program.names.count("label")
    assert 3 < labels < 12
    assert shown.program.names[-5:] == ["}", "row", "slider", "}", "}"]
