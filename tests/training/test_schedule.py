"""Schedules against their formulas, at whole and broken steps."""

import copy
import doctest
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.training.techniques import schedule
from swiftrnn.training.techniques.schedule import (
    Drops,
    InverseSquareRoot,
    Line,
    OverBudget,
    Restarts,
    cosine,
    scheduler,
)


def by_walking(rate, step):
    """The factor, found by going through the cycles one after the other."""
    gone, length, peak = step - rate.warmup, rate.first, 1.0
    while gone >= length:
        gone, length, peak = gone - length, length * rate.multiplier, peak * rate.peak_decay
    peak = max(peak, rate.floor)
    return rate.floor + (peak - rate.floor) * 0.5 * (1 + math.cos(math.pi * gone / length))


@given(
    st.floats(0.5, 50), st.sampled_from([1.0, 1.5, 2.0, 3.0]), st.floats(0, 20),
    st.floats(0.3, 1), st.floats(0, 0.5), st.floats(0, 1000),
)  # fmt: skip
def test_restarts_are_those_of_a_walk_through_the_cycles(first, m, warmup, decay, floor, step):
    rate = Restarts(first, m, warmup, decay, floor)
    near = min(abs(step - each) for each in rate.starts(step + 2 * first * m**8) or [0])
    if step < warmup or near < 1e-6:
        return
    assert rate(step) == pytest.approx(by_walking(rate, step), abs=1e-6)


@pytest.mark.parametrize("m", [1.0, 1.1, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("first", [1, 3, 10, 0.1, 7.3])
def test_every_cycle_begins_at_its_peak_and_ends_at_the_floor(first, m):
    rate = Restarts(first, m, warmup=4, peak_decay=0.8, floor=0.1)
    for cycle in range(12):
        begins = 4 + sum(first * m**i for i in range(cycle))
        assert rate.start(cycle) == pytest.approx(begins, rel=1e-12)
        assert rate(rate.start(cycle)) == pytest.approx(max(0.1, 0.8**cycle), abs=1e-9)
        assert rate(rate.start(cycle + 1) * (1 - 1e-9)) == pytest.approx(0.1, abs=1e-6)
        assert rate.cycle(rate.start(cycle)) == cycle


def test_cycles_may_get_shorter_and_then_end():
    rate = Restarts(8, 0.5, cycles=3)
    assert [rate(step) for step in (0, 8, 12)] == [1.0, 1.0, 1.0]
    assert [rate(step) for step in (13.999999, 14, 16, 1000)] == pytest.approx(
        [0, 0, 0, 0], abs=1e-5
    )
    assert rate.starts(100) == [0, 8, 12]


def test_a_cosine_and_a_line_rise_first_and_stay_at_the_floor():
    for rate in (cosine(110, warmup=10, floor=0.2), Line(110, warmup=10, floor=0.2)):
        assert [rate(step) for step in range(10)] == [step / 10 for step in range(10)]
        assert rate(10) == 1
        assert rate(60) == pytest.approx(0.6)
        assert rate(110) == pytest.approx(0.2)
        assert rate(10_000) == pytest.approx(0.2)


def transformers_linear(step, warmup, total):
    """get_linear_schedule_with_warmup of Transformers, as printed in its source."""
    if step < warmup:
        return float(step) / float(max(1, warmup))
    return max(0.0, float(total - step) / float(max(1, total - warmup)))


def transformers_cosine(step, warmup, total):
    """get_cosine_schedule_with_warmup of Transformers, as printed in its source."""
    if step < warmup:
        return float(step) / float(max(1, warmup))
    progress = float(step - warmup) / float(max(1, total - warmup))
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * 0.5 * 2.0 * progress)))


@pytest.mark.parametrize(("warmup", "total"), [(0, 7), (1, 7), (10, 110), (37, 41), (500, 1000)])
def test_in_updates_warm_up_line_and_cosine_are_those_of_transformers(warmup, total):
    for ours, theirs in ((Line, transformers_linear), (cosine, transformers_cosine)):
        found = [ours(total, warmup)(step) for step in range(total + 1)]
        right = [theirs(step, warmup, total) for step in range(total + 1)]
        assert found == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("updates", [1, 4, 100, 391, 0.5])
