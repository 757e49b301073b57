"""Accumulated gradients against those of the large batch, with the usual way as the control."""

import copy
import doctest
import inspect
import math

import lightning as L
import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from swiftrnn.nn import SRU
from swiftrnn.training import accumulate
from swiftrnn.training.accumulate import Accumulator, check_no_batch_norm
from swiftrnn.training.accumulate_callback import ExactAccumulation
from swiftrnn.training.schedule import Restarts, scheduler

SIZES = (4, 300, 17, 60, 120, 9, 33, 250)  # supervised tokens of micro-batches
RATE = Restarts(5, 1.5, warmup=2, floor=0.1)


class Language(nn.Module):
    """Tokens (T) to scores (T, V)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.layer, self.head = nn.Embedding(11, 8), SRU(8, 8), nn.Linear(8, 11)

    def forward(self, tokens):
        return self.head(self.layer(self.embedding(tokens)[:, None])[0][:, 0])


def made(dtype=torch.float64):
    torch.manual_seed(0)
    return Language().to(dtype)


def texts(count=8):
    """Token sequences of very different lengths, whose statistics depend on the length."""
    draw = torch.Generator().manual_seed(1)
    sizes = [SIZES[i % len(SIZES)] for i in range(count)]
    return [torch.randint(2 + n % 9, (n + 1,), generator=draw) for n in sizes]


def summed(model, text):
    return cross_entropy(model(text[:-1]), text[1:], reduction="sum"), len(text) - 1


def of_the_large_batch(model, window):
    """Mean loss over all tokens of a window."""
    losses, counts = zip(*(summed(model, text) for text in window), strict=True)
    return sum(losses) / sum(counts)


def optimizer_of(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    return optimizer, scheduler(optimizer, RATE)


def flat(parameters):
    return torch.cat([p.detach().flatten() for p in parameters])


def relative(found, right):
    return float((found - right).norm() / right.norm())


def test_the_gradient_is_that_of_the_large_batch_and_the_usual_mean_of_means_is_not():
    model, window = made(), texts()
    of_the_large_batch(model, window).backward()
    right = flat(p.grad for p in model.parameters())
    seen = {}

    class Look(torch.optim.SGD):
        def step(self, closure=None):
            seen["grad"] = flat(p.grad for g in self.param_groups for p in g["params"])

    model.zero_grad()
    ours = Accumulator(model, Look(model.parameters(), lr=1.0), len(window))
    for text in window:
        ours.add(*summed(model, text))
    assert relative(seen["grad"], right) < 1e-12
    assert ours.loss == pytest.approx(of_the_large_batch(model, window).item(), rel=1e-12)
    model.zero_grad()
    for text in window:
        loss, count = summed(model, text)
        (loss / count / len(window)).backward()
    assert relative(flat(p.grad for p in model.parameters()), right) > 0.5


def trained_at_once(windows, clip):
    model = made()
    optimizer, rates = optimizer_of(model)
    for window in windows:
        of_the_large_batch(model, window).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        rates.step()
    return flat(model.parameters())


@pytest.mark.parametrize("clip", [None, 0.05])
def test_37_windows_with_adamw_a_schedule_and_a_short_end_give_the_same_weights(clip):
    pieces, model = texts(36 * 3 + 2), made()
    windows = [pieces[i : i + 3] for i in range(0, len(pieces), 3)]
    assert (len(windows), len(windows[-1])) == (37, 2)
    right = trained_at_once(windows, clip)
    optimizer, rates = optimizer_of(model)
    ours = Accumulator(model, optimizer, 3, clip=clip, scheduler=rates)
    done = [ours.add(*summed(model, text)) for text in pieces]
    assert done == [i % 3 == 2 for i in range(len(pieces))]
    assert ours.flush()
    assert not ours.flush()
    assert ours.updates == 37
    assert relative(flat(model.parameters()), right) < 1e-12
    assert relative(naive(pieces, clip), right) > 1e-3  # the same test sees the usual error


def naive(pieces, clip):
    """Mean of means, clipped once a micro-batch, and a last window divided by 3 as well."""
    model = made()
    optimizer, rates = optimizer_of(model)
    for i, text in enumerate(pieces):
        loss, count = summed(model, text)
        (loss / count / 3).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if i % 3 == 2 or i == len(pieces) - 1:
            optimizer.step()
            optimizer.zero_grad()
            rates.step()
    return flat(model.parameters())


OPTIMIZERS = [
    kind for _, kind in sorted(vars(torch.optim).items())
    if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)
    and kind not in (torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam)
    and kind.__name__ != "Muon"  # takes matrices alone
]  # fmt: skip


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_a_micro_step_that_does_not_fill_the_window_changes_nothing(kind):
    model, window = made(), texts(4)
    optimizer = kind(model.parameters(), lr=0.01)
    ours = Accumulator(model, optimizer, 2)
    for i, text in enumerate(window):
        weights, state = flat(model.parameters()), copy.deepcopy(optimizer.state_dict())
        updated = ours.add(*summed(model, text))
        assert updated == (i % 2 == 1)
        same = torch.equal(weights, flat(model.parameters()))
        assert same != updated
        if not updated:
            after = optimizer.state_dict()
            assert state["param_groups"] == after["param_groups"]
            for key, value in state["state"].items():
                for name, before in value.items():
                    now = after["state"][key][name]
                    assert now is before or torch.equal(torch.as_tensor(now),
                                                        torch.as_tensor(before))  # fmt: skip


def test_a_scaler_unscales_once_and_leaves_out_a_whole_window_with_an_overflow():
    model, window = made(torch.float32), texts(4)
    right = made(torch.float32)
    plain, scaled = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (right, model))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    rates = scheduler(scaled, RATE)
    ours = Accumulator(model, scaled, 2, clip=0.05, scaler=scaler, scheduler=rates)
    theirs = Accumulator(right, plain, 2, clip=0.05, scheduler=scheduler(plain, RATE))
    for text in window:
        ours.add(*summed(model, text))
        theirs.add(*summed(right, text))
    assert relative(flat(model.parameters()), flat(right.parameters())) < 1e-6
    before, rate = flat(model.parameters()), scaled.param_groups[0]["lr"]
    loss, count = summed(model, window[0])
    ours.add(loss * math.inf, count)
    ours.add(*summed(model, window[1]))
    assert torch.equal(flat(model.parameters()), before)
    assert (ours.updates, scaled.param_groups[0]["lr"], scaler.get_scale()) == (2, rate, 2.0**9)
    for text in window[:2]:
        ours.add(*summed(model, text))
    assert not torch.equal(flat(model.parameters()), before)


def test_parameters_of_16_bits_are_summed_in_32():
    def gradient(window, micro):
        weight = nn.Parameter(torch.zeros(3, dtype=torch.bfloat16))
        seen = []

        class Look(torch.optim.SGD):
            def step(self, closure=None):
                seen.append(weight.grad.float())

        ours = Accumulator(nn.ParameterList([weight]), Look([weight], lr=1.0), window)
        for value in micro:
            ours.add((weight * value).sum(), 1)
        return seen[0]

    micro = [1.0] + [2.0**-9] * 512  # each is lost beside 1 in bfloat16
    assert gradient(513, micro)[0].item() == pytest.approx(2 / 513, rel=1e-2)


def test_micro_batches_that_say_nothing_count_nothing():
    model, (text, *_) = made(), texts(1)
    before = flat(model.parameters())
    ours = Accumulator(model, torch.optim.SGD(model.parameters(), lr=0.1), 2)
    for _ in range(2):
        ours.add(summed(model, text)[0] * 0, 0)
    assert torch.equal(flat(model.parameters()), before)
    assert ours.updates == 0
    ours.add(summed(model, text)[0] * 0, 0)
    ours.add(*summed(model, text))
    of_the_large_batch(other := made(), [text]).backward()
    torch.optim.SGD(other.parameters(), lr=0.1).step()
    assert relative(flat(model.parameters()), flat(other.parameters())) < 1e-12


def in_a_process(rank, folder, wrapped, processes=2):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes
    )
    pieces, model = texts(5 * 2 * processes - processes), made()
    optimizer, rates = optimizer_of(model)
    trained = DistributedDataParallel(model) if wrapped else model
    ours = Accumulator(trained, optimizer, 2, clip=0.05, scheduler=rates)
    for text in pieces[rank::processes]:
        with ours.micro_batch():
            loss, count = summed(trained, text)
        ours.add(loss, count)
    ours.flush()
    torch.save(flat(model.parameters()), f"{folder}/{rank}.pt")
    distributed.barrier()  # torch can hang where a group ends while its thread still frees tensors
    distributed.destroy_process_group()


@pytest.mark.parametrize("wrapped", [True, False])
def test_two_processes_give_the_weights_of_one_with_all_of_the_batch(tmp_path, wrapped):
    multiprocessing.spawn(in_a_process, (str(tmp_path), wrapped), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert torch.equal(*found)
    pieces = texts(18)
    right = trained_at_once([pieces[i : i + 4] for i in range(0, 18, 4)], 0.05)
    assert relative(found[0], right) < 1e-12


class Trained(L.LightningModule):
    def __init__(self, exact, pieces):
        super().__init__()
        self.pieces = pieces
        self.model, self.accumulation = made(), ExactAccumulation() if exact else None

    def configure_callbacks(self):
        return [self.accumulation] if self.accumulation else []

    def train_dataloader(self):
        here = self.pieces[self.global_rank :: self.trainer.world_size]
        return DataLoader(here, batch_size=None)

    def training_step(self, batch, _):
        loss, count = summed(self.model, batch)
        if self.accumulation is None:
            return loss / count
        self.accumulation.seen(count)
        return loss

    def configure_optimizers(self):
        optimizer, rates = optimizer_of(self.model)
        return [optimizer], [{"scheduler": rates, "interval": "step"}]


def in_lightning(folder, exact, pieces, **how):
    trained = Trained(exact, pieces)
    L.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        accumulate_grad_batches=3, gradient_clip_val=0.05,
        use_distributed_sampler=False, **how,
    ).fit(trained)  # fmt: skip
    return flat(trained.model.parameters())


@pytest.mark.filterwarnings("ignore")  # what Lightning says of itself
def test_in_lightning_windows_are_exact_and_without_the_callback_they_are_not(tmp_path):
    pieces = texts(36 * 3 + 2)
    right = trained_at_once([pieces[i : i + 3] for i in range(0, len(pieces), 3)], 0.05)
    assert relative(in_lightning(tmp_path, True, pieces), right) < 1e-12
    assert relative(in_lightning(tmp_path, False, pieces), right) > 1e-3


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_two_processes_give_the_weights_of_one(tmp_path):
    pieces = texts(36)  # every process takes each second one
    found = in_lightning(tmp_path, True, pieces, devices=2, strategy="ddp_spawn")
    right = trained_at_once([pieces[i : i + 6] for i in range(0, 36, 6)], 0.05)
    assert relative(found, right) < 1e-12


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_a_window_without_counts_gets_one_line(tmp_path):
    trained = Trained(True, texts(2))
    trained.accumulation.seen = lambda count: None
    with pytest.raises(ValueError, match=r"got none in this window; call self.accumulation.seen"):
        L.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        ).fit(trained)  # fmt: skip


def test_batch_normalisation_is_refused_unless_it_is_allowed_or_does_nothing():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(ValueError, match="got BatchNorm1d at 1; use GroupNorm or LayerNorm"):
        Accumulator(model, optimizer, 2)
    Accumulator(model, optimizer, 2, batch_norm=True)
    check_no_batch_norm(model.eval())
    with pytest.raises(ValueError, match="got BatchNorm1d at the top"):
        check_no_batch_norm(nn.BatchNorm1d(3, track_running_stats=False).eval())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(window=0), "a window of at least 1; got 0"),
        (dict(window=1.5), "a window of at least 1; got 1.5"),
        (dict(window=2, clip=0), "clip above 0; got 0; None clips nothing"),
    ],
)
def test_bad_settings_get_one_line(options, said):
    model = made()
    with pytest.raises(ValueError, match=said):
        Accumulator(model, torch.optim.SGD(model.parameters(), lr=1.0), **options)


def test_a_loss_that_is_no_sum_gets_one_line():
    model, (text, *_) = made(), texts(1)
    ours = Accumulator(model, torch.optim.SGD(model.parameters(), lr=1.0), 2)
    with pytest.raises(ValueError, match=r"one summed loss .*; got \(4,\) and 4; sum the losses"):
        ours.add(cross_entropy(model(text[:-1]), text[1:], reduction="none"), 4)
    with pytest.raises(ValueError, match=r"got \(\) and -1"):
        ours.add(summed(model, text)[0], -1)


def test_examples_run():
    assert doctest.testmod(accumulate).failed == 0
