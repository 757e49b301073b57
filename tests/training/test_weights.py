"""Weights on disk: whole or not at all, and never read into the wrong model."""

import pytest
import torch
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
