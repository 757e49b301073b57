"""Weight decay against ten lines of the paper, and against torch.optim.AdamW, to the bit."""

import doctest
import math

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from swiftrnn.training import decay
from swiftrnn.training.decay import carry_rate, decoupled, groups, normalised, time_scale
from swiftrnn.training.schedule import Restarts, scheduler

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


def test_a_handle_ends_it_and_a_state_dict_keeps_it():
    def made():
        w = nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([w], lr=0.5, weight_decay=0.5)
        return w, optimizer, decoupled(optimizer)

    w, optimizer, handle = made()
    other, loaded, _ = made()
    loaded.param_groups[0]["decay"] = 0.1
    loaded.load_state_dict(optimizer.state_dict())
    for each, opt in ((w, optimizer), (other, loaded)):
        each.grad = torch.zeros(2)
        opt.step()
        assert each.tolist() == [0.75, 0.75]
    handle.remove()
    optimizer.step()
    assert w.tolist() == [0.75, 0.75]


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