@pytest.mark.parametrize(
    "made",
    [
        lambda unit: cosine(7 * unit, warmup=2 * unit, floor=0.1),
        lambda unit: Line(7 * unit, warmup=0.5 * unit),
        lambda unit: Restarts(2.5 * unit, 1.5, warmup=unit, peak_decay=0.9),
        lambda unit: Drops((2.5 * unit, 4 * unit)),
    ],
)
def test_the_unit_of_a_step_does_not_matter(made, updates):
    """Epochs, parts of epochs, updates: lengths and steps in one unit or in the other."""
    small, large = made(1), made(updates)
    for step in range(33):
        assert large(step / 4 * updates) == pytest.approx(small(step / 4), abs=1e-9)


def test_a_warm_up_of_an_epoch_rises_through_all_of_its_updates():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    rates, found = scheduler(optimizer, Restarts(2.5, warmup=1), steps_per_unit=391), []
    for _ in range(392):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        rates.step()
    assert found == pytest.approx([1e-3 * update / 391 for update in range(392)])


def test_every_group_keeps_its_own_rate_and_one_that_is_added_later_follows():
    params = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    groups = [{"params": params[:1], "lr": 1.0}, {"params": params[1:2], "lr": 0.1}]
    optimizer = torch.optim.SGD(groups)
    rates = scheduler(optimizer, Line(10))

    def step():
        optimizer.step()
        rates.step()
        return [group["lr"] for group in optimizer.param_groups]

    assert step() == pytest.approx([0.9, 0.09])
    optimizer.add_param_group({"params": params[2:], "lr": 10.0})
    assert step() == pytest.approx([0.8, 0.08, 8.0])
    assert step() == pytest.approx([0.7, 0.07, 7.0])
    state = copy.deepcopy(rates.state_dict())
    again = torch.optim.SGD([*groups[:1], *groups[1:], {"params": params[2:], "lr": 10.0}])
    resumed = scheduler(again, Line(10))
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(state)
    again.step()
    resumed.step()
    assert [group["lr"] for group in again.param_groups] == pytest.approx([0.6, 0.06, 6.0])


def test_rates_that_are_tensors_follow_and_their_base_stays():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight], lr=torch.tensor(0.5), capturable=False)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
    rates = scheduler(optimizer, Line(4, warmup=1))
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))],
                               "lr": torch.tensor(4.0)})  # fmt: skip
    found = []
    for _ in range(4):
        optimizer.step()
        rates.step()
        found.append([float(group["lr"]) for group in optimizer.param_groups])
    right = [1.0, 2 / 3, 1 / 3, 0.0]
    assert found == [pytest.approx([0.5 * f, 0.5 * f, 4 * f], abs=1e-6) for f in right]


def test_schedules_follow_each_other_in_torchs_chains():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    parts = [scheduler(optimizer, Line(8, warmup=4)), scheduler(optimizer, cosine(10))]
    rates = torch.optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=[6])
    found = []
    for _ in range(12):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        rates.step()
    right = [Line(8, 4)(step) for step in range(6)] + [cosine(10)(step) for step in range(6)]
    assert found == pytest.approx(right)


def test_drops_multiply_from_their_step_on():
    rate = Drops((3, 5), 0.2)
    assert [rate(step) for step in range(7)] == pytest.approx([1, 1, 1, 0.2, 0.2, 0.04, 0.04])
    assert Drops()(1e9) == 1


def trained(schedule, steps, resumed_at=None):
    """Rates of every step, and the weights; maybe through a state dict in the middle."""

    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1).double()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, scheduler(optimizer, schedule, steps_per_unit=4)

    model, optimizer, rates = fresh()
    found = []
    for step in range(steps):
        if step == resumed_at:
            saved = [each.state_dict() for each in (model, optimizer, rates)]
            model, optimizer, rates = fresh()
            for each, state in zip((model, optimizer, rates), saved, strict=True):
                each.load_state_dict(state)
        model(torch.full((2, 3), step + 1.0).double()).square().sum().backward()
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        optimizer.zero_grad()
        rates.step()
    return found, [p.detach().clone() for p in model.parameters()]


