"""Reports as a reader sees them: in Chromium, wide and narrow, light and dark."""

import itertools

import pytest

from swiftrnn import bench, recipes
from swiftrnn.compare import LAYERS, show
from swiftrnn.report import page as report
from swiftrnn.report import run_page, sweep_page
from swiftrnn.runs import claims, record, results

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report with synthetic numbers for all six layers."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    report.write(show.page(made_up()), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A report of `swiftrnn bench` at tiny sizes."""
    out = tmp_path_factory.mktemp("bench") / "run"
    bench.main(hidden=16, batch=8, time=16, seconds=0.1, out=out)
    return (out / "report.html").as_uri()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, address, timed):
    """One page of each kind, by name; of runs, with recorded results."""
    base = tmp_path_factory.mktemp("pages")
    found = recipes.find("mixup_robustness")
    ((_, content),) = record.recorded(found.folder)
    metrics = claims.per_seed(content["metrics"], content["seeds"])
    for seed, each in enumerate(metrics):
        history = [{"step": s, "loss": 3 / s + seed} for s in (1, 2, 3)]
        out = base / "run" / f"seed-{seed}"
        out.mkdir(parents=True)
        (out / "wide.png").write_bytes(wide_picture())
        (out / "report.html").write_text("<!doctype html><title>a seed</title>")
        results.Result(each, {"history": history}, "wide.png").write(out)
    run_page.write_seeds(found, found.presets["default"], None, base / "run", metrics)
    smoke = run_page.page(found, found.presets["smoke"], "smoke", [{"a_number": 1.0}] * 2)
    report.write(smoke, base / "smoke.html")
    grid = itertools.product([8, 16, 32], [1e-4, 1e-3, 1e-2], ["sru", "lstm"])
    points = [
        {"point": dict(zip(("hidden", "rate", "layer"), each, strict=True)), "mean": i, "sd": None,
         "values": [i]}
        for i, each in enumerate(grid)
    ]  # fmt: skip
    about = {"recipe": "a", "metric": "loss", "maximize": False, "points": points, "failed": []}
    sweep_page.write(about, {"epochs": 3}, 1, "swiftrnn sweep a", base)
    own = {
        "run": base / "run" / "report.html",
        "smoke": base / "smoke.html",
        "sweep": base / "report.html",
    }
    return {name: path.as_uri() for name, path in own.items()} | {
        "compare": address,
        "bench": timed,
    }


def wide_picture():
    from io import BytesIO

    from matplotlib.figure import Figure

    drawn = BytesIO()
    Figure(figsize=(13, 3)).savefig(drawn, format="png", dpi=150)
    return drawn.getvalue()


KINDS = ["run", "smoke", "sweep", "compare", "bench"]


@pytest.fixture(
    params=itertools.product(KINDS, [1200, 400], ["light", "dark"]),
    ids=lambda param: "-".join(map(str, param)),
)
def opened(browser, pages, request):
    """A page of each kind, at both widths, in both colour schemes, with all that is folded open."""
    kind, width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda each: asked.append(each.url))
    page.goto(pages[kind])
    page.wait_for_load_state("networkidle")
    for each in page.locator("summary").all():
        each.click()
    yield page, width
    assert not said
    assert [url for url in asked if not url.startswith("data:")] == [pages[kind]]
    page.close()


CONTRASTS = """() => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = parts(colour).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = node => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if ((parts(colour)[3] ?? 1) > 0) return colour;
        }
    };
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
        if (!text || !node.checkVisibility() || node.closest("style, defs")) continue;
        const style = getComputedStyle(node);
        const ink = light(node.closest("svg") ? style.fill : style.color);
        const ground = light(paper(node));
        const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
        found.push([ratio, text]);
    }
    return found;
}"""


