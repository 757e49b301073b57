"""Chromium for all tests of pages."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = [(1200, 800, "light"), (360, 740, "dark")]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@pytest.fixture(scope="module")  # while Playwright is open, its loop runs in this thread
def browser():
    pytest.importorskip("playwright", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; on Debian apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield started
        started.close()


@pytest.fixture(params=SIZES, ids=["wide", "telephone"])
def open_page(browser, request):
    """Opens a page that must never be wider than its window; what its console says is an error."""
    width, height, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=False
    )
    context.set_default_timeout(120_000)  # a busy machine
    said, asked = [], []

    def opened(address, path="/"):
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda each: asked.append(each.url))
        page.goto(address + path)
        page.said = said
        page.wait_for_selector("#input > *, .docs, #message:not(:empty)")
        return page

    yield opened
    for page in context.pages:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))] == []
    context.close()


@pytest.fixture
def quiet(open_page):
    """The same, of pages whose console says nothing."""
    pages = []

    def opened(*where):
        pages.append(open_page(*where))
        return pages[-1]

    yield opened
    assert [page.said for page in pages if page.said] == []
