"""Weights on disk: whole or not at all, and never read into the wrong model."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from swiftrnn.training import weights


@pytest.fixture
def path(tmp_path):
    weights.save(nn.Linear(3, 4), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_weights_come_back(path):
    first, second = nn.Linear(3, 4), nn.Linear(3, 4)
    weights.save(first, path)
    weights.load(second, path)
    assert torch.equal(first.weight, second.weight)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_whoever_may_read_other_files_may_read_weights(path):
    (path.parent / "other").touch()
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:4], lambda b: b"\xff" * 8 + b])
def test_a_damaged_file_is_named(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"needs a whole model.safetensors; got .*; train again$"):
        weights.load(nn.Linear(3, 4), path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        weights.load(nn.Linear(3, 4), tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "other", [nn.Linear(4, 4), nn.Linear(3, 4, bias=False), nn.Bilinear(1, 1, 1)]
)
def test_weights_of_another_model_change_nothing(path, other):
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"differ \((weight|bias) among them\)"):
        weights.load(other, path)
    for name, value in other.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_full_disk_keeps_what_was_there(path):
    resource = pytest.importorskip("resource")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"a model needs room in .*; got: .*was not written"):
            weights.save(nn.Linear(300, 400), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def outcome(path):
    """What a reader of the file gets: the weights, or one line."""
    model = nn.Linear(3, 4)
    before = [p.clone() for p in model.parameters()]
    try:
        weights.load(model, path)
    except ValueError:
        return "refused" if all(map(torch.equal, model.parameters(), before)) else "half"
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_whichever_byte_is_damaged_no_other_weights_are_read(path):
    content, good = path.read_bytes(), outcome(path)
    assert len(good) == 16
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        if isinstance(found := outcome(path), str) and found == "refused":
            refused += 1
        else:
            assert torch.equal(found, good), place
    assert refused > 16 * 4  # the numbers among them


def test_the_same_weights_are_the_same_file(tmp_path):
    names, model = [tmp_path / f"{i}.safetensors" for i in range(4)], Tied()
    for each in names:
        weights.save(model, each)
    assert len({each.read_bytes() for each in names}) == 1


def test_weights_of_an_older_version_are_read(path):
    good = outcome(path)
    save_file(load_file(path), path)
    assert torch.equal(outcome(path), good)


@pytest.mark.parametrize("kind", [torch.int32, torch.float16, torch.float64, torch.bool])
def test_weights_of_another_type_are_refused(path, kind):
    save_file({name: value.to(kind) for name, value in load_file(path).items()}, path)
    with pytest.raises(ValueError, match=r"2 differ \(bias among them\); train again"):
        weights.load(nn.Linear(3, 4), path)


def test_weights_that_are_no_numbers_are_refused(path):
    read = load_file(path)
    read["bias"][1] = torch.nan
    save_file(read, path)
    with pytest.raises(ValueError, match="bias is not a number in places"):
        weights.load(nn.Linear(3, 4), path)


class Tied(nn.Module):
    """The same table reads words and scores them; a buffer is a part of another."""

    def __init__(self, tie=True):
        super().__init__()
        self.table, self.score = nn.Embedding(5, 3), nn.Linear(3, 5)
        if tie:
            self.score.weight = self.table.weight
        self.register_buffer("both", torch.arange(4.0))
        self.register_buffer("part", self.both[:2])


def test_tied_weights_come_back_tied(tmp_path):
    first, second = Tied(), Tied()
    weights.save(first, tmp_path / "tied.safetensors")
    with safe_open(tmp_path / "tied.safetensors", "pt") as file:
        assert len(set(file.keys()) & {"table.weight", "score.weight"}) == 1
    second.part.zero_()
    weights.load(second, tmp_path / "tied.safetensors")
    assert second.score.weight is second.table.weight
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    apart = Tied(tie=False)
    weights.load(apart, tmp_path / "tied.safetensors")
    assert torch.equal(apart.score.weight, first.table.weight)
    assert weights.built(Tied, tmp_path / "tied.safetensors").score.weight.shape == (5, 3)


def test_weights_that_differ_are_not_read_into_tied_ones(tmp_path):
    weights.save(Tied(tie=False), tmp_path / "apart.safetensors")
    with pytest.raises(ValueError, match=r"score.weight and table.weight are one weight"):
        weights.load(Tied(), tmp_path / "apart.safetensors")


def test_what_is_no_tensor_is_named(tmp_path):
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"epoch": 1}

    with pytest.raises(TypeError, match=r"needs tensors only; got _extra_state, dict;"):
        weights.save(Counting(3, 4), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