def test_every_page_fits_and_can_be_read(opened):
    page, width = opened
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert [each for each in contrasts if each[0] < 4.5] == []
    assert page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => h.tagName)")
    assert levels == ["H1"] + ["H2"] * (len(levels) - 1)
    assert page.locator("img:not([alt]), th:not([scope]), th:empty").count() == 0
    drawn = page.locator("figure svg:visible")
    for each in drawn.all():  # narrow drawings in a narrow window: text is not shrunk
        assert each.get_attribute("aria-label")
        assert (each.bounding_box()["width"] < 500) == (width == 400)
        sizes = each.evaluate(
            "svg => [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) > 9


def test_what_is_folded_opens_by_keyboard(browser, pages):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(pages["run"])
    reasons = page.get_by_text("left out: needs ImageNet")
    assert not reasons.is_visible()
    page.locator("summary", has_text="Claims that are not tested").focus()
    page.keyboard.press("Enter")
    assert reasons.is_visible()
    page.close()


def test_claims_are_a_table_on_a_desk_and_cards_on_a_phone(browser, pages):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(pages["run"])
    table = page.locator("table.sentences").first
    assert page.get_by_role("columnheader", name="verdict").is_visible()
    row = table.get_by_role("row").nth(1)
    cells = [each.bounding_box() for each in row.locator("th, td").all()]
    assert len({round(each["y"]) for each in cells}) == 1
    for mark, words in (("✓", "seen, 3 of 3 seeds"), ("✗", "not seen, 0 of 3 seeds")):
        cell = table.get_by_role("cell", name=words).first
        assert mark in cell.inner_text()
    page.set_viewport_size({"width": 400, "height": 900})
    cells = [each.bounding_box() for each in row.locator("th, td").all()]
    assert [each["y"] for each in cells] == sorted({each["y"] for each in cells})
    assert table.bounding_box()["width"] <= 400
    assert table.get_by_role("row").count() == 14  # still a table for who listens
    shown = row.locator("td").last.evaluate("td => getComputedStyle(td, '::before').content")
    assert "verdict" in shown
    page.close()


def test_a_wide_picture_scrolls_in_its_box_on_a_light_card(browser, pages):
    page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme="dark")
    page.goto(pages["run"])
    card = page.locator(".card")
    assert card.evaluate("box => getComputedStyle(box).backgroundColor") == "rgb(255, 255, 255)"
    assert card.evaluate("box => box.scrollWidth > box.clientWidth")
    assert card.evaluate("box => getComputedStyle(box).overflowX") == "auto"
    assert page.locator(".card img").evaluate("image => image.naturalWidth") == 1950
    page.close()


def test_links_lead_to_the_page_of_each_seed(browser, pages):
    page = browser.new_page()
    page.goto(pages["run"])
    page.get_by_role("link", name="seed 1").click()
    assert page.title() == "a seed"
    assert page.url.endswith("/seed-1/report.html")
    page.close()


def test_a_print_shows_what_is_folded(browser, pages, tmp_path):
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["run"])
    page.emulate_media(media="print")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(255, 255, 255)"
    content = "details => getComputedStyle(details, '::details-content').contentVisibility"
    assert page.locator("details").first.evaluate(content) == "visible"
    page.close()


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
        assert page.get_by_role("rowheader", name=name, exact=True).is_visible()
    assert page.locator("td.best").count() == 7
    assert page.locator("figure svg:visible").count() == 3
    for figure in page.locator("figure svg:visible").all():
        box = figure.bounding_box()
        assert box["width"] > 600
        assert box["height"] > 250
    for label in ("training time (seconds)", "training text read (bytes)", "Inference, batch 32"):
        assert page.locator("svg text", has_text=label).first.is_visible()


def test_no_text_of_a_plot_lies_on_another_or_is_cut_off(page):
    check_texts(page, 3)


@pytest.mark.parametrize("width", [1000, 390])
def test_nor_in_a_report_of_bench(browser, timed, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(timed)
    check_texts(page, 4)
    page.close()


def check_texts(page, plots):
    assert page.locator("figure svg:visible").count() == plots
    for figure in page.locator("figure svg:visible").all():
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
