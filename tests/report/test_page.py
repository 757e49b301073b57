"""Pages: self-contained, in order, whole, and nothing in them is code."""

import base64
import re

import pytest
from tests.report.reading import PNG, Read

from swiftrnn.report import page as report
from swiftrnn.report import plots
from swiftrnn.report.page import Cell, Column, Links, Page, Picture, Table
from swiftrnn.report.plots import Line

HOSTILE = "<script>alert('x')</script> \"&</pre>"
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


@pytest.fixture
def page():
    drawn = plots.plot(
        "A plot", "Its caption.", plots.lines, [Line("SRU", [1, 2], [2, 1])], "x", "y"
    )
    return Page(
        title="Title & more",
        summary=["First <paragraph>."],
        warning="The machine is busy.",
        sections=[
            ("Results", Table(COLUMNS, ROWS, "A note.")),
            ("Plot", drawn),
            ("Sample", "def f(x):\n    return x < 1 & '\"'"),
        ],
        folded=[("Machine", {"cpu": "fast <one>"})],
        command="swiftrnn run x --text 'a<b'",
        about={"Paper": "Zhang & others"},
    )


def written(page, tmp_path):
    report.write(page, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_page_is_read_from_the_warning_down_to_what_is_folded(page, tmp_path):
    html = written(page, tmp_path)
    body = html[html.index("<main>") :]
    order = (
        "The machine is busy.", "swiftrnn run x", "<h1>", "First &lt;paragraph&gt;",
        "Zhang &amp; others", "<h2>Results", "A note.", "<h2>Plot", "Its caption.", "<h2>Sample",
        "<details>", "<h2>Machine",
    )  # fmt: skip
    places = [body.index(each) for each in order]
    assert places == sorted(places)
    assert "<details open" not in body


def test_only_what_is_there_is_shown(tmp_path):
    read = Read(written(Page(title="Alone"), tmp_path))
    assert not {"details", "section", "dl", "table", "p"} & {tag for tag, _ in read.tags}


def test_every_table_has_headings_for_its_columns_and_rows(page, tmp_path):
    read = Read(written(page, tmp_path))
    scopes = [attributes["scope"] for attributes in read.attributes("th")]
    assert scopes == ["col"] * len(COLUMNS) + ["row"] * len(ROWS)
    (region,) = (a for a in read.attributes("div") if a.get("role") == "region")
    assert (region["tabindex"], region["aria-label"]) == ("0", "Results")


def test_a_cell_has_a_sign_that_needs_no_colour_and_small_print(tmp_path):
    columns = Column("claim", "claim"), Column("verdict", "verdict")
    rows = [
        {"claim": Cell("It works", "table 2"), "verdict": Cell("seen", "", "good")},
        {"claim": Cell("It scales"), "verdict": Cell("not seen", "late", "bad")},
    ]
    table = Table(columns, rows, sentences=True)
    html = written(Page(title="x", sections=[("Claims", table)]), tmp_path)
    assert "It works</span><small>table 2</small>" in html
    assert html.count("<small>") == 2
    for sign, kind in (("✓", "good"), ("✗", "bad")):
        assert f'<span class="sign {kind}" aria-hidden="true">{sign}</span>' in html
    read = Read(html)
    assert [a["data-head"] for a in read.attributes("td")] == ["verdict", "verdict"]  # on a phone
    roles = [a.get("role") for tag, a in read.tags if tag in ("table", "tr", "th", "td")]
    assert roles == [
        "table", "row", "columnheader", "columnheader", "row", "rowheader", "cell",
        "row", "rowheader", "cell",
    ]  # fmt: skip
    assert table.text().splitlines()[2].split() == ["It", "works", "seen"]


def test_a_picture_is_kept_inside_with_its_size_and_words(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG[:16] + (1500).to_bytes(4) + (300).to_bytes(4) + PNG[24:])
    html = written(Page(title="x", sections=[("One", Picture('A "curve"', path))]), tmp_path)
    (image,) = Read(html).attributes("img")
    assert (image["alt"], image["width"], image["height"]) == ('A "curve"', "1000", "200")
    kept = image["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(kept) == path.read_bytes()
    path.write_bytes(b"no picture")
    html = written(Page(title="x", sections=[("One", Picture("A", path))]), tmp_path)
    assert "width" not in Read(html).attributes("img")[0]


def test_hostile_text_is_text_wherever_it_stands(tmp_path):
    columns = Column("a", HOSTILE), Column("b", "b")
    rows = [{"a": HOSTILE, "b": Cell(HOSTILE, HOSTILE, "bad")}]
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    drawn = plots.plot(HOSTILE, HOSTILE, plots.lines, [Line(HOSTILE, [1, 2], [2, 1])], HOSTILE, "y")
    shown = [
        (HOSTILE, Table(columns, rows, HOSTILE)),
        (HOSTILE, Table(columns, rows, HOSTILE, sentences=True)),
        (HOSTILE, drawn),
        (HOSTILE, Picture(HOSTILE, path, HOSTILE)),
        (HOSTILE, Links({HOSTILE: "a'\"b"})),
        (HOSTILE, {HOSTILE: HOSTILE}),
        (HOSTILE, HOSTILE),
    ]
    facts = {HOSTILE: HOSTILE}
    page = Page(HOSTILE, [HOSTILE], HOSTILE, shown, shown, HOSTILE, facts)
    html = written(page, tmp_path)
    assert "<script" not in html
    assert "alert" in html
    read = Read(html)
    known = {"src", "alt", "width", "height", "style"}
    assert all(set(each) <= known for each in read.attributes("img"))
    assert all(each["href"] == "a'\"b" for each in read.attributes("a"))
    assert sum("alert('x')" in each for each in read.texts) >= 20


def test_page_is_self_contained(page, tmp_path):
    html = written(page, tmp_path)
    asked = re.findall(r"(?:src|href|action|data|poster)\s*=\s*[\"']?([^\"'\s>]+)", html)
    assert asked
    assert all(address.startswith(("data:", "#")) for address in asked)
    assert not re.search(r"@import|url\((?!#)|<script|<iframe", html)


def test_page_shows_all_it_was_given_and_escapes_it(page, tmp_path):
    html = written(page, tmp_path)
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
    assert html.count("<svg role") == 2  # for a wide window and for a narrow one


def test_the_same_page_is_the_same_file(page, tmp_path):
    for name in ("one", "two"):
        report.write(page, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_page_that_cannot_be_written_leaves_the_old_one(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    broken = Page(title="x", sections=[("t", Table(COLUMNS, [{"fast": "word"}]))])
    with pytest.raises(ValueError, match="format"):
        report.write(broken, path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_without_the_extra_one_line_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = r"matplotlib is missing; run pip install 'swiftrnn\[report\]'"
    with pytest.raises(ModuleNotFoundError, match=said):
        report.needs_extra()
