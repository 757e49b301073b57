"""Memory that is lent from step to step."""

import gc
import threading

import pytest
import torch
from torch import nn

from swiftrnn import ops
from swiftrnn.nn import SRU
from swiftrnn.ops import _native, _pool

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def an_empty_pool():
    ops.release_memory()
    yield
    ops.release_memory()
    ops.keep_memory()


def address_of(shape=(MEGABYTE,), dtype=torch.float32):
    return _pool.empty(shape, dtype).data_ptr()


def test_memory_comes_back_when_the_last_tensor_is_gone():
    whole = _pool.empty((4, MEGABYTE // 4), torch.float32)
    view, first = whole[1:], whole.data_ptr()
    del whole
    other = _pool.empty((MEGABYTE,), torch.float32)
    assert other.data_ptr() != first  # the view still holds it
    del view
    assert address_of() == first


def test_the_next_step_gets_the_same_memory():
    first = address_of()
    assert address_of() == first
    assert address_of((2 * MEGABYTE,), torch.bfloat16) == first
    assert _pool.empty((MEGABYTE,), torch.float32).is_contiguous()


def test_of_one_size_the_last_that_came_back_is_lent():
    first, last = (_pool.empty((MEGABYTE,), torch.float32) for _ in range(2))
    address = last.data_ptr()
    del first
    del last
    assert address_of() == address


def test_two_loans_never_overlap():
    loans = [_pool.empty((MEGABYTE,), torch.float32).fill_(k) for k in range(4)]
    assert [x.unique().tolist() for x in loans] == [[0], [1], [2], [3]]


def test_memory_much_larger_or_smaller_is_not_lent():
    address_of()
    for size in (MEGABYTE // 2, 2 * MEGABYTE):
        address_of((size,))
    assert [m.size // MEGABYTE for m in _pool._free] == [4, 2, 8]
    address_of((MEGABYTE - 100,))
    assert len(_pool._free) == 3  # what is a little larger was lent


def test_what_lies_free_is_bounded():
    ops.keep_memory(10 * MEGABYTE)
    loans = [_pool.empty((MEGABYTE + 500_000 * k,), torch.float32) for k in range(4)]
    sizes = [4 * x.numel() for x in loans]
    while loans:
        del loans[0]
    assert [m.size for m in _pool._free] == sizes[3:]  # what came back first went first
    ops.keep_memory(0)
    assert not _pool._free  # at once
    address_of()
    assert not _pool._free
    with pytest.raises(ValueError, match="0 bytes or more; got -1"):
        ops.keep_memory(-1)


def test_small_tensors_are_left_to_malloc():
    _pool.empty((10,), torch.float32)
    assert not _pool._free


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_array_starts_at_a_cache_line(dtype):
    loans = [_pool.empty((MEGABYTE + k,), dtype) for k in range(3)]
    assert all(x.data_ptr() % _pool.LINE == 0 and x.dtype == dtype for x in loans)


def test_threads_get_memory_of_their_own():
    wrong = []

    def work(k):
        for _ in range(50):
            mine = _pool.empty((MEGABYTE // 4,), torch.float32).fill_(k)
            if not (mine == k).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(_native.library() is None, reason="no C kernels here")
def test_outputs_that_the_user_holds_stay_as_they_are():
    layer, x = SRU(256, 256), torch.randn(64, 32, 256)
    outputs, copies = [], []
    for _ in range(4):
        y, _ = layer(x + len(outputs))
        outputs.append(y.detach())
        copies.append(y.detach().clone())
        y.sum().backward()
    for y, copy in zip(outputs, copies, strict=True):
        assert torch.equal(y, copy)


@pytest.mark.skipif(_native.library() is None, reason="no C kernels here")
def test_a_training_step_holds_no_more_than_the_first():
    layer, x = SRU(256, 256, num_layers=2), torch.randn(64, 32, 256, requires_grad=True)

    def held():
        y, _ = layer(x)
        y.sum().backward()
        x.grad = None
        del y
        gc.collect()
        return sum(m.size for m in _pool._free)

    assert held() == held() == held() > 0


def test_a_lent_tensor_is_an_ordinary_one(tmp_path):
    x = _pool.empty((MEGABYTE,), torch.float32).fill_(2.0)
    torch.save(x, tmp_path / "x.pt")
    assert torch.equal(torch.load(tmp_path / "x.pt", weights_only=True), x)
    assert torch.equal(x.clone(), x)
    parameter = nn.Parameter(x)
    parameter.sum().backward()
    assert parameter.grad is not None
    assert x.share_memory_().is_shared()
