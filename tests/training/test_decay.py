"""Weight decay against ten lines of the paper, and against torch.optim.AdamW, to the bit."""

import copy
import doctest
import math
import pickle

import lightning as L
import pytest
import torch
from torch import distributed, nn
from torch.utils.data import DataLoader

from swiftrnn.training.techniques import decay
from swiftrnn.training.techniques.decay import carry_rate, decoupled, groups, normalised, time_scale
from swiftrnn.training.techniques.muon import Muon
from swiftrnn.training.techniques.schedule import Restarts, scheduler

RATE = Restarts(7, 1.5, warmup=3, floor=0.05)


def gradients(w, step):
    """Of a made-up loss, in float64."""
    return torch.sin(w * (step + 1)) + 0.3 * w


def start():
    return torch.linspace(-2, 2, 7, dtype=torch.float64)


def by_the_paper(kind, steps, lr, weight_decay, rates=lambda _: 1.0):
    """Algorithms 1 (SGDW) and 2 (AdamW), line for line."""
    w, m, v = start(), torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    for step in range(steps):
        eta, g = rates(step), gradients(w, step)
        if kind == "sgdw":
            m = 0.9 * m + eta * lr * g
            w = w - m - eta * weight_decay * w
            continue
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        w = w - eta * (lr * m_hat / (v_hat.sqrt() + 1e-8) + weight_decay * w)
    return w


def by_us(optimizer_of, steps, by, rates=None, closure=False, paper=False):
    w = nn.Parameter(start())
    optimizer = optimizer_of([w])
    if by:
        decoupled(optimizer, by)
    if paper:
        carry_rate(optimizer)
    schedule = scheduler(optimizer, rates) if rates else None
    for step in range(steps):

        def found(step=step):
            w.grad = gradients(w.detach(), step)
            return torch.zeros(())

        if closure:
            optimizer.step(found)
        else:
            found()
            optimizer.step()
        if schedule:
            schedule.step()
    return w.detach()


def adam(w, **more):
    return torch.optim.Adam(w, lr=1e-2, weight_decay=0.02, **more)


def sgd(w):
    return torch.optim.SGD(w, lr=1e-2, momentum=0.9, weight_decay=0.02)


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("rates", [None, RATE])
@pytest.mark.parametrize(
    "more", [{}, {"foreach": True}, {"fused": True}, {"amsgrad": True}], ids=str
)
def test_adam_that_decays_by_rate_is_torchs_adamw_to_the_bit(more, rates, closure):
    right = by_us(lambda w: torch.optim.AdamW(w, lr=1e-2, weight_decay=0.02, **more), 50, "", rates)
    found = by_us(lambda w: adam(w, **more), 50, "rate", rates, closure)
    assert torch.equal(found, right)


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("rates", [None, RATE])
def test_by_schedule_adam_is_the_papers_adamw(rates, closure):
    found = by_us(adam, 50, "schedule", rates, closure)
    right = by_the_paper("adamw", 50, 1e-2, 0.02, rates or (lambda _: 1.0))
    torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)
    assert (found - by_us(adam, 50, "rate", rates)).abs().max() > 0.05  # the factor of the rate


@pytest.mark.parametrize("rates", [None, RATE])
def test_by_schedule_sgd_is_the_papers_sgdw(rates):
    found = by_us(sgd, 50, "schedule", rates, paper=True)
    right = by_the_paper("sgdw", 50, 1e-2, 0.02, rates or (lambda _: 1.0))
    torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)
    torchs = by_us(sgd, 50, "schedule", rates)
    assert torch.allclose(torchs, right, rtol=1e-12) == (rates is None)


def test_at_a_constant_rate_the_two_meanings_differ_by_it():
    by_rate = by_us(lambda w: torch.optim.Adam(w, lr=1e-2, weight_decay=2.0), 50, "rate")
    torch.testing.assert_close(by_rate, by_us(adam, 50, "schedule"), rtol=1e-12, atol=1e-12)


def test_for_plain_sgd_l2_is_decay_by_rate():
    def plain(w):
        return torch.optim.SGD(w, lr=1e-2, weight_decay=0.02)

    torch.testing.assert_close(by_us(plain, 50, ""), by_us(plain, 50, "rate"), rtol=1e-12, atol=0)


def test_for_adam_l2_is_no_decay():
    assert (by_us(adam, 50, "") - by_us(adam, 50, "rate")).abs().max() > 1e-3


