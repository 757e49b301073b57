"""`fit`: when it ends, what it measures, and that who was killed ends at the same weights."""

# ruff: noqa: NPY002 (it is the global generator that must come back)

import math
import os
import random
import signal
import time
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from tests import processes
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from swiftrnn.training.fit import fit
from swiftrnn.training.fit.checkpoint import BEFORE, LAST, Checkpoints
from swiftrnn.training.fit.hooks import MOST_SNAPSHOTS, snapshots

STEPS = 37  # three and a half epochs of eleven batches: the end is inside one


class Learner(L.LightningModule):
    """Its weights depend on every random generator, every batch, their order and a carried state.

    At update `act_at` it calls `act`, in the middle of a training step.
    """

    def __init__(self, act=None, act_at=0, carry=0.1):
        super().__init__()
        self.carry = carry
        self.line = nn.Linear(3, 3)
        self.act, self.act_at, self.count, self.carried = act, act_at, 0, torch.zeros(3)

    def training_step(self, batch, _):
        self.count += 1
        noise = torch.rand(3) + random.random() + np.random.random_sample()
        if self.act and self.count == self.act_at:
            self.act()
        out = self.line(batch[0] + self.carried) * noise
        self.carried = 0.9 * self.carried + self.carry * out[0].detach()
        return out.pow(2).mean()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint):
        checkpoint["carried"] = self.carried

    def on_load_checkpoint(self, checkpoint):
        self.carried = checkpoint["carried"]


class Stream(IterableDataset):
    """Batches without a length, drawn as they go."""

    def __iter__(self):
        return iter([(torch.randn(2, 3),) for _ in range(11)])


def batches(kind):
    if kind == "stream":
        return DataLoader(Stream(), batch_size=None)
    data = TensorDataset(torch.randn(22, 3))
    return DataLoader(data, 2, shuffle=True)


def train(out, steps=STEPS, resume=False, kind="shuffled", act=None, act_at=0, **options):
    together = options.get("devices", 1) > 1  # the carried state would differ between processes
    torch.manual_seed(0)
    model, data = Learner(act, act_at, carry=0.0 if together else 0.1), batches(kind)
    for seeded in (torch.manual_seed, random.seed, np.random.seed):
        seeded(5 if resume else 4)  # a resume starts in another state than it has to end in
    options = {"average": True, "progress": False, **options}
    fitted = fit(model, data, out=Path(out), steps=steps, resume=resume, **options)
    return model, fitted


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def train_and_die(out):
    """In a process of its own, which ends in the middle of an update."""
    train(out, act=kill, act_at=17, save_every=0.0)


def test_a_killed_run_ends_at_the_same_weights(tmp_path):
    killed = processes.context().Process(target=train_and_die, args=(tmp_path / "killed",))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    resumed, fitted = train(tmp_path / "killed", resume=True)
    assert resumed.count == STEPS - 16  # it went on from the last update that was finished
    assert fitted.steps == STEPS
    whole, _ = train(tmp_path / "whole")
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(train(tmp_path / "other", steps=STEPS - 1)[0]), weights(whole))


class Rated(L.LightningModule):
    """Two weights that move by their learning rates."""

    def __init__(self, schedule=False, stop_at=None):
        super().__init__()
        self.place, self.other = (nn.Parameter(torch.zeros(1)) for _ in range(2))
        self.schedule, self.stop_at = schedule, stop_at

    def training_step(self, batch, number):
        if number == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return self.place.sum() + self.other.sum()

    def configure_optimizers(self):
        groups = [{"params": [self.place]}, {"params": [self.other], "lr": 10.0}]
        optimizer = torch.optim.SGD(groups, 1.0)
        if not self.schedule:
            return optimizer
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)]


