"""The page of a served tagger as its reader sees it: typed into, wide and on a telephone."""

import re
import threading
import time

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from swiftrnn.deploy import serve, trained
from swiftrnn.recipes.ner_crf import SMOKE, run

pytestmark = pytest.mark.browser
TEXT = "😀 In Rimonaville , Lututo met <b>a</b> friend ."


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    out = tmp_path_factory.mktemp("names")
    run(SMOKE, out)
    return trained.load(out)


@pytest.fixture(scope="module")
def address(known):
    server = serve.server(known, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(params=[(1200, 800, "light"), (360, 740, "dark")], ids=["wide", "telephone"])
def page(browser, address, request):
    """The open page; what its console says must be nothing."""
    width, height, scheme = request.param
    said, viewport = [], {"width": width, "height": height}
    opened = browser.new_page(viewport=viewport, color_scheme=scheme)
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(address)
    opened.get_by_text("finds: person, place").wait_for()
    opened.said, opened.limit = said, width
    yield opened
    opened.close()


def test_names_are_shown_in_the_text(page, known, tmp_path):
    assert "person, place" in page.text_content("#about")
    page.fill("#text", TEXT)
    page.click("#go")
    page.wait_for_selector("mark")
    shown = [re.sub(r" \d+ %$", "", text) for text in page.locator("mark").all_text_contents()]
    found = known.recipe.predict(known.model, TEXT)
    assert shown == [entity.text + entity.type for entity in found]
    assert {"Rimonavilleplace", "Lututoperson"} <= set(shown)
    assert page.locator("#found b").count() == 0  # what is typed is text, never a tag
    assert page.text_content("#found").count("<") == TEXT.count("<")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.limit
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert page.said == []


def test_other_readings_are_shown_when_asked_for(page):
    page.fill("#text", TEXT)
    page.check("#more")
    page.keyboard.press("Tab")
    page.focus("#text")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#readings li")
    readings = page.locator("#readings li").all_text_contents()
    assert len(readings) == 5
    assert "Rimonaville (place), Lututo (person)" in readings[0]
    assert page.said == []


def test_what_is_refused_is_said_on_the_page(page):
    page.evaluate("document.getElementById('text').value = 'a'.repeat(20001)")
    page.click("#go")
    page.get_by_text("at most 20000 characters").wait_for()
    page.fill("#text", "Bokima lives in Sotataville")
    page.click("#go")
    page.wait_for_selector("mark")
    assert page.text_content("#message") == ""
    assert not [line for line in page.said if "422" not in line]  # the browser tells of the status
