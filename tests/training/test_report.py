"""Reports: self-contained, whole, and every plot readable."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from swiftrnn.training import report
from swiftrnn.training.report import Column, Line, Page, Plot, Table

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = (
    Column("name", "name"),
    Column("fast", "tokens\nper second", 0, "higher"),
    Column("bits", "bits", 3, "lower"),
    Column("size", "size", 0),
)
ROWS = (
    {"name": "a <b>", "fast": 1234.4, "bits": 2.5, "size": 1},
    {"name": "c", "fast": 99.0, "bits": 2.25, "size": 2},
    {"name": "naive", "bits": 3.0},
)


def texts(svg):
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(each.itertext()).strip() for each in found]


def test_best_cells_follow_the_direction_of_their_column():
    assert Table(COLUMNS, ROWS).best() == {(0, "fast"), (1, "bits")}


def test_rows_that_are_not_ranked_are_never_the_best():
    assert Table(COLUMNS, ROWS, ranked=2).best() == {(0, "fast"), (1, "bits")}
    rows = [*ROWS[:2], {"name": "naive", "bits": 1.0}]
    assert Table(COLUMNS, rows, ranked=2).best() == {(0, "fast"), (1, "bits")}
    assert Table(COLUMNS, rows).best() == {(0, "fast"), (2, "bits")}


def test_ties_are_ties_as_they_are_shown():
    rows = [{"bits": 2.0001}, {"bits": 2.0004}, {"bits": 2.1}]
    assert Table((Column("bits", "bits", 3, "lower"),), rows).best() == {(0, "bits"), (1, "bits")}


def test_one_value_alone_is_not_the_best():
    assert not Table(COLUMNS, ROWS[:1]).best()


def test_text_is_aligned_and_marks_the_best():
    lines = Table(COLUMNS, ROWS).text().splitlines()
    assert lines[0].split() == ["tokens"]
    assert lines[1].split() == ["name", "per", "second", "↑", "bits", "↓", "size"]
    assert "1,234*" in lines[3]
    assert "2.250*" in lines[4]
    assert lines[5].split() == ["naive", "–", "3.000", "–"]
    points = [line.index(".") for line in lines[3:]]
    assert len(set(points)) == 1  # decimal points stand under one another


def test_lines_have_labelled_axes_a_legend_and_named_baselines():
    curves = [Line("SRU", [1, 2, 4], [3.0, 2.5, 2.25], 0), Line("LSTM", [1, 2], [4.0, 3.5], 3)]
    svg = report.lines(curves, "seconds", "bits per byte", {"xz": 2.1}, log_x=True, log_y=True)
    assert {"seconds", "bits per byte", "xz"} < set(texts(svg))
    assert any(re.fullmatch(r"SRU\s+2\.250", text) for text in texts(svg))
    assert any(re.fullmatch(r"LSTM\s+3\.500", text) for text in texts(svg))
    for color, _ in (report.STYLES[0], report.STYLES[3]):
        assert color in svg


def test_points_and_bounds_are_drawn_without_values():
    curves = [Line("roof", [1, 9], [2, 3], None), Line("SRU", [1, 2, 3], [1, 2, 1], joined=False)]
    svg = report.lines(curves, "operations", "speed", ends=None)
    assert {"roof", "SRU", "operations", "speed"} < set(texts(svg))
    assert "last value" not in texts(svg)
    assert svg.count(f"fill: {report.STYLES[0][0]}") >= 3


def test_few_places_get_a_tick_each():
    svg = report.lines([Line("SRU", [16, 32, 64], [1, 2, 3])], "x", "y", log_x=True)
    assert {"16", "32", "64"} <= set(texts(svg))
    assert "20" not in texts(svg)


def test_ink_is_the_colour_of_the_page():
    svg = report.lines([Line("SRU", [1, 2], [2, 1])], "x", "y")
    assert "currentColor" in svg
    assert report.INK not in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg


def test_two_plots_share_no_id():
    first = report.lines([Line("SRU", [1, 2], [2, 1])], "x", "y")
    second = report.lines([Line("SRU", [1, 2], [2, 1])], "x", "z")
    found = [re.findall(r'\bid="([^"]+)"', svg) for svg in (first, second)]
    assert not set(found[0]) & set(found[1])
    for svg, ids in zip((first, second), found, strict=True):
        used = re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg)
        assert len(ids) == len(set(ids))
        assert set(used) <= set(ids)


def test_close_baselines_keep_their_names_apart():
    svg = report.lines([Line("SRU", [1, 2], [9, 1])], "x", "y", {"low": 2.0, "high": 2.01})
    places = {}
    for each in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        name = "".join(each.itertext()).strip()
        if name in ("low", "high"):
            places[name] = float(each.get("y"))
    assert places["low"] - places["high"] >= 10


def test_bars_have_one_labelled_panel_per_group_and_every_value():
    groups = {"Training": {"SRU": 12000.0, "LSTM": 4000.0}, "Step": {"SRU": 1.5}, "x": {"SRU": 0.0}}
    labels = {"Training": "tokens per second", "Step": "microseconds", "x": "none"}
    shown = texts(report.bars(groups, {"SRU": 0, "LSTM": 3}, labels))
    assert {*groups, *labels.values(), "12,000", "4,000", "1.5", "SRU", "LSTM"} <= set(shown)


def test_plots_refuse_what_is_empty():
    with pytest.raises(ValueError, match=r"at least one curve.*got \{\}"):
        report.lines([], "x", "y")
    with pytest.raises(ValueError, match=r"'SRU': \(0, 0\)"):
        report.lines([Line("SRU", [], [])], "x", "y")
    with pytest.raises(ValueError, match=r"'SRU': \(2, 1\)"):
        report.lines([Line("SRU", [1, 2], [1])], "x", "y")
    with pytest.raises(ValueError, match=r"at least one bar each; got \{'empty': \{\}\}"):
        report.bars({"empty": {}}, {}, {})


@pytest.fixture
def page():
    plot = Plot("A plot", report.lines([Line("SRU", [1, 2], [2, 1])], "x", "y"), "Its caption.")
    return Page(
        title="Title & more",
        summary=["First <paragraph>."],
        warning="The machine is busy.",
        tables=[("Results", Table(COLUMNS, ROWS, "A note."))],
        plots=[plot],
        texts=[("Sample", "def f(x):\n    return x < 1 & '\"'")],
        facts={"Machine": {"cpu": "fast <one>"}},
    )


def test_page_is_self_contained(page, tmp_path):
    report.write(page, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    asked = re.findall(r"(?:src|href|action|data|poster)\s*=\s*[\"']?([^\"'\s>]+)", html)
    assert asked
    assert all(address.startswith(("data:", "#")) for address in asked)
    assert not re.search(r"@import|url\((?!#)|<script|<iframe", html)


def test_page_shows_all_it_was_given_and_escapes_it(page, tmp_path):
    report.write(page, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for shown in (
        "Title &amp; more",
        "First &lt;paragraph&gt;.",
        "The machine is busy.",
        "a &lt;b&gt;",
        "A note.",
        "Its caption.",
        "fast &lt;one&gt;",
        "return x &lt; 1 &amp; ",
    ):
        assert shown in html
    assert '<td class="best">1,234</td>' in html
    assert html.count('class="best"') == 2


def test_the_same_page_is_the_same_file(page, tmp_path):
    for name in ("one", "two"):
        report.write(page, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_page_that_cannot_be_written_leaves_the_old_one(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    broken = Page(title="x", summary=[object], tables=[("t", Table(COLUMNS, [{"fast": "word"}]))])
    with pytest.raises(ValueError, match="format"):
        report.write(broken, path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_without_the_extra_one_line_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = r"matplotlib is missing; run pip install 'swiftrnn\[report\]'"
    with pytest.raises(ModuleNotFoundError, match=said):
        report.needs_extra()