def test_weights_without_a_gradient_and_steps_that_a_scaler_leaves_out_do_not_decay():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([used, unused], lr=0.5, weight_decay=1.0)
    decoupled(optimizer)
    used.grad = torch.zeros(2)
    optimizer.step()
    assert used.tolist() == [0.5, 0.5]
    assert unused.tolist() == [1.0, 1.0]
    for fused in (False, True):
        w = nn.Parameter(torch.ones(2))
        optimizer = torch.optim.Adam([w], lr=0.5, weight_decay=1.0, fused=fused)
        decoupled(optimizer)
        scaler = torch.amp.GradScaler("cpu")
        scaler.scale(w.sum()).backward()
        w.grad[0] = math.inf
        scaler.step(optimizer)
        assert w.tolist() == [1.0, 1.0]


def one(lr=0.5, weight_decay=0.5, kind=torch.optim.SGD, **more):
    w = nn.Parameter(torch.ones(2, dtype=torch.float64))
    return w, kind([w], lr=lr, weight_decay=weight_decay, **more)


def stepped(optimizer, w, grad=0.0):
    w.grad = torch.full_like(w, grad)
    optimizer.step()
    return w.tolist()


def decay_of(optimizer):
    return [group["weight_decay"] for group in optimizer.param_groups]


def test_a_handle_ends_it_and_gives_the_decay_back():
    (w, optimizer), (plain, torchs) = one(), one()
    handle = decoupled(optimizer, by="schedule")
    assert stepped(optimizer, w) == [0.5, 0.5]
    handle.remove()
    handle.remove()
    with torch.no_grad():
        plain.copy_(w)
    assert optimizer.state_dict()["param_groups"] == torchs.state_dict()["param_groups"]
    assert stepped(optimizer, w, 0.1) == stepped(torchs, plain, 0.1)  # in its gradient again
    assert w.tolist() != [0.5, 0.5]
    with decoupled(optimizer):
        pass
    assert pickle.loads(pickle.dumps(optimizer)).param_groups[0]["weight_decay"] == 0.5


@pytest.mark.parametrize("by", ["rate", "schedule"])
def test_called_twice_it_decays_once_and_two_meanings_are_refused(by):
    w, optimizer = one(lr=0.25)
    first = decoupled(optimizer, by)
    assert decoupled(optimizer, by) is first
    assert stepped(optimizer, w) == [0.875 if by == "rate" else 0.5] * 2
    other = "rate" if by == "schedule" else "schedule"
    with pytest.raises(ValueError, match=f"one meaning .*; got '{other}' after '{by}'; call remo"):
        decoupled(optimizer, other)
    first.remove()
    decoupled(optimizer, other)
    w.data.fill_(1)
    assert stepped(optimizer, w) == [0.875 if other == "rate" else 0.5] * 2


