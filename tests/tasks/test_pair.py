"""Pairs, scores and glimpses as values."""

import json

import pytest
import torch

from swiftrnn.tasks import OfFiles
from swiftrnn.tasks.glimpses import Glimpse, Glimpses, Looks, looks
from swiftrnn.tasks.image import DOT, Image
from swiftrnn.tasks.pair import Pair
from swiftrnn.tasks.score import Score
from swiftrnn.tasks.text import Text

PAIR = Pair(Image(1))


def test_a_pair_is_read_from_an_array_and_from_its_text():
    assert Pair(Text()).read(["a", "b"]) == ("a", "b")
    assert Pair(Text()).read('["a", "b"]') == ("a", "b")
    first, second = PAIR.read(json.dumps([DOT, DOT]).encode())
    assert first.equal(second)
    assert first.shape == (1, 1)


def test_a_pair_is_written_as_it_is_read():
    images = torch.tensor([[0, 9]], dtype=torch.uint8), torch.tensor([[7]], dtype=torch.uint8)
    again = PAIR.read(PAIR.write(images, "json"))
    assert all(a.equal(b) for a, b in zip(again, images, strict=True))
    assert Pair(Text()).write(("a", "b"), "text") == "a\nb\n"
    assert PAIR.size(images) == 3 / 256


@pytest.mark.parametrize(
    ("raw", "said"),
    [(["a"], "got 1 values"), (["a", "b", "c"], "got 3 values"), ("a", "in JSON; got other text"),
     (5, "got int"), ({"a": 1, "b": 2}, "got dict"), ('"ab"', "got str"), ("[" * 10_000, "in JSON"),
     (b"\xff", "in JSON")],
)  # fmt: skip
def test_what_is_no_pair_is_refused(raw, said):
    with pytest.raises(ValueError, match="a pair needs an array of two") as caught:
        Pair(Text()).read(raw)
    assert said in str(caught.value)


def test_what_one_of_the_two_refuses_the_pair_refuses():
    with pytest.raises(ValueError, match="an image needs a data URL or base64"):
        PAIR.read([DOT, "no image"])


def test_a_pair_lies_in_two_files_where_each_lies_in_one():
    assert isinstance(PAIR, OfFiles)
    assert PAIR.files == 2
    assert PAIR.media == Image(1).media
    schema = PAIR.schema()
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert schema["items"]["contentEncoding"] == "base64"


def test_a_score_is_a_number_from_0_to_1():
    score = Score("same character")
    assert score.read(0.25) == 0.25
    assert score.write(1 / 3, "json") == 0.333333
    assert score.write(1 / 3, "text") == "0.333  same character\n"
    assert score.schema()["maximum"] == 1
    for raw in ("0.5", None, True, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="a probability needs a number from 0 to 1"):
            score.read(raw)


def test_glimpses_are_written_as_they_are_read():
    images = torch.zeros(4, 4, dtype=torch.uint8), torch.full((4, 4), 9, dtype=torch.uint8)
    value = looks(images, torch.tensor([[0.0, 0.25, 0.5, 0.75], [0.5, -0.5, 1.5, 0.5]]))
    assert value.windows == (Glimpse(0, 0.0, 0.25, 0.5, 0.75), Glimpse(1, 0.5, -0.5, 1.5, 0.5))
    written = json.loads(json.dumps(Glimpses().write(value, "json")))
    again = Glimpses().read(written)
    assert again.windows == value.windows
    assert all(a.equal(b) for a, b in zip(again.images, images, strict=True))
    lines = Glimpses().write(value, "text").splitlines()
    assert lines[0].split() == ["first", "50", "%", "from", "the", "left,", "25", "%", "down,",
                                "50", "%", "wide"]  # fmt: skip
    assert lines[1].startswith("second")
    assert Glimpses().size(value) == 2


@pytest.mark.parametrize(
    "raw",
    [{}, {"images": [DOT, DOT]}, {"images": [DOT, DOT], "windows": [[2, 0, 0, 1, 1]]},
     {"images": [DOT, DOT], "windows": [[0, 0, 0, 1]]},
     {"images": [DOT, DOT], "windows": [[0, 0, 0, 1, float("inf")]]}, 7],
)  # fmt: skip
def test_what_are_no_glimpses_is_refused(raw):
    with pytest.raises(ValueError, match="glimpse"):
        Glimpses().read(raw)
    assert Glimpses().write(Looks((torch.zeros(1, 1, dtype=torch.uint8),) * 2, ()), "text") == ""