def test_a_scheduler_follows_the_function_and_resumes_to_the_bit():
    rate = Restarts(1.5, 1.7, warmup=0.5, peak_decay=0.9)
    found, weights = trained(rate, 30)
    assert found == [0.1 * rate(step / 4) for step in range(30)]
    again, same = trained(rate, 30, resumed_at=13)
    assert again == found
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Restarts(0), "Restarts needs first above 0; got 0"),
        (lambda: Restarts(1, math.nan), "Restarts needs multiplier above 0; got nan"),
        (lambda: Restarts(1, peak_decay=0), "Restarts needs peak_decay above 0; got 0"),
        (lambda: Restarts(1, floor=2), "floor in 0..1 and warmup of at least 0; got 2 and 0.0"),
        (lambda: Restarts(1, warmup=-1), "got 0.0 and -1"),
        (lambda: Restarts(1, 0.5), "cycles where they get shorter; got multiplier 0.5"),
        (lambda: Restarts(1, cycles=0), "cycles of at least 1; got 0"),
        (lambda: cosine(5, warmup=5), "cosine needs steps above warmup; got 5 and 5"),
        (lambda: Line(0), "Line needs steps above warmup; got 0 and 0.0"),
        (lambda: Line(math.inf), "Line needs steps above warmup; got inf and 0.0"),
        (lambda: Line(9, warmup=-1), "Line needs floor in 0..1 .* at least 0; got 0.0 and -1"),
        (lambda: Line(9, floor=2), "Line needs floor in 0..1 .* at least 0; got 2 and 0.0"),
        (lambda: cosine(math.inf), "cosine needs steps above warmup; got inf and 0.0"),
        (lambda: Line(9)(-1), "Line needs a step of at least 0, finite; got -1"),
        (lambda: Drops()(math.nan), "Drops needs a step of at least 0, finite; got nan"),
        (lambda: Restarts(3, warmup=2)(-1), "Restarts needs a step of at least 0, .* got -1"),
        (lambda: Drops((2, 1)), r"steps that rise; got \(2, 1\)"),
        (lambda: Drops((2,), 0), "a factor above 0; got 0"),
        (lambda: Drops((2,), math.inf), "a factor above 0; got inf"),
        (lambda: trained_by(0), "steps_per_unit above 0; got 0"),
        (lambda: trained_by(math.inf), "steps_per_unit above 0; got inf"),
    ],
)
def test_numbers_out_of_range_get_one_line(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def trained_by(steps_per_unit):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1)
    return scheduler(optimizer, Drops(), steps_per_unit)


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_the_inverse_square_root_rises_stays_and_falls(warmup):
    rate = InverseSquareRoot(knee=50, warmup=warmup)
    for step in range(400):
        rising = (step + 1) / warmup if warmup and step + 1 < warmup else 1.0
        falling = (50 / (step + 1)) ** 0.5 if step + 1 > 50 else 1.0
        assert rate(step) == pytest.approx(rising * falling)
    for wrong in ({"knee": 0}, {"knee": math.inf}, {"knee": 1, "warmup": -1}):
        with pytest.raises(ValueError, match="InverseSquareRoot needs knee above 0 and warmup"):
            InverseSquareRoot(**wrong)
    with pytest.raises(ValueError, match="InverseSquareRoot needs a step"):
        rate(-1)


def test_over_a_budget_it_rises_with_the_updates_and_falls_with_what_is_spent():
    rate = OverBudget(warmup=4)
    assert [rate(step, 0.0) for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert [rate(9, done) for done in (0.25, 0.5, 1.0)] == [0.75, 0.5, 0.0]
    assert rate(2, 0.5) == 0.25
    assert OverBudget()(1, 0.5) == 0.5
    for wrong in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"OverBudget needs .* got 0.0 and {wrong}"):
            OverBudget(wrong)
    with pytest.raises(ValueError, match="OverBudget needs a step"):
        rate(-1, 0.0)


def test_examples_run():
    assert doctest.testmod(schedule).failed == 0
