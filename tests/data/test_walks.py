"""Arenas and random walks: walls, statistics, and nobody outside."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.walking.arenas import SHAPES, Circle, Polygon, arena
from swiftrnn.data.walking.walks import Motion, anywhere, brownian, foraging, walk

EVERY = [arena(shape, 2.0) for shape in SHAPES]
SKEW = Polygon(((-2.0, -0.5), (1.0, -1.0), (1.5, 0.4), (-0.3, 0.9)))


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_distances_of_walls():
    points = torch.tensor([[0.0, 0.0], [0.5, 0.2], [-0.9, 0.1], [1.5, 0.0]])
    square = arena("square")
    torch.testing.assert_close(square.room(points), torch.tensor([1.0, 0.5, 0.1, -0.5]))
    assert square.walls(points)[1:].tolist() == [[1, 0], [-1, 0], [1, 0]]
    circle = arena("circle", 4.0)
    torch.testing.assert_close(circle.room(torch.tensor([[0.0, 0.0], [3.0, 4.0]])),
                               torch.tensor([2.0, -3.0]))  # fmt: skip
    torch.testing.assert_close(circle.walls(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))
    assert arena("triangle").extent == 1
    height = math.sqrt(3) / 2
    assert float(arena("hexagon").room(torch.zeros(2))) == pytest.approx(height)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_the_way_to_the_nearest_wall_leads_there(x, y):
    point = torch.tensor([x, y], dtype=torch.float64)
    for each in (*EVERY, SKEW):
        room, wall = each.room(point), each.walls(point)
        assert wall.norm() == pytest.approx(1)
        if room > 0:
            assert each.room(point + room * wall) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("each", [*EVERY, SKEW], ids=[*SHAPES, "polygon"])
@pytest.mark.parametrize("motion", [brownian(2.0), brownian(2.0, 0.0), foraging(),
                                    Motion(0.9, 2.0, rayleigh=True)])  # fmt: skip
def test_nobody_leaves_the_arena(each, motion):
    found = walk(each, motion, 300, 50, draw())
    assert found.positions.shape == (301, 50, 2)
    assert (each.room(found.positions) >= -1e-5).all()
    ahead = torch.stack([found.headings.cos(), found.headings.sin()], -1)
    torch.testing.assert_close(found.steps, found.speeds[..., None] * ahead, rtol=0, atol=1e-5)


def test_everywhere_is_visited():
    found = walk(arena("square"), brownian(2.0, 0.0), 500, 200, draw())
    at = ((found.positions[100:] + 1) / 2 * 10).long().clamp(0, 9)
    visits = torch.bincount((at[..., 0] * 10 + at[..., 1]).flatten(), minlength=100)
    assert visits.min() > 0.3 * visits.float().mean()


def test_steps_are_as_long_and_as_straight_as_is_said():
    motion = Motion(0.001, 0.5, straight=0.8, still=0.7)
    found = walk(arena("square"), motion, 400, 300, draw())
    assert (found.speeds == 0).float().mean() == pytest.approx(0.7, abs=0.01)
    assert found.speeds[found.speeds > 0].unique().tolist() == pytest.approx([0.001])
    turns = torch.remainder(found.headings.diff(dim=0) + math.pi, 2 * math.pi) - math.pi
    assert (turns.abs() < 1e-6).float().mean() == pytest.approx(0.8, abs=0.01)
    assert turns[turns.abs() >= 1e-6].std() == pytest.approx(0.5, abs=0.02)
    varied = walk(arena("square"), Motion(0.001, 0.5, rayleigh=True), 400, 300, draw()).speeds
    assert varied.mean() == pytest.approx(0.001 * math.sqrt(math.pi / 2), rel=0.01)


def test_near_walls_an_animal_is_slow_and_does_not_walk_into_them():
    motion = foraging()
    room = arena("square", 2.2)
    found = walk(room, motion, 500, 200, draw())
    before = found.positions[:-1]
    near = room.room(before) < motion.border
    assert near.float().mean() > 0.01
    assert found.speeds[near].mean() < 0.8 * found.speeds[~near].mean()
    into = (found.steps * room.walls(before)).sum(-1)
    assert (into[near] <= 1e-6).float().mean() > 0.9


def test_walks_depend_on_the_seed_alone():
    first, same, other = (walk(SKEW, brownian(2.0), 50, 7, draw(s)).positions for s in (1, 1, 2))
    assert first.equal(same)
    assert not first.equal(other)


def test_anywhere_is_everywhere_as_likely():
    points = anywhere(SKEW, 4000, draw())
    assert points.shape == (4000, 2)
    assert (SKEW.room(points) >= 0).all()
    left = points[:, 0] < 0
    x = torch.linspace(-2, 1.5, 400)
    grid = torch.stack(torch.meshgrid(x, torch.linspace(-1, 1, 400), indexing="ij"), -1)
    inside = SKEW.room(grid) >= 0
    share = (inside & (grid[..., 0] < 0)).sum() / inside.sum()
    assert left.float().mean() == pytest.approx(float(share), abs=0.03)


def test_walks_begin_where_they_are_told_to():
    start = torch.tensor([[0.5, 0.5], [-0.2, 0.1]])
    found = walk(arena("square"), brownian(2.0), 3, 2, draw(), start)
    assert found.positions[0].equal(start)
    nothing = walk(arena("square"), brownian(2.0), 0, 2, draw(), start)
    assert nothing.positions.shape == (1, 2, 2)
    assert nothing.headings.shape == nothing.speeds.shape == (0, 2)


@pytest.mark.parametrize(
    "corners",
    [((0, 0), (1, 0)), ((-1, -1), (-1, 1), (1, 1), (1, -1)), ((1, 1), (2, 1), (2, 2), (1, 2)),
     ((-1, -1), (1, -1), (0, -0.5), (1, 1), (-1, 1)), ((-1, -1), (1, -1), (math.nan, 1))],
)  # fmt: skip
def test_other_corners_are_refused(corners):
    with pytest.raises(ValueError, match="Polygon needs"):
        Polygon(corners)


def test_what_does_not_fit_is_one_clear_line():
    with pytest.raises(ValueError, match="Circle needs a radius above 0; got 0"):
        Circle(0)
    with pytest.raises(ValueError, match="one of square, circle, triangle, hexagon; got 'star'"):
        arena("star")
    with pytest.raises(ValueError, match="arena needs a width above 0; got -1"):
        arena("square", -1)
    with pytest.raises(ValueError, match=r"Motion needs still from 0 to 1; got 1\.5"):
        Motion(0.1, 0.1, still=1.5)
    with pytest.raises(ValueError, match="Motion needs turn of at least 0; got nan"):
        Motion(0.1, math.nan)
    with pytest.raises(ValueError, match=r"walk needs start \(2, 2\) inside the arena"):
        walk(arena("square"), brownian(2.0), 3, 2, start=torch.full((2, 2), 3.0))
    with pytest.raises(ValueError, match="steps shorter than the arena; got a speed of 5"):
        walk(arena("square"), Motion(5, 0.1), 3, 2)
