"""Accumulated gradients against those of the large batch, with the usual way as the control."""

import copy
import doctest
import inspect
import math
import pickle

import lightning as L
import pytest
import torch
from tests import processes
from torch import distributed, multiprocessing, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset

from swiftrnn.nn import SRU
from swiftrnn.training.fit import clip, fit
from swiftrnn.training.techniques import accumulate
from swiftrnn.training.techniques.accumulate import Accumulator, check_no_batch_norm
from swiftrnn.training.techniques.accumulate_callback import ExactAccumulation
from swiftrnn.training.techniques.schedule import Restarts, scheduler

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


class Looked(torch.optim.SGD):
    """Keeps the gradients of every step, and moves nothing."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, lr=1.0, **kwargs)
        self.seen = []

    def step(self, closure=None):
        params = [p for g in self.param_groups for p in g["params"]]
        self.seen.append({p: p.grad.clone() for p in params if p.grad is not None})


def of_head(model, window, clip=None, **options):
    """An accumulator of the head, to which the rest is added later."""
    optimizer = Looked(model.head.parameters())
    return optimizer, Accumulator(model, optimizer, window, clip=clip, **options)


def rest(model):
    return {"params": [*model.embedding.parameters(), *model.layer.parameters()]}


def is_that_of_the_large_batch(model, seen, window, clip=None):
    """Of all parameters of a model like `made()`."""
    same = made()
    of_the_large_batch(same, window).backward()
    if clip:
        nn.utils.clip_grad_norm_(same.parameters(), clip)
    found = flat(seen[p] for p in model.parameters())
    return relative(found, flat(p.grad for p in same.parameters())) < 1e-12


@pytest.mark.parametrize("added", [0, 1, 3])
def test_parameters_that_are_added_before_or_inside_a_window_count_and_are_clipped(added):
    model, window = made(), texts(4)
    optimizer, ours = of_head(model, 4, clip=0.05)
    for i, text in enumerate(window):
        if i == added:
            optimizer.add_param_group(rest(model))
        ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[0], window, clip=0.05)
    assert all(p.grad is None for p in model.parameters())


def test_parameters_that_are_added_between_windows_bring_no_gradient_of_earlier_ones():
    model, pieces = made(), texts(6)
    optimizer, ours = of_head(model, 3)
    for i, text in enumerate(pieces):
        if i == 3:
            optimizer.add_param_group(rest(model))
        ours.add(*summed(model, text))
    assert [len(seen) for seen in optimizer.seen] == [2, len(list(model.parameters()))]
    assert is_that_of_the_large_batch(model, optimizer.seen[1], pieces[3:])


def test_parameters_that_are_added_inside_a_window_with_older_gradients_get_one_line():
    model, pieces = made(), texts(6)
    optimizer, ours = of_head(model, 2)
    for text in pieces[:3]:
        ours.add(*summed(model, text))
    optimizer.add_param_group(rest(model))
    with pytest.raises(RuntimeError, match=r"between windows, .* \(11, 8\) with .* call flush\(\)"):
        ours.add(*summed(model, pieces[3]))
    ours.model.zero_grad()
    optimizer.param_groups.pop()
    assert ours.add(*summed(model, pieces[3]))


def test_the_state_of_another_run_may_be_loaded_inside_a_window():
    model, window = made(), texts(3)
    optimizer = Looked(model.parameters())
    ours = Accumulator(model, optimizer, 3)
    for text in window:
        optimizer.load_state_dict(optimizer.state_dict())
        ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[0], window)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zeroing_inside_a_window_loses_nothing(set_to_none):
    model, window = made(), texts(3)
    optimizer = Looked(model.parameters())
    ours = Accumulator(model, optimizer, 3)
    for text in window:
        optimizer.zero_grad(set_to_none)
        model.zero_grad(set_to_none)
        ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[0], window)


@pytest.mark.parametrize("waiting", [0, 1])
def test_gradients_of_another_backward_get_one_line_and_cost_nothing(waiting):
    model, window = made(), texts(2)
    optimizer = Looked(model.parameters())
    ours = Accumulator(model, optimizer, 2)
    for i, text in enumerate(window):
        if i == waiting:
            model.head.bias.square().sum().backward()
            with pytest.raises(RuntimeError, match=r"another backward .*\(11,\); call optimi"):
                ours.add(*summed(model, text))
            optimizer.zero_grad()
        ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[0], window)


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ArithmeticError("of the gradient")


@pytest.mark.parametrize("where", ["backward", "forward", "step"])
def test_an_exception_leaves_no_part_of_a_window_behind(where):
    model, pieces = made(), texts(4)
    optimizer = Looked(model.parameters())
    ours = Accumulator(model, optimizer, 2)
    ours.add(*summed(model, pieces[0]))
    if where == "step":
        optimizer.register_step_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ours.add(*summed(model, pieces[1]))
        optimizer._optimizer_step_pre_hooks.clear()
    else:
        loss, count = summed(model, pieces[1])
        hidden = model.layer(model.embedding(pieces[1])[:, None])[0]
        if where == "forward":
            model.head.register_forward_pre_hook(lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError), ours.micro_batch():
                model(pieces[1])
            model.head._forward_pre_hooks.clear()
        else:
            broken = model.head(Fails.apply(hidden)).sum() + loss
            with pytest.raises(ArithmeticError):
                ours.add(broken, count)
    if where == "forward":  # nothing was added
        assert ours.waiting == 1
        ours.add(*summed(model, pieces[3]))
        assert is_that_of_the_large_batch(model, optimizer.seen[-1], [pieces[0], pieces[3]])
        return
    assert ours.waiting == 0
    for text in pieces[2:]:
        ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[-1], pieces[2:])


def test_parameters_of_some_micro_batches_only_and_frozen_ones():
    first, second, third = (nn.Linear(1, 1, bias=False) for _ in range(3))
    model = nn.ModuleList([first, second, third])
    optimizer = Looked(model.parameters())
    ours = Accumulator(model, optimizer, 2)
    x = torch.ones(2, 1)
    ours.add(first(x).sum() + third(x).sum(), 2)
    ours.add(3 * first(x[:1]).sum() + second(x[:1]).sum(), 1)
    assert {p: g.item() for p, g in optimizer.seen[0].items()} == {
        first.weight: pytest.approx(5 / 3),
        second.weight: pytest.approx(1 / 3),
        third.weight: pytest.approx(2 / 3),
    }
    ours.add(first(x).sum() + third(x).sum(), 2)
    third.weight.requires_grad_(False)  # from now on it does not move
    ours.add(first(x).sum() + third(x).sum(), 2)
    assert optimizer.seen[1].keys() == {first.weight}
    ours.add(first(x).sum(), 2)
    third.weight.requires_grad_(True)
    ours.add(third(x).sum(), 2)
    assert optimizer.seen[2][third.weight].item() == pytest.approx(0.5)


class Bag(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(9, 3, sparse=sparse), nn.Linear(3, 1)
        self.double()

    def forward(self, words):
        return self.head(self.table(words)).square().sum()


WORDS = [torch.tensor(words) for words in ([1, 1, 4], [4, 8], [2, 1, 1, 1], [0, 8, 0])]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("clip", [None, 0.5, 1e9])
def test_sparse_gradients_are_summed_and_clipped_like_dense_ones(clip, grouped, tmp_path):
    if grouped:
        distributed.init_process_group(
            "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
        )
    try:
        found = []
        for sparse in (False, True):
            model = Bag(sparse)
            ours = Accumulator(model, torch.optim.SGD(model.parameters(), lr=0.1), 2, clip=clip)
            for words in WORDS:
                ours.add(model(words), len(words))
            found += [flat(model.parameters()), ours.norm.double()]
        torch.testing.assert_close(found[2], found[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[3], found[1], rtol=1e-6, atol=0, equal_nan=True)
        assert (relative(found[0], flat(Bag(False).parameters())) > 0.01) == (clip != 1e-9)
    finally:
        if grouped:
            distributed.destroy_process_group()


def test_optimisers_of_sparse_gradients_get_them_sparse():
    model = nn.Embedding(9, 3, sparse=True).bfloat16()
    before = model.weight.detach().clone()
    ours = Accumulator(model, torch.optim.SparseAdam(model.parameters(), lr=0.1), 2, clip=1.0)
    for words in WORDS[:2]:
        ours.add(model(words).square().sum(), len(words))
    moved = (model.weight != before).any(1)
    assert moved.nonzero().flatten().tolist() == [1, 4, 8]


def test_what_only_another_process_has_is_summed_in_the_same_dtype(monkeypatch):
    """A fake of the other process, which has a gradient of ones everywhere, summed over 2."""
    seen = []

    def other(tensors):
        for tensor in tensors:
            seen.append(tensor.dtype)
            if tensor is ours._sums:
                tensor += 2
            elif tensor.dtype == torch.float64:  # has a gradient, which is not sparse
                tensor[:, 0] += 1
            else:
                tensor += 1

    here, there = (nn.Parameter(torch.zeros(3, dtype=torch.bfloat16)) for _ in range(2))
    optimizer = Looked([here, there])
    ours = Accumulator(nn.ParameterList([here, there]), optimizer, 1)
    monkeypatch.setattr(accumulate, "_together", lambda: True)
    monkeypatch.setattr(accumulate, "_all_reduce", other)
    ours.add((here * 5).sum(), 2)
    assert seen[2:] == [torch.float32] * 2
    assert optimizer.seen[0][here].tolist() == [1.5] * 3
    assert optimizer.seen[0][there].tolist() == [0.25] * 3


def test_a_loss_of_nothing_gets_one_line_unless_it_counts_nothing():
    model, (text, *_) = made(), texts(1)
    ours = Accumulator(model, optimizer := Looked(model.parameters()), 2)
    with pytest.raises(ValueError, match=r"with a gradient; got one of no .* a count of 3; l"):
        ours.add(torch.zeros(()), 3)
    ours.add(torch.zeros(1), 0)
    ours.add(*summed(model, text))
    assert is_that_of_the_large_batch(model, optimizer.seen[0], [text])
    for count in (math.nan, math.inf, torch.tensor(-1), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match="one summed loss and a count of at least 0; got"):
            ours.add(*summed(model, text)[:1], count)


def in_a_process(rank, folder, processes=2):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes
    )
    for wrapped in (True, False):
        pieces, model = texts(5 * 2 * processes - processes), made()
        optimizer, rates = optimizer_of(model)
        trained = DistributedDataParallel(model) if wrapped else model
        ours = Accumulator(trained, optimizer, 2, clip=0.05, scheduler=rates)
        for text in pieces[rank::processes]:
            with ours.micro_batch():
                loss, count = summed(trained, text)
            ours.add(loss, count)
        ours.flush()
        torch.save(flat(model.parameters()), f"{folder}/{wrapped}-{rank}.pt")
    distributed.barrier()  # torch can hang where a group ends while its thread still frees tensors
    distributed.destroy_process_group()


def test_two_processes_give_the_weights_of_one_with_all_of_the_batch(tmp_path):
    method = processes.context().get_start_method()
    multiprocessing.start_processes(in_a_process, (str(tmp_path),), 2, start_method=method)
    pieces = texts(18)
    right = trained_at_once([pieces[i : i + 4] for i in range(0, 18, 4)], 0.05)
    for wrapped in (True, False):
        found = [torch.load(tmp_path / f"{wrapped}-{rank}.pt") for rank in range(2)]
        assert torch.equal(*found)
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


def in_lightning(folder, trained, **how):
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
    assert relative(in_lightning(tmp_path, Trained(True, pieces)), right) < 1e-12
    assert relative(in_lightning(tmp_path, Trained(False, pieces)), right) > 1e-3


def in_a_process_of_lightning(folder, sent):
    torch.set_num_threads(1)
    found = in_lightning(folder, pickle.loads(sent), devices=2, strategy="ddp")
    distributed.barrier()  # as above
    distributed.destroy_process_group()
    return found


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_two_processes_give_the_weights_of_one(tmp_path):
    pieces = texts(36)  # every process takes each second one
    sent = pickle.dumps(Trained(True, pieces))  # tensors that multiprocessing sends are shared
    found = processes.together(in_a_process_of_lightning, tmp_path, sent)
    assert torch.equal(found[0], found[1])
    right = trained_at_once([pieces[i : i + 6] for i in range(0, 36, 6)], 0.05)
    assert relative(found[0], right) < 1e-12


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_a_window_without_counts_gets_one_line(tmp_path):
    trained = Trained(True, texts(2))
    trained.accumulation.seen = lambda count: None
    with pytest.raises(ValueError, match=r"got none in this window; call self.accumulation.seen"):
        L.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        ).fit(trained)  # fmt: skip


class Weighed(L.LightningModule):
    """One weight in each of two places; what a batch does is said by a function of it."""

    def __init__(self, step, sparse=False):
        super().__init__()
        self.layer, self.step = nn.Linear(3, 1).double(), step
        self.table = nn.Embedding(9, 3, sparse=sparse).double() if sparse is not None else None
        self.accumulation, self.seen = ExactAccumulation(), []

    def configure_callbacks(self):
        return [self.accumulation]

    def training_step(self, batch, i):
        return self.step(self, batch, i)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def on_before_optimizer_step(self, optimizer):
        grads = [p.grad for p in self.layer.parameters()]
        self.seen.append(None if grads[0] is None else flat(grads))


ROWS = [torch.arange(3.0 * n).view(n, 3).double() + n for n in (3, 1, 4, 2, 5, 6, 1, 2)]


def weigh(model, data, window=4, **how):
    L.Trainer(
        max_epochs=how.pop("max_epochs", 1), accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        accumulate_grad_batches=window, **how,
    ).fit(model, data)  # fmt: skip
    return model.seen


def right_gradient(model, rows):
    rows = torch.cat(rows)
    model.layer.zero_grad()
    model.layer(rows).square().mean().backward()
    return flat(p.grad for p in model.layer.parameters())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("left_out", [{0}, {1, 2}, {3}, {0, 3}, {4, 5, 6, 7}, {0, 1, 2, 3}])
def test_in_lightning_steps_that_return_none_count_nothing(left_out, before):
    def step(model, batch, i):
        if before:
            model.accumulation.seen(len(batch))
        if i in left_out:
            return None
        if not before:
            model.accumulation.seen(len(batch))
        return model.layer(batch).square().sum()

    seen = weigh(model := Weighed(step, sparse=None), DataLoader(ROWS, batch_size=None))
    for window, found in zip((range(4), range(4, 8)), seen, strict=True):
        rows = [ROWS[i] for i in window if i not in left_out]
        if rows:
            assert relative(found, right_gradient(model, rows)) < 1e-12
        else:
            assert found is None or not found.any()


class Streamed(IterableDataset):
    def __iter__(self):
        return iter(ROWS[:6])


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_streams_end_in_a_short_window_and_epochs_do_not_mix():
    def step(model, batch, i):
        model.accumulation.seen(len(batch))
        return model.layer(batch).square().sum()

    model = Weighed(step, sparse=None)
    seen = weigh(model, DataLoader(Streamed(), batch_size=None), max_epochs=2)
    assert len(seen) == 4
    for found, rows in zip(seen, [ROWS[:4], ROWS[4:6]] * 2, strict=True):
        assert relative(found, right_gradient(model, rows)) < 1e-12


@pytest.mark.filterwarnings("ignore")
def test_in_lightning_a_training_that_was_broken_off_leaves_no_counts_behind():
    fails = [True]

    def step(model, batch, i):
        model.accumulation.seen(len(batch))
        if i == 2 and fails:
            raise ArithmeticError(fails.pop())
        return model.layer(batch).square().sum()

    model = Weighed(step, sparse=None)
    with pytest.raises(ArithmeticError):
        weigh(model, DataLoader(ROWS, batch_size=None))
    seen = weigh(model, DataLoader(ROWS, batch_size=None))
    assert relative(seen[0], right_gradient(model, ROWS[:4])) < 1e-12


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("late", [False, True])
def test_in_lightning_a_loss_without_its_count_gets_one_line(late):
    class Late(Weighed):
        def on_after_backward(self):
            self.accumulation.seen(3)

    def step(model, batch, i):
        if i != 2 or late:
            model.accumulation.seen(len(batch))
        return model.layer(batch).square().sum()

    model = (Late if late else Weighed)(step, sparse=None)
    with pytest.raises(ValueError, match=r"got a loss without one, or .*; call self"):
        weigh(model, DataLoader(ROWS, batch_size=None))
    with pytest.raises(ValueError, match="seen needs a count of at least 0; got -1; say how many"):
        model.accumulation.seen(-1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_in_lightning_sparse_gradients_are_clipped_like_dense_ones(algorithm):
    def trained(sparse):
        torch.manual_seed(0)

        def step(model, words, i):
            model.accumulation.seen(len(words))
            return model.layer(model.table(words)).square().sum()

        model = Weighed(step, sparse)
        model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), lr=0.1)
        weigh(
            model, DataLoader(WORDS, batch_size=None), 2,
            gradient_clip_val=0.1, gradient_clip_algorithm=algorithm,
        )  # fmt: skip
        return flat(model.parameters())

    torch.testing.assert_close(trained(True), trained(False), rtol=1e-12, atol=1e-12)


def test_fit_clips_sparse_gradients_like_dense_ones(tmp_path):
    class Words(L.LightningModule):
        def __init__(self, sparse):
            super().__init__()
            self.bag = Bag(sparse)

        def training_step(self, words, _):
            return self.bag(words)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    found = []
    for sparse in (False, True):
        model, out = Words(sparse), tmp_path / str(sparse)
        fit(model, DataLoader(WORDS, batch_size=None), out=out, steps=4, clip=0.1, progress=False)
        found.append(flat(model.parameters()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)


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
    assert doctest.testmod(accumulate).failed == doctest.testmod(clip).failed == 0
