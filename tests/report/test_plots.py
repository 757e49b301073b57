"""Plots: labelled, readable, in the ink of the page."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from swiftrnn.report import plots
from swiftrnn.report.plots import Line

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(each.itertext()).strip() for each in found]


def test_lines_have_labelled_axes_a_legend_and_named_baselines():
    curves = [Line("SRU", [1, 2, 4], [3.0, 2.5, 2.25], 0), Line("LSTM", [1, 2], [4.0, 3.5], 3)]
    svg = plots.lines(curves, "seconds", "bits per byte", {"xz": 2.1}, log_x=True, log_y=True)
    assert {"seconds", "bits per byte", "xz"} < set(texts(svg))
    assert any(re.fullmatch(r"SRU\s+2\.250", text) for text in texts(svg))
    assert any(re.fullmatch(r"LSTM\s+3\.500", text) for text in texts(svg))
    for color, _ in (plots.STYLES[0], plots.STYLES[3]):
        assert color in svg


def test_points_and_bounds_are_drawn_without_values():
    curves = [Line("roof", [1, 9], [2, 3], None), Line("SRU", [1, 2, 3], [1, 2, 1], joined=False)]
    svg = plots.lines(curves, "operations", "speed", ends=None)
    assert {"roof", "SRU", "operations", "speed"} < set(texts(svg))
    assert "last value" not in texts(svg)
    assert svg.count(f"fill: {plots.STYLES[0][0]}") >= 3


def test_few_places_get_a_tick_each():
    svg = plots.lines([Line("SRU", [16, 32, 64], [1, 2, 3])], "x", "y", log_x=True)
    assert {"16", "32", "64"} <= set(texts(svg))
    assert "20" not in texts(svg)


def test_ink_is_the_colour_of_the_page():
    svg = plots.lines([Line("SRU", [1, 2], [2, 1])], "x", "y")
    assert "currentColor" in svg
    assert plots.INK not in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg


def test_two_plots_share_no_id():
    first = plots.lines([Line("SRU", [1, 2], [2, 1])], "x", "y")
    second = plots.lines([Line("SRU", [1, 2], [2, 1])], "x", "z")
    found = [re.findall(r'\bid="([^"]+)"', svg) for svg in (first, second)]
    assert not set(found[0]) & set(found[1])
    for svg, ids in zip((first, second), found, strict=True):
        used = re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg)
        assert len(ids) == len(set(ids))
        assert set(used) <= set(ids)


def test_close_baselines_keep_their_names_apart():
    svg = plots.lines([Line("SRU", [1, 2], [9, 1])], "x", "y", {"low": 2.0, "high": 2.01})
    places = {}
    for each in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        name = "".join(each.itertext()).strip()
        if name in ("low", "high"):
            places[name] = float(each.get("y"))
    assert places["low"] - places["high"] >= 10


def test_bars_have_one_labelled_panel_per_group_and_every_value():
    groups = {"Training": {"SRU": 12000.0, "LSTM": 4000.0}, "Step": {"SRU": 1.5}, "x": {"SRU": 0.0}}
    labels = {"Training": "tokens per second", "Step": "microseconds", "x": "none"}
    shown = texts(plots.bars(groups, {"SRU": 0, "LSTM": 3}, labels))
    assert {*groups, *labels.values(), "12,000", "4,000", "1.5", "SRU", "LSTM"} <= set(shown)


def test_plots_refuse_what_is_empty():
    with pytest.raises(ValueError, match=r"at least one curve.*got \{\}"):
        plots.lines([], "x", "y")
    with pytest.raises(ValueError, match=r"'SRU': \(0, 0\)"):
        plots.lines([Line("SRU", [], [])], "x", "y")
    with pytest.raises(ValueError, match=r"'SRU': \(2, 1\)"):
        plots.lines([Line("SRU", [1, 2], [1])], "x", "y")
    with pytest.raises(ValueError, match=r"at least one bar each; got \{'empty': \{\}\}"):
        plots.bars({"empty": {}}, {}, {})


def test_the_narrow_drawing_shows_the_same_with_its_legend_below():
    curves = [Line("SRU", [1, 2], [2, 1], 0), Line("LSTM", [1, 2], [4, 3.5], 3)]
    drawn = plots.plot("Loss", "Lower is better.", plots.lines, curves, "x", "y")
    assert (drawn.title, drawn.caption) == ("Loss", "Lower is better.")
    assert sorted(texts(drawn.svg)) != []
    assert {"SRU  1.000", "LSTM  3.500", "x", "y"} <= set(texts(drawn.narrow))
    wide, narrow = (ElementTree.fromstring(each) for each in (drawn.svg, drawn.narrow))
    assert width(wide) > 1.5 * width(narrow)
    ids = [{each.get("id") for each in svg.iter() if each.get("id")} for svg in (wide, narrow)]
    assert not ids[0] & ids[1]
    for svg, under in ((wide, False), (narrow, True)):
        label, name = (place(svg, word) for word in ("x", "SRU  1.000"))
        assert (name > label) == under


def width(svg):
    return float(svg.get("viewBox").split()[2])


def place(svg, word):
    (found,) = (t for t in svg.iter(f"{SVG}text") if "".join(t.itertext()).strip() == word)
    return float(found.get("y"))


def test_a_plot_is_read_out_with_its_last_values():
    svg = plots.lines([Line('a "b" <c>', [1, 2], [2, 1])], "x", "y", title="Loss & more")
    label = ElementTree.fromstring(svg).get("aria-label")
    assert label == 'Loss & more; last values: a "b" <c>  1.000'


def test_bars_stand_under_one_another_where_it_is_narrow():
    groups = {"Training": {"SRU": 2.0}, "Step": {"SRU": 1.5}}
    labels = {"Training": "tokens per second", "Step": "microseconds"}
    sizes = []
    for narrow in (False, True):
        svg = ElementTree.fromstring(plots.bars(groups, {"SRU": 0}, labels, narrow=narrow))
        sizes.append([float(x) for x in svg.get("viewBox").split()[2:]])
    assert sizes[0][0] > sizes[1][0]
    assert sizes[1][1] == pytest.approx(2 * sizes[0][1])