@pytest.mark.parametrize("by", ["rate", "schedule"])
def test_groups_that_are_added_decay_too_by_their_own_numbers(by):
    w, optimizer = one(lr=0.25)
    decoupled(optimizer, by)
    more, none = (nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    optimizer.add_param_group({"params": [more], "lr": 0.125, "weight_decay": 0.25})
    optimizer.add_param_group({"params": [none], "weight_decay": 0.0})
    for each in (more, none):
        each.grad = torch.zeros_like(each)
    stepped(optimizer, w)
    assert more.tolist() == [1 - (0.125 if by == "rate" else 1) * 0.25] * 2
    assert none.tolist() == [1.0, 1.0]
    assert decay_of(optimizer) == [0.5, 0.25, 0.0]
    optimizer.param_groups[2]["weight_decay"] = 1.0  # read at each step
    stepped(optimizer, w)
    assert none.tolist() == [0.75 if by == "rate" else 0.0] * 2


@pytest.mark.parametrize("by", ["rate", "schedule"])
@pytest.mark.parametrize("older", ["before it was decoupled", "of a version that moved the decay"])
def test_a_state_that_is_older_is_loaded_and_decays(by, older):
    _, before = one(lr=0.25, weight_decay=0.25)
    state = before.state_dict()
    if older == "of a version that moved the decay":
        state["param_groups"][0] |= {"decay": 0.25, "weight_decay": 0, "initial_lr": 0.25}
    w, optimizer = one(lr=0.25)
    decoupled(optimizer, by)
    optimizer.load_state_dict(state)
    optimizer.param_groups[0]["lr"] = 0.125
    assert stepped(optimizer, w) == [1 - (0.125 if by == "rate" else 0.5) * 0.25] * 2
    assert decay_of(optimizer) == [0.25]


def test_a_state_dict_is_torchs_own_and_by_schedule_the_first_rate_goes_with_it():
    w, optimizer = one(lr=0.25)
    torchs = one(lr=0.25)[1].state_dict()
    decoupled(optimizer)
    stepped(optimizer, w)
    assert optimizer.state_dict()["param_groups"] == torchs["param_groups"]
    w, optimizer = one(lr=0.25)
    decoupled(optimizer, "schedule")
    optimizer.param_groups[0]["lr"] = 0.125
    saved = optimizer.state_dict()
    w, resumed = one(lr=3.0)
    resumed.load_state_dict(saved)
    decoupled(resumed, "schedule")
    assert stepped(resumed, w) == [0.75, 0.75]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("by", ["rate", "schedule"])
def test_a_copy_of_the_optimiser_decays_as_well(copied, by):
    def trained(way):
        w = nn.Parameter(start())
        optimizer = torch.optim.SGD([w], lr=1e-2, momentum=0.9, weight_decay=0.02)
        decoupled(optimizer, by)
        carry_rate(optimizer)
        rates = scheduler(optimizer, RATE)
        for step in range(12):
            if step == 5:
                before = decay_of(optimizer)
                lr = [group["lr"] for group in optimizer.param_groups]
                optimizer = way(optimizer)
                assert decay_of(optimizer) == before == [0.02]
                assert [group["lr"] for group in optimizer.param_groups] == lr
            (w,) = optimizer.param_groups[0]["params"]
            w.grad = gradients(w.detach(), step)
            optimizer.step()
            optimizer.param_groups[0]["lr"] = 1e-2 * RATE(step + 1)
        assert rates is not None
        return w.detach()

    assert torch.equal(trained(copied), trained(lambda x: x))


def test_a_copy_goes_its_own_way():
    w, optimizer = one()
    handle = decoupled(optimizer)
    other = copy.deepcopy(optimizer)
    handle.remove()
    (v,) = other.param_groups[0]["params"]
    assert stepped(other, v) == [0.75, 0.75]
    assert w.tolist() == [1.0, 1.0]
    assert decoupled(other) is not handle
    decoupled(other).remove()
    assert decay_of(other) == [0.5]


@pytest.mark.parametrize("saved", [True, False])
def test_a_step_that_fails_loses_no_decay(saved):
    w, optimizer = one(kind=torch.optim.Adam)
    decoupled(optimizer)
    w.grad = torch.ones_like(w).to_sparse()
    with pytest.raises((RuntimeError, NotImplementedError)):
        optimizer.step()
    w.data.fill_(1)
    before = w.tolist()
    if saved:
        assert optimizer.state_dict()["param_groups"][0]["weight_decay"] == 0.5
    assert stepped(optimizer, w) == [0.75 * each for each in before]

    def fails():
        raise ArithmeticError("of the loss")

    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    assert decay_of(optimizer) == [0.5]


def by_one_cycle(first):
    w, optimizer = one(lr=0.125)
    if first:
        decoupled(optimizer, "schedule")
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.125, total_steps=12)
    decoupled(optimizer, "schedule")
    expected = 1.0
    for _ in range(11):
        expected *= 1 - optimizer.param_groups[0]["lr"] / 0.125 * 0.5
        stepped(optimizer, w)
        rates.step()
    return w.tolist(), [pytest.approx(expected, rel=1e-9)] * 2


@pytest.mark.parametrize("first", [True, False])
def test_with_one_cycle_the_factor_is_1_at_its_peak(first):
    found, expected = by_one_cycle(first)
    assert found == expected


def test_it_changes_no_schedule_that_is_made_later():
    found = []
    for ours in (False, True):
        w, optimizer = one(lr=0.125)
        if ours:
            decoupled(optimizer, "schedule")
        rates = torch.optim.lr_scheduler.CyclicLR(
            optimizer, base_lr=0.01, max_lr=0.25, step_size_up=3, cycle_momentum=False
        )
        found.append([])
        for _ in range(6):
            found[-1].append(optimizer.param_groups[0]["lr"])
            stepped(optimizer, w)
            rates.step()
    assert found[0] == found[1]


def test_rates_that_are_tensors_decay_by_their_schedule():
    w, optimizer = one(lr=torch.tensor(0.5, dtype=torch.float64), kind=torch.optim.Adam)
    decoupled(optimizer, "schedule")
    rates = scheduler(optimizer, lambda step: 0.5**step)
    assert stepped(optimizer, w) == [0.5, 0.5]
    rates.step()
    assert stepped(optimizer, w) == [0.375, 0.375]


def test_a_first_rate_of_zero_gets_one_line():
    w, optimizer = one(lr=0.0)
    decoupled(optimizer, "schedule")
    with pytest.raises(ValueError, match="first rate above 0 in each group; got 0; give one"):
        stepped(optimizer, w)
    assert decay_of(optimizer) == [0.5]


