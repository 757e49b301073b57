"""Layers beside one another: in Python's threads and in the workers of a DataLoader."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from tests.nn.test_layers import close, each_layer, flat


@each_layer
@pytest.mark.parametrize("threads", [1, 2])
def test_python_threads_share_a_layer(kind, threads):
    layer = kind(64, 64, 2)
    inputs = [torch.randn(64, 32, 64, requires_grad=True) for _ in range(4)]

    def run(x):
        output, state = layer(x)
        loss = output.square().sum() + sum(s.sum() for s in flat(state))
        return output, *flat(state), *torch.autograd.grad(loss, [x, *layer.parameters()])

    torch.set_num_threads(threads)
    try:
        expected = [run(x) for x in inputs]
        found = [[] for _ in inputs]
        workers = [
            threading.Thread(target=lambda k=k, x=x: found[k].extend(run(x) for _ in range(3)))
            for k, x in enumerate(inputs)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        torch.set_num_threads(1)
    for wanted, runs in zip(expected, found, strict=True):
        assert len(runs) == 3
        for run in runs:
            close(run, wanted, rtol=0, atol=0)


SCRIPT = """
import sys
import torch
from torch.utils.data import DataLoader, Dataset
from swiftrnn.nn import QRNN, SRU, MinGRU

class Features(Dataset):
    def __init__(self):
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList([SRU(32, 32, 2), QRNN(32, 32), MinGRU(32, 32)])

    def __len__(self):
        return 3

    def __getitem__(self, k):
        x = torch.full((64, 32), k + 1.0, requires_grad=True)
        for layer in self.layers:
            y, _ = layer(x[:, None].expand(-1, 16, -1))
            x = y.mean(1)
        gradient, = torch.autograd.grad(y.sum(), self.layers[0].weight_ih_l0)
        return x.detach(), gradient

if __name__ == "__main__":
    torch.set_num_threads(2)
    features = Features()
    here = [features[k] for k in range(3)]  # kernels and threads have run before the fork
    for how in sys.argv[1:]:
        there = list(DataLoader(features, None, num_workers=1, multiprocessing_context=how))
        for pair, other in zip(here, there, strict=True):
            assert pair[0].any() and pair[1].any()
            torch.testing.assert_close(other, pair)
    print("equal")
"""


def test_workers_of_a_loader_run_layers(tmp_path):
    """Forked ones, also after others, and fresh ones."""
    forks = ["fork", "fork"] if hasattr(os, "fork") else []
    script = tmp_path / "load.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), *forks, "spawn"],
        capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.stdout == "equal\n", done.stderr
