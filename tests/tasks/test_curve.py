"""Curves as values."""

import pytest

from swiftrnn.deploy import describe
from swiftrnn.tasks.curve import Curve

CURVE = Curve("bytes of the past", "bits")
POINTS = ((1.0, 3.5), (16.0, 2.25), (1000.0, 2.0))


def test_it_comes_back_from_json():
    written = CURVE.write(POINTS, "json")
    assert written == [{"x": 1.0, "y": 3.5}, {"x": 16.0, "y": 2.25}, {"x": 1000.0, "y": 2.0}]
    assert CURVE.read(written) == POINTS
    assert CURVE.read([]) == ()
    assert CURVE.size(POINTS) == 3


def test_it_is_printed_as_a_table():
    assert CURVE.write(POINTS, "text").splitlines() == [
        "bytes of the past  bits", "                1  3.500", "               16  2.250",
        "            1,000  2.000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (7, "a list of x and y"), ([{"x": 1}], "a list of x and y"), ([[1, 2]], "a list of x"),
        ([{"x": 2, "y": 0}, {"x": 2, "y": 1}], "x that rises"),
        ([{"x": float("nan"), "y": 0}], "finite numbers"), ([{"x": "a", "y": 0}], "a list of x"),
    ],
)  # fmt: skip
def test_what_is_no_curve_is_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        CURVE.read(raw)


def test_its_schema_names_the_axes():
    items = CURVE.schema()["items"]["properties"]
    assert (items["x"]["description"], items["y"]["description"]) == (CURVE.x, CURVE.y)
    assert CURVE.read(describe.example(CURVE.schema())) == ((0.0, 0.0),)