def test_a_decay_that_is_part_of_the_graph_has_a_gradient():
    start = torch.ones(2, dtype=torch.float64, requires_grad=True)
    w = start * 3
    w.retain_grad()
    optimizer = torch.optim.SGD([w], lr=0.5, weight_decay=0.5, differentiable=True)
    decoupled(optimizer)
    w.grad = torch.zeros_like(w)
    optimizer.step()
    (grad,) = torch.autograd.grad(w.sum(), start)
    assert grad.tolist() == [0.75 * 3] * 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"foreach": True},
        {"foreach": False},
        {"fused": True},
        {"maximize": True},
        {"amsgrad": True},
    ],
    ids=str,
)
def test_whatever_the_options_it_is_torchs_adamw(options):
    def trained(kind, ours):
        w, frozen = nn.Parameter(start()), nn.Parameter(start())
        v = nn.Parameter(start().flip(0))
        optimizer = kind(
            [{"params": [w, frozen]}, {"params": [v], "weight_decay": 0.0}],
            lr=1e-2, weight_decay=0.3, **options,
        )  # fmt: skip
        if ours:
            decoupled(optimizer)
        rates = scheduler(optimizer, RATE)
        for step in range(20):
            for p in (w, v):
                p.grad = gradients(p.detach(), step)
            optimizer.step()
            rates.step()
        assert torch.equal(frozen, start())
        return torch.cat([w.detach(), v.detach()])

    right = trained(torch.optim.AdamW, False)
    torch.testing.assert_close(trained(torch.optim.Adam, True), right, rtol=1e-13, atol=1e-13)


def test_muon_decays_once_as_well():
    def trained(ours):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)).double()
        optimizer = Muon([model[0].weight], model.parameters(), 0.1, weight_decay=0.3)
        if ours:
            decoupled(optimizer)
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(3, 8).double()).square().sum().backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.testing.assert_close(trained(True), trained(False), rtol=1e-12, atol=1e-14)


def test_with_zero_redundancy_too(tmp_path):
    from torch.distributed.optim import ZeroRedundancyOptimizer

    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    try:
        w = nn.Parameter(torch.ones(2, dtype=torch.float64))
        optimizer = ZeroRedundancyOptimizer([w], torch.optim.Adam, lr=0.5, weight_decay=0.5)
        decoupled(optimizer)
        assert stepped(optimizer, w) == [0.75, 0.75]
        assert stepped(optimizer, w) == [0.5625, 0.5625]
        optimizer.consolidate_state_dict()
        assert optimizer.state_dict()["param_groups"][0]["weight_decay"] == 0.5
    finally:
        distributed.destroy_process_group()


RATES = [0.0, 0.0, 0.5, 1.0, 0.0, 0.25, 0.0, 0.0, 0.75]


@pytest.mark.parametrize("made_first", [True, False])
@pytest.mark.parametrize("maximize", [True, False])
def test_rates_of_zero_are_carried_as_in_the_paper(made_first, maximize):
    w, m = nn.Parameter(start()), 0
    optimizer = torch.optim.SGD([w], lr=1e-2, momentum=0.9, maximize=maximize)
    if made_first:
        carry_rate(optimizer)
    rates = scheduler(optimizer, lambda step: RATES[int(step) % len(RATES)])
    carry_rate(optimizer)
    right, sign = start(), -1 if maximize else 1
    for step in range(18):
        g = gradients(right, step)
        m = 0.9 * m + RATES[step % len(RATES)] * 1e-2 * g * sign
        right = right - m
        w.grad = gradients(w.detach(), step)
        optimizer.step()
        rates.step()
    torch.testing.assert_close(w.detach(), right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", ["added", "loaded"])
def test_momentum_of_groups_that_are_added_or_loaded_is_carried_too(how):
    w, v, m = nn.Parameter(start()), nn.Parameter(start()), 0
    optimizer = torch.optim.SGD([w], lr=1.0, momentum=0.9)
    plain = optimizer.state_dict()
    carry_rate(optimizer)
    if how == "loaded":
        optimizer.load_state_dict(plain)
        v = w
    else:
        optimizer.add_param_group({"params": [v]})
    right = start()
    for step, lr in enumerate([0.01, 0.03, 0.002, 0.02]):
        optimizer.param_groups[-1]["lr"] = lr
        m = 0.9 * m + lr * gradients(right, step)
        right = right - m
        v.grad = gradients(v.detach(), step)
        optimizer.step()
    torch.testing.assert_close(v.detach(), right, rtol=1e-12, atol=1e-12)


def test_groups_that_cannot_be_carried_or_decay_get_one_line_also_later():
    w, optimizer = one(momentum=0.9)
    carry_rate(optimizer)
    decoupled(optimizer)
    optimizer.param_groups[0]["nesterov"] = True
    with pytest.raises(TypeError, match="without dampening and nesterov; got SGD"):
        stepped(optimizer, w)
    optimizer.param_groups[0]["nesterov"] = False
    del optimizer.param_groups[0]["weight_decay"]
    with pytest.raises(ValueError, match=r"groups with weight_decay; got .*params; give one"):
        stepped(optimizer, w)


class Model(L.LightningModule):
    def __init__(self, ours):
        super().__init__()
        self.layer, self.ours = nn.Linear(4, 2).double(), ours

    def training_step(self, batch, _):
        return self.layer(batch).sin().sum()

    def configure_optimizers(self):
        kind = torch.optim.Adam if self.ours else torch.optim.AdamW
        optimizer = kind(self.parameters(), lr=0.1, weight_decay=0.3)
        if self.ours:
            decoupled(optimizer)
        return [optimizer], [{"scheduler": scheduler(optimizer, RATE), "interval": "step"}]


@pytest.mark.filterwarnings("ignore")  # what Lightning says of itself
def test_in_lightning_too_it_is_torchs_adamw(tmp_path):
    def weights(ours):
        torch.manual_seed(0)
        model, data = Model(ours), [torch.randn(3, 4).double() for _ in range(20)]
        L.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        ).fit(model, DataLoader(data, batch_size=None))  # fmt: skip
        return model.layer.weight.detach()

    assert torch.equal(weights(True), weights(False))


