"""Mixed screenshots: what they show is their program, to the pixel."""

import pytest
import torch

from swiftrnn.data.screens import generate
from swiftrnn.data.screens.drawing import drawn
from swiftrnn.data.screens.mixing import Mixer, runs
from swiftrnn.data.screens.program import Node, Program, parse

SIZE = (96, 128)


def pages(count, rows=(1, 2, 3)):
    programs = [
        generate.screen("web", i, "published", rows=rows[i % len(rows)]).program
        for i in range(count)
    ]
    return torch.stack([drawn(each, SIZE) for each in programs]), programs


@pytest.mark.parametrize("rows", [(1,), (2,), (1, 2, 3)])
def test_a_mixed_screenshot_is_what_its_program_looks_like(rows):
    pixels, programs = pages(60, rows)
    mixer = Mixer(pixels, programs)
    assert len(mixer.pages) > 50
    torch.manual_seed(0)
    drafts = [mixer.draw() for _ in range(200)]
    for picture, program in drafts:
        assert parse(str(program)) == program
        assert picture.equal(drawn(program, SIZE))
    known = {str(each) for each in programs}
    assert sum(str(program) not in known for _, program in drafts) > 120
    assert len({program.layout for _, program in drafts}) > 10


def test_what_is_mixed_depends_on_the_seed_alone():
    mixer = Mixer(*pages(20))
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append([mixer.draw() for _ in range(8)])
    programs = [[program for _, program in each] for each in found]
    assert programs[0] == programs[1] != programs[2]
    assert all(a.equal(b) for (a, _), (b, _) in zip(found[0], found[1], strict=True))


def test_screenshots_are_not_changed_by_drawing():
    pixels, programs = pages(20)
    before, mixer = pixels.clone(), Mixer(pixels, programs)
    for _ in range(50):
        mixer.draw()
    assert pixels.equal(before)


def less(program):
    *rows, last = program.body.children
    return Program("web", Node("body", (*rows, Node(last.name, last.children[:-1]))))


def test_only_screenshots_whose_pieces_are_told_apart_are_used():
    pixels, programs = pages(20)
    assert len(Mixer(pixels, programs).pages) == 20
    wrong = next(i for i, each in enumerate(programs) if len(each.body.children[-1].children) > 1)
    programs[wrong] = less(programs[wrong])  # a cell more than names of cells
    assert len(Mixer(pixels, programs).pages) == 19
    programs[wrong] = Program("web", Node("body", programs[wrong].body.children[:-1]))  # a row more
    assert len(Mixer(pixels, programs).pages) == 19
    pixels[:] = torch.randint(256, pixels.shape, dtype=torch.uint8)  # one piece, without a gap
    assert not Mixer(pixels, programs).pages


def test_a_page_that_is_cut_off_is_not_used():
    pixels, programs = pages(20)
    whole = Mixer(pixels, programs)
    end = max(96 - page.below.shape[1] for page in whole.pages)
    cut = Mixer(pixels[:, :, : end - 1], programs)
    assert 0 < len(cut.pages) < len(whole.pages)


def test_what_is_below_the_rows_stays_and_the_lower_edge_too():
    pixels, programs = pages(30)
    line, edge = torch.tensor([9, 9, 200]), torch.tensor([1, 250, 1])
    for picture in pixels:
        end = max(b for _, b in runs((picture != 255).any(0).any(1)))
        picture[:, end + 2 : end + 4, 10:50] = line[:, None, None]
        picture[:, -3:] = edge[:, None, None]
    mixer = Mixer(pixels, programs)
    assert mixer.pages
    for _ in range(100):
        picture, program = mixer.draw()
        assert (picture[:, -3:] == edge[:, None, None]).all()
        seen = (picture == line[:, None, None]).all(0).nonzero()
        assert len(seen) == 2 * 40
        whole = drawn(program, SIZE)
        top = int(seen[0, 0])
        assert picture[:, :top].equal(whole[:, :top])
        assert (whole[:, top:] == 255).all()


def test_rows_too_high_for_a_page_leave_it_as_it_is():
    low, high = "row{single{text}}", "row{single{small-title,text,btn-red}}"
    programs = [parse(each) for each in (low + low + high, low + high + low, high + low + low)] * 5
    size = (36, 128)  # room for one high row and two low ones
    pixels = torch.stack([drawn(each, size) for each in programs])
    mixer = Mixer(pixels, programs)
    assert len(mixer.pages) == 15
    torch.manual_seed(0)
    for _ in range(100):
        picture, program = mixer.draw()
        assert picture.equal(drawn(program, size))


def test_a_cell_is_exchanged_from_its_first_line_on():
    pixels, programs = pages(30, (1,))
    for number, picture in enumerate(pixels):  # of each page the first lines have a shade
        first = runs((picture == 225).all(0).any(1))[0][0]
        line = picture[:, first]
        line[:, (line == 225).all(0)] = 226 + number % 3
    mixer = Mixer(pixels, programs)
    torch.manual_seed(0)
    mixed = 0
    for _ in range(60):
        picture, _ = mixer.draw()
        first = runs(((picture > 220) & (picture < 240)).all(0).any(1))[0][0]
        shades = picture[0, first][(picture[0, first] > 220) & (picture[0, first] < 240)]
        assert (shades > 225).all()
        mixed += len(shades.unique()) > 1
    assert mixed > 10


def test_runs():
    assert runs(torch.tensor([True, False, False, True, True])) == [(0, 1), (3, 5)]
    assert runs(torch.zeros(4, dtype=torch.bool)) == []
    assert runs(torch.ones(4, dtype=torch.bool)) == [(0, 4)]