@pytest.mark.parametrize("cut", [0, 3])
def test_rates_follow_the_update_and_the_budget_also_after_an_interruption(tmp_path, cut):
    asked = []

    def rate(step, done):
        asked.append((step, done))
        return step * (1 - done)

    how = {"out": tmp_path, "steps": 8, "rate": rate, "resume": True, "progress": False}
    model, plain = Rated(), [*range(8)]
    if cut:
        with pytest.raises(KeyboardInterrupt):
            fit(Rated(stop_at=cut - 1), plain, **how)
        assert len(asked) == cut
    fit(model, plain, **how)
    assert asked == [(step + 1, step / 8) for step in range(8)]
    gone = sum(step * (1 - done) for step, done in asked)
    assert -model.place.item() == pytest.approx(gone)
    assert -model.other.item() == pytest.approx(10 * gone)


def test_rates_come_from_one_side(tmp_path):
    with pytest.raises(ValueError, match="by `rate` or by the model's schedulers; got both"):
        fit(Rated(True), [1], out=tmp_path, steps=2, rate=lambda step, done: 1.0)


@pytest.mark.parametrize("kind", ["shuffled", "stream"])
@pytest.mark.parametrize("cut", [1, 10, 11, 12, 22])  # within an epoch, at its end, after it
def test_a_run_that_is_extended_ends_at_the_same_weights(tmp_path, kind, cut):
    whole, _ = train(tmp_path / "whole", kind=kind)
    train(tmp_path / "cut", steps=cut, kind=kind)
    extended, fitted = train(tmp_path / "cut", resume=True, kind=kind, valid=spend, every=0.5)
    assert fitted.steps == STEPS
    assert [row["step"] for row in fitted.history] == [19, STEPS][cut > 18 :]
    assert torch.equal(weights(extended), weights(whole))


def test_a_finished_run_is_not_trained_further(tmp_path):
    first, done = train(tmp_path)
    again, fitted = train(tmp_path, resume=True)
    assert again.count == 0
    assert fitted == done
    assert torch.equal(weights(again), weights(first))


def test_more_steps_agree_on_those_they_share(tmp_path):
    short = train(tmp_path / "short", steps=20, snapshots=10, valid=spend)[0]
    train(tmp_path / "long", steps=31, snapshots=10, valid=spend, every=0.1)
    first, second = (snapshots(tmp_path / name) for name in ("short", "long"))
    assert list(second) == [10, 20, 30]
    for step in first:
        assert first[step].read_bytes() == second[step].read_bytes()
    assert short.count == 20


def spend(model):
    """A measurement that draws random numbers and takes a while."""
    assert not model.training
    assert not torch.is_grad_enabled()
    torch.rand(7)
    np.random.random_sample()
    random.random()
    time.sleep(0.05)
    return {"weight": model.line.weight[0, 0].item()}


def test_measuring_changes_nothing_and_costs_no_training_time(tmp_path):
    plain, _ = train(tmp_path / "plain")
    began = time.perf_counter()
    measured, fitted = train(tmp_path / "measured", valid=spend)
    assert torch.equal(weights(plain), weights(measured))
    assert [row["step"] for row in fitted.history] == [5, 10, 14, 19, 24, 28, 33, 37]
    assert time.perf_counter() - began - fitted.seconds > 8 * 0.05
    assert fitted.history[-1]["weight"] == measured.line.weight[0, 0].item()  # of the average
    assert fitted.peak_memory > 50e6


def test_training_ends_when_the_seconds_are_spent(tmp_path):
    began = time.perf_counter()
    _, fitted = train(tmp_path, steps=None, seconds=0.4, valid=spend)
    assert 0.4 <= fitted.seconds < min(0.6, time.perf_counter() - began)
    assert fitted.steps > 5
    assert 7 <= len(fitted.history) <= 8
    _, longer = train(tmp_path, steps=None, seconds=0.5, resume=True)
    assert 0.5 <= longer.seconds < 0.7
    assert longer.steps > fitted.steps


def test_the_average_is_returned_and_training_goes_on_from_the_weights(tmp_path):
    plain, _ = train(tmp_path / "plain", average=False)
    averaged, _ = train(tmp_path / "averaged")
    assert not torch.equal(weights(plain), weights(averaged))
    kept = torch.load(tmp_path / "averaged/checkpoints" / LAST, weights_only=True)
    current = torch.cat([value.flatten() for value in kept["current_model_state"].values()])
    assert torch.equal(current, weights(plain))


