"""The report of a comparison as a reader sees it: in Chromium, wide and narrow, light and dark."""

import pytest

from swiftrnn import bench
from swiftrnn.compare import LAYERS, show
from swiftrnn.training import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report with made-up numbers for all six layers."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    report.write(show.page(made_up()), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A report of `swiftrnn bench` at tiny sizes."""
    out = tmp_path_factory.mktemp("bench") / "run"
    bench.main(hidden=16, batch=8, time=16, seconds=1.0, out=out)
    return (out / "report.html").as_uri()


def made_up():
    layers = {}
    for i, name in enumerate(LAYERS):
        fast = 90_000 / (1 + i)
        valid = [
            {"step": s, "seconds": s / 4, "tokens": s * fast, "bits_per_byte": 2 + (1 + i) / s}
            for s in (1, 5, 20, 100)
        ]
        layers[name] = {
            "parameters": 500_000 + i,
            "ngram_parameters": 2_097_152,
            "hidden": 256 - i,
            "depth": 2,
            "optimizer": "muon",
            "learning_rate": 0.008,
            "steps": 100,
            "tokens": round(100 * fast),
            "seconds": 25.0,
            "train_tokens_per_s": fast,
            "inference_tokens_per_s": {"batch_1": fast, "batch_32": 3 * fast},
            "stream_us": 50.0 + i,
            "equal_time": 2.1 + i / 100,
            "equal_tokens": 2.3 - i / 100,
            "peak_mb": 600.0 + i,
            "valid": valid,
        }
    load = {"idle": False, "note": "the machine is busy, so the times are too high: others"}
    return {
        "date": "2026-01-31 12:00 +0000",
        "command": "swiftrnn compare",
        "settings": {"seconds": 25.0, "layers": list(LAYERS), "text": None},
        "text": {"name": "Python 3.11 standard library", "sha256": "0" * 64},
        "machine": {"cpu": "a CPU", "swiftrnn": "0", "torch": "2", "python": "3", "commit": ""},
        "layers": layers,
        "baselines": {"counts": 2.5, "xz_files": 2.2, "xz_stream": 1.8},
        "valid_baselines": {"counts": 2.5, "xz_stream": 2.45},
        "equal_tokens": {"steps": 100, "tokens": 204_800},
        "best": "sru",
        "prompt": "def ",
        "sample": "f(x):\n    return x < 1 and '<b>'",
        "load": {"start": load, "end": load},
    }


@pytest.fixture(params=["light", "dark"])
def page(browser, address, request):
    """The report, opened; every console message and every request beyond the file is an error."""
    opened = browser.new_page(viewport={"width": 1000, "height": 800}, color_scheme=request.param)
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda each: asked.append(each.url))
    opened.goto(address)
    opened.wait_for_load_state("networkidle")
    yield opened
    assert not said
    assert [url for url in asked if not url.startswith("data:")] == [address]
    opened.close()


def test_table_and_plots_are_visible(page):
    assert page.title() == "Six layers, one text, 25 seconds each"
    assert page.locator("tbody tr").count() == 9
    for name in ("SRU", "causal conv", "xz -9 at once"):
        assert page.get_by_role("cell", name=name, exact=True).is_visible()
    assert page.locator("td.best").count() == 7
    assert page.locator("figure svg").count() == 3
    for figure in page.locator("figure svg").all():
        box = figure.bounding_box()
        assert box["width"] > 600
        assert box["height"] > 250
    for label in ("training time (seconds)", "training text read (bytes)", "Inference, batch 32"):
        assert page.locator("svg text", has_text=label).first.is_visible()


def test_no_text_of_a_plot_lies_on_another_or_is_cut_off(page):
    check_texts(page, 3)


def test_nor_in_a_report_of_bench(browser, timed):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(timed)
    check_texts(page, 4)
    page.close()


def check_texts(page, plots):
    assert page.locator("figure svg").count() == plots
    for figure in page.locator("figure svg").all():
        frame = figure.bounding_box()
        boxes = [
            (text.text_content(), text.bounding_box()) for text in figure.locator("text").all()
        ]
        for i, (name, a) in enumerate(boxes):
            assert a["x"] >= frame["x"] - 1, name
            assert a["x"] + a["width"] <= frame["x"] + frame["width"] + 1, name
            for other, b in boxes[:i]:
                wide = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
                high = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
                assert wide <= 2 or high <= 4, (name, other)


def test_ink_and_paper_are_far_apart(page):
    colours = page.evaluate(
        """() => {
            const paper = getComputedStyle(document.body).backgroundColor;
            const label = document.querySelector("svg text");
            return [paper, getComputedStyle(label).fill, getComputedStyle(document.body).color];
        }"""
    )
    paper, label, ink = (luminance(colour) for colour in colours)
    for dark in (label, ink):
        ratio = (max(paper, dark) + 0.05) / (min(paper, dark) + 0.05)
        assert ratio > 7, colours


def luminance(colour):
    """Of WCAG 2.1, from rgb(r, g, b)."""
    numbers = [int(n) / 255 for n in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_narrow_window_scrolls_only_the_table(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
