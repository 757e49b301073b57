"""Whatever the loader, a run that goes on sees the batches that an unbroken run sees."""

import collections
import random

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from swiftrnn.training.fit import fit, source

STEPS, CUTS = 11, (2, 4, 6, 8)  # four batches an epoch: cut within one, and at an end


class Seer(L.LightningModule):
    """Remembers what it saw; its updates draw random numbers too."""

    def __init__(self):
        super().__init__()
        self.line, self.seen = nn.Linear(1, 1), []

    def training_step(self, batch, _):
        self.seen.append(source.fingerprint(batch))
        return self.line(torch.rand(2, 1)).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def own(seed):
    return torch.Generator().manual_seed(seed)


DATA = TensorDataset(torch.arange(8.0)[:, None])


class Noisy(Dataset):
    """Draws from a generator of its own."""

    def __init__(self, generator, draw):
        self.generator, self.draw = generator, draw

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return i + torch.tensor(self.draw(self.generator))


class Lazy(IterableDataset):
    """Without a length, from a generator that it holds."""

    def __init__(self):
        self.deep = {"inside": [own(4)]}

    def __iter__(self):
        for _ in range(4):
            yield torch.rand(2, generator=self.deep["inside"][0])


class Counting:
    """Another order in each epoch, by a counter."""

    def __init__(self):
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        order = np.random.default_rng(self.epoch).permutation(4)
        return iter([torch.tensor([i]) for i in order])


class Endless:
    """An iterator, not to be begun anew."""

    def __init__(self):
        self.now = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.now += 1
        return torch.tensor([self.now])


def weighted():
    return WeightedRandomSampler([1.0] * 8, 8, generator=own(2))


def combined():
    return CombinedLoader([LOADERS["generator"](), LOADERS["sampler"]()], "max_size")


LOADERS = {
    "generator": lambda: DataLoader(DATA, 2, shuffle=True, generator=own(1)),
    "workers": lambda: DataLoader(DATA, 2, shuffle=True, generator=own(1), num_workers=1),
    "sampler": lambda: DataLoader(DATA, 2, sampler=weighted()),
    "replacement": lambda: DataLoader(DATA, 2, sampler=RandomSampler(DATA, True, 8, own(3))),
    "batch sampler": lambda: DataLoader(DATA, batch_sampler=BatchSampler(weighted(), 2, False)),
    "numpy": lambda: DataLoader(Noisy(np.random.default_rng(1), lambda g: g.random()), 2),
    "numpy mt": lambda: DataLoader(
        Noisy(np.random.Generator(np.random.MT19937(1)), lambda g: g.random()), 2
    ),
    "numpy philox": lambda: DataLoader(
        Noisy(np.random.Generator(np.random.Philox(1)), lambda g: g.random()), 2
    ),
    "numpy state": lambda: DataLoader(Noisy(np.random.RandomState(1), lambda g: g.rand()), 2),
    "python": lambda: DataLoader(Noisy(random.Random(1), lambda g: g.random()), 2),
    "lazy": lambda: DataLoader(Lazy(), batch_size=None),
    "counter": Counting,
    "combined": combined,
    "list": lambda: [torch.tensor([i]) for i in range(4)],
    "dicts": lambda: ({"x": torch.tensor([i]), "y": i} for i in range(50)),
    "endless": Endless,
    "global": lambda: DataLoader(DATA, 2, shuffle=True),
    "noise": lambda: DataLoader(Noisy(None, lambda _: random.random()), 2, shuffle=True),
}


def seen(out, loader, steps, resume=False):
    torch.manual_seed(9 if resume else 8)
    random.seed(9 if resume else 8)
    model = Seer()
    fit(model, loader, out=out, steps=steps, resume=resume, progress=False)
    return model.seen


@pytest.mark.filterwarnings("ignore::FutureWarning")  # Lightning's CombinedLoader, of torch
@pytest.mark.parametrize("kind", LOADERS)
def test_a_run_that_goes_on_sees_the_same_batches(tmp_path, kind):
    whole = seen(tmp_path / "whole", LOADERS[kind](), STEPS)
    assert len(set(whole)) >= 4
    for cut in CUTS if kind != "workers" else (6,):
        out = tmp_path / f"{cut}"
        first = seen(out, LOADERS[kind](), cut)
        assert first + seen(out, LOADERS[kind](), STEPS, resume=True) == whole, cut


def test_a_loader_whose_place_cannot_be_found_is_refused(tmp_path):
    def loader(seed):
        return DataLoader(DATA, 2, sampler=list(np.random.default_rng(seed).permutation(8)))

    seen(tmp_path, loader(1), 6)
    with pytest.raises(ValueError, match="batches that training had before; got another one at 2"):
        seen(tmp_path, loader(2), STEPS, resume=True)


def test_what_is_fetched_in_advance_from_the_global_state_is_refused(tmp_path):
    class Global(IterableDataset):
        def __iter__(self):
            for _ in range(4):
                yield torch.rand(2)

    seen(tmp_path, DataLoader(Global(), batch_size=None), 6)
    with pytest.raises(ValueError, match="generators or counters that it holds, or start over"):
        seen(tmp_path, DataLoader(Global(), batch_size=None), STEPS, resume=True)


def test_settings_of_a_loader_may_change(tmp_path):
    seen(tmp_path, DataLoader(DATA, 2, shuffle=True, generator=own(1), timeout=0), 6)
    other = DataLoader(DATA, 2, shuffle=True, generator=own(1), num_workers=1, timeout=60)
    assert len(seen(tmp_path, other, STEPS, resume=True)) == STEPS - 6
    assert (other.num_workers, other.timeout) == (1, 60)


@pytest.mark.parametrize("kind", [list, tuple, collections.deque])
def test_each_item_of_a_list_is_a_batch(tmp_path, kind):
    batches = [{"x": torch.tensor([float(i)])} for i in range(3)]
    expected = [source.fingerprint(batches[i % 3]) for i in range(7)]
    assert seen(tmp_path, kind(batches), 7) == expected


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ({"a": [1], "b": [2]}, "got dict; give a DataLoader"),
        (3, "got int; give a DataLoader"),
        ([DataLoader(DATA, 2)], "got a list of DataLoaders; say how they combine"),
        ((DataLoader(DATA, 2),) * 2, "got a tuple of DataLoaders; say how they combine"),
    ],
)
def test_what_is_no_iterable_of_batches_is_refused(tmp_path, batches, message):
    with pytest.raises(TypeError, match=message):
        seen(tmp_path / "run", batches, 3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("batches", [[], DataLoader(TensorDataset(torch.empty(0, 1))), iter([])])
def test_no_batches_at_all_are_an_error(tmp_path, batches):
    with pytest.raises(ValueError, match="fit needs batches; got none"):
        seen(tmp_path, batches, 3)


def test_an_iterator_that_ends_too_early_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="fit needs batches; got none after update 3"):
        seen(tmp_path, iter([torch.ones(1)] * 3), 5)
