"""Models with our layers, compiled ahead of time by AOTInductor."""

import os
import shutil

import pytest
import torch
from torch import nn

from swiftrnn.nn import QRNN, SRU, MinGRU

pytestmark = pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX", "g++")), reason="AOTInductor needs a C++ compiler"
)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([SRU(8, 8, bidirectional=True), QRNN(16, 8), MinGRU(8, 4)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)[0]
        return x


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_package_runs_with_any_batch_and_length(tmp_path):
    model, x = Model().eval(), torch.randn(7, 3, 8)
    free = {0: torch.export.Dim("T", min=2, max=512), 1: torch.export.Dim("B", min=2, max=64)}
    program = torch.export.export(model, (x,), dynamic_shapes={"x": free})
    package = str(tmp_path / "model.pt2")
    torch._inductor.aoti_compile_and_package(program, package_path=package)
    compiled = torch._inductor.aoti_load_package(package)
    for T, B in ((7, 3), (30, 5)):
        y = torch.randn(T, B, 8)
        torch.testing.assert_close(compiled(y), model(y))
