"""Programs and what was seen of them, as values."""

import pytest

from swiftrnn.recipes.pix2code import TASK
from swiftrnn.tasks.program import Regions, Seen

VALUE = TASK.gives
TEXT = "row {\nsingle {\ntext, btn-red\n}\n}\n"
SEEN = Seen(("row", "text"), (((0.0, 0.5), (0.25, 0.25)), ((1.0, 0.0), (0.0, 0.0))), (0.5, 1.0))


def test_it_is_written_in_each_form_and_all_of_them_in_json(tmp_path):
    program = VALUE.read("row{single{text,btn-red}}")
    assert VALUE.forms == ("gui", "html", "android", "ios")
    assert VALUE.write(program, "gui") == TEXT
    found = VALUE.write(program, "json")
    assert [*found] == [*VALUE.forms, "platform"]
    assert all(found[form] == VALUE.write(program, form) for form in VALUE.forms)
    assert VALUE.read(found) == program
    (tmp_path / "a.gui").write_text(TEXT)
    assert VALUE.read(tmp_path / "a.gui") == program
    assert VALUE.size(program) == len(TEXT)
    assert VALUE.write(program, "html", 1) != VALUE.write(program, "html", 2)
    assert set(VALUE.schema()["required"]) == {*found}


@pytest.mark.parametrize(
    ("raw", "said"),
    [(7, "needs a text; got int"), ({"html": "<p>"}, "needs a text; got NoneType"),
     ("row {", "got its end; close it")],
)  # fmt: skip
def test_what_is_none_is_refused(raw, said):
    with pytest.raises(ValueError, match=said):
        VALUE.read(raw)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a file that can be read; got .* \(No such file"):
        VALUE.read(tmp_path / "none.gui")
    (tmp_path / "latin.gui").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="it is not UTF-8"):
        VALUE.read(tmp_path / "latin.gui")


def test_regions_come_back_from_json_and_name_the_place_in_text():
    regions = Regions()
    assert regions.read(regions.write(SEEN, "json")) == SEEN
    lines = regions.write(SEEN, "text").splitlines()
    assert lines[0].split() == ["row", "75", "%", "from", "the", "left,", "50", "%", "down"]
    assert lines[1].split()[:2] == ["text", "25"]
    assert regions.size(SEEN) == 2
    for raw in (3, {"names": []}, {"names": ["a"], "weights": [], "share": [1, 1]},
                {"names": [], "weights": [], "share": [1]}):  # fmt: skip
        with pytest.raises(ValueError, match="regions needs"):
            regions.read(raw)