def test_the_average_forgets_early_weights_fast(tmp_path):
    one, two, three = (
        weights(train(tmp_path / str(n), steps=n, average=False)[0]) for n in (1, 2, 3)
    )
    by_hand = one.lerp(two, 1 - 2 / 11).lerp(three, 1 - 3 / 12)
    torch.testing.assert_close(weights(train(tmp_path / "mean", steps=3)[0]), by_hand)


def test_snapshots_stay_few(tmp_path):
    train(tmp_path, steps=MOST_SNAPSHOTS + 3, snapshots=1)
    assert list(snapshots(tmp_path)) == list(range(2, MOST_SNAPSHOTS + 3, 2))


@pytest.mark.parametrize(
    ("sent", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_ends_training_and_loses_nothing(tmp_path, sent, raised):
    before = signal.getsignal(sent)
    with pytest.raises(raised):
        train(tmp_path / "a", act=lambda: signal.raise_signal(sent), act_at=17)
    assert signal.getsignal(sent) is before
    resumed, _ = train(tmp_path / "a", resume=True)
    assert resumed.count == STEPS - 17
    assert torch.equal(weights(resumed), weights(train(tmp_path / "b")[0]))


def test_a_damaged_checkpoint_costs_one_update_and_one_line(tmp_path, capsys):
    train(tmp_path / "a", steps=17, save_every=0.0)
    path = tmp_path / "a/checkpoints" / LAST
    path.write_bytes(path.read_bytes()[:-1000])
    resumed, _ = train(tmp_path / "a", resume=True)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{LAST} was cut short or changed; going on from {BEFORE}" in said
    assert "(update 16)" in said
    assert torch.equal(weights(resumed), weights(train(tmp_path / "b")[0]))


def test_where_no_checkpoint_is_whole_none_is_touched(tmp_path):
    train(tmp_path, steps=3)
    for name in (LAST, BEFORE):
        (tmp_path / "checkpoints" / name).write_bytes(b"PK junk")
    with pytest.raises(ValueError, match=r"whole checkpoint; got .*last.ckpt, .* remove both"):
        train(tmp_path, resume=True)
    assert (tmp_path / "checkpoints" / LAST).read_bytes() == b"PK junk"


def test_a_flipped_byte_costs_one_update_and_one_line(tmp_path, capsys):
    train(tmp_path / "a", steps=17, save_every=0.0)
    path = tmp_path / "a/checkpoints" / LAST
    content = bytearray(path.read_bytes())
    content[content.index(numpy_bytes(path))] ^= 0x10  # one weight, which torch.load takes as it is
    path.write_bytes(content)
    resumed, _ = train(tmp_path / "a", resume=True)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{LAST} was cut short or changed; going on from {BEFORE}" in said
    assert torch.equal(weights(resumed), weights(train(tmp_path / "b")[0]))


def numpy_bytes(path):
    """How the weights lie in a checkpoint."""
    state = torch.load(path, weights_only=True)["current_model_state"]
    return state["line.weight"].numpy().tobytes()


def test_whichever_byte_is_damaged_no_other_checkpoint_is_read(tmp_path):
    path, good = tmp_path / LAST, {"global_step": 3, "w": torch.arange(5.0), "s": "text"}
    torch.save(good, path)
    content, refused = path.read_bytes(), 0
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = Checkpoints().load_checkpoint(path)
        except ValueError:
            refused += 1
        else:
            assert torch.equal(found.pop("w"), good["w"]), place
            assert found == {"global_step": 3, "s": "text"}, place
    assert refused > 100


def test_an_accelerator_that_is_not_there_is_named(tmp_path):
    for options in ({"accelerator": "tpu"}, {"accelerator": "nosuch"}, {"strategy": "nosuch"}):
        with pytest.raises(ValueError, match=r"what this machine has; got acc.* run everywhere"):
            train(tmp_path / "run", **options)
    assert not list(tmp_path.glob("run/*"))


def test_tied_weights_are_trained_saved_and_gone_on_with(tmp_path):
    class Tied(Learner):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.other = nn.Linear(3, 3)
            self.other.weight = self.line.weight

    def tied(steps, resume):
        torch.manual_seed(0)
        model, data = Tied(), batches("shuffled")
        for seeded in (torch.manual_seed, random.seed, np.random.seed):
            seeded(1)
        fit(model, data, out=tmp_path / f"{resume}", steps=steps, resume=resume, snapshots=5,
            average=True, progress=False)  # fmt: skip
        return weights(model)

    tied(7, True)
    assert torch.equal(tied(12, True), tied(12, False))
    assert list(snapshots(tmp_path / "True")) == [5, 10]


class Program:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_cannot_run_code(tmp_path):
    train(tmp_path, steps=3)
    for name in (LAST, BEFORE):
        evil = {"global_step": 3, "evil": Program(tmp_path / "was here")}
        torch.save(evil, tmp_path / "checkpoints" / name)
    with pytest.raises(ValueError, match="whole checkpoint"):
        train(tmp_path, resume=True)
    assert not (tmp_path / "was here").exists()


@pytest.fixture
def small_disk():
    """Files beyond a few bytes cannot be written, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_last_whole_checkpoint(tmp_path, small_disk, capsys):
    where = tmp_path / "a/checkpoints"
    with pytest.raises(OSError, match=r"needs room in .*checkpoints; got: .*before are whole"):
        train(tmp_path / "a", act=lambda: small_disk(100), act_at=18, save_every=0.0)
    small_disk(-1)
    said = capsys.readouterr().err
    assert said.count("warning: a checkpoint needs room") == said.count("\n") == 1
    assert sorted(path.name for path in where.iterdir()) == [BEFORE, LAST]
    resumed, _ = train(tmp_path / "a", resume=True)
    assert resumed.count == STEPS - 17
    assert torch.equal(weights(resumed), weights(train(tmp_path / "b")[0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": None}, "got neither steps nor seconds"),
        ({"steps": 0}, "steps above 0; got 0"),
        ({"steps": None, "seconds": -1.0}, "seconds above 0; got -1.0"),
        ({"steps": None, "seconds": math.nan}, "seconds above 0; got nan"),
    ],
)
def test_a_budget_must_be_there_and_positive(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **options)


def test_a_loss_that_is_not_finite_ends_training(tmp_path):
    class Diverging(Learner):
        def training_step(self, batch, _):
            return super().training_step(batch, _) * math.inf

    with pytest.raises(FloatingPointError, match=r"finite loss; got inf at update 1; lower"):
        fit(Diverging(), batches("shuffled"), out=tmp_path, steps=8, valid=spend, progress=False)


def test_lightning_says_nothing(tmp_path, capfd, recwarn):
    train(tmp_path, steps=2)
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without it")
def test_two_processes_train_together_and_go_on_to_the_same_weights(tmp_path):
    found = processes.together(in_one_of_two, tmp_path)
    assert found[0] == found[1]
    whole, resumed = found[0]
    assert whole == resumed
    alone, _ = train(tmp_path / "alone")
    assert whole != str(weights(alone).tolist())


def in_one_of_two(out):
    """What each of them runs: a whole training, and one in two parts; the weights of both."""
    torch.set_num_threads(1)
    options = {"devices": 2, "strategy": "ddp", "valid": spend, "seconds": 60.0}
    whole, _ = train(out / "whole", steps=13, **options)
    train(out / "cut", steps=8, **options)
    resumed, _ = train(out / "cut", steps=13, resume=True, **options)
    torch.distributed.barrier()  # gloo's threads abort a process that ends before its partner
    torch.distributed.destroy_process_group()
    return [str(weights(model).tolist()) for model in (whole, resumed)]