def test_groups_leave_out_what_does_not_decay_by_rule_and_by_name():
    model = nn.ModuleDict({
        "word": nn.Embedding(5, 4), "layer": nn.LSTM(4, 3), "norm": nn.BatchNorm1d(3),
        "first": nn.Linear(3, 3), "last": nn.Linear(3, 2),
    })  # fmt: skip
    model["first"].bias.requires_grad_(False)
    found = groups(model, 0.1, without=["last"])
    assert [g["weight_decay"] for g in found] == [0.1, 0.0]
    assert found[0]["names"] == ["layer.weight_ih_l0", "layer.weight_hh_l0", "first.weight"]
    assert found[1]["names"] == [
        "word.weight", "layer.bias_ih_l0", "layer.bias_hh_l0", "norm.weight", "norm.bias",
        "last.weight", "last.bias",
    ]  # fmt: skip
    torch.optim.AdamW(found)
    assert len(groups(nn.LayerNorm(3), 0.1)) == 1


def test_what_decays_is_said():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    optimizer = torch.optim.AdamW(groups(model, 0.25))
    before = decay.described(optimizer.param_groups)
    assert before.splitlines()[0] == "weight_decay 0.25: 6 numbers in 0.weight"
    assert before.splitlines()[1] == "weight_decay 0: 9 numbers in 0.bias, 1.weight, 1.bias"
    decoupled(optimizer)
    assert decay.described(optimizer.param_groups) == before


def test_normalised_decay_and_time_scale_are_their_formulas():
    assert normalised(0.05, 128, 50_000, 100) == 0.05 * math.sqrt(128 / 5_000_000)
    w, steps = 1.0, 0
    while w > math.exp(-1):
        w, steps = w * (1 - 0.02 * 0.1), steps + 1
    assert steps - 1 < time_scale(0.02, 0.1) <= steps
    assert time_scale(0.0, 1.0) == math.inf
    assert time_scale(2.0, 1.0) == 0


def weight():
    return [nn.Parameter(start())]


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: decoupled(sgd(weight()), "lr"), ValueError, "of rate or schedule; got 'lr'"),
        (
            lambda: decoupled(torch.optim.LBFGS(weight())),
            TypeError,
            "gradient in a step; got LBFGS",
        ),
        (
            lambda: decoupled(torch.optim.Rprop(weight())),
            ValueError,
            "got capturable, .*; give one",
        ),
        (lambda: carry_rate(adam(weight())), TypeError, "without dampening and nesterov; got Adam"),
        (lambda: groups(nn.Linear(1, 1), -0.1), ValueError, "at least 0; got -0.1"),
        (
            lambda: groups(nn.Linear(1, 1), 0.1, ["x"]),
            ValueError,
            "got 'x'; there are weight, bias",
        ),
        (lambda: normalised(0.1, 0, 1, 1), ValueError, "above 0; got 0.1, 0, 1 and 1"),
    ],
)
def test_bad_input_gets_one_line(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_examples_run():
    assert doctest.testmod(decay).failed == 0
