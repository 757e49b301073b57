"""Models compiled ahead of time: a package that Python loads, without the model's code."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch._inductor import aoti_compile_and_package, aoti_load_package, cpp_builder, exc

from swiftrnn.nn import QRNN, SRU, MinGRU


def compiler():
    try:
        return cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        return None


class Tagger(nn.Module):
    """All three kernels of whole layers, both directions, and what a model has beside them."""

    def __init__(self):
        super().__init__()
        self.first = QRNN(4, 4, bidirectional=True)
        self.second = SRU(8, 6, 2)
        self.third = MinGRU(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x, lengths):
        output, _ = self.first(x, lengths=lengths)
        output, c = self.second(output, lengths=lengths)
        output, _ = self.third(output, lengths=lengths)
        return self.head(output), c


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    if compiler() is None:
        pytest.skip("AOTInductor needs a C++ compiler")
    model, free = Tagger().eval(), torch.export.Dim.DYNAMIC
    example = torch.randn(5, 3, 4), torch.tensor([5, 2, 4])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own code
        shapes = {"x": {0: free, 1: free}, "lengths": {0: free}}
        program = torch.export.export(model, example, dynamic_shapes=shapes)
        path = str(tmp_path_factory.mktemp("aoti") / "tagger.pt2")
        return model, aoti_compile_and_package(
            program, package_path=path, inductor_configs={"aot_inductor.debug_compile": True}
        )


@pytest.mark.parametrize(("T", "B"), [(5, 3), (9, 2), (1, 1), (200, 7)])
def test_a_package_gives_the_same_for_other_sizes(package, T, B):
    model, path = package
    x, lengths = torch.randn(T, B, 4), torch.randint(0, T + 1, (B,))
    output, c = aoti_load_package(path)(x, lengths)
    with torch.no_grad():
        expected, last = model(x, lengths)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(c, last)


@pytest.mark.parametrize("imported", [True, False])
def test_a_process_that_loads_one_imports_the_ops(package, imported):
    code = f"""
import torch
{"import swiftrnn.ops" if imported else ""}
model = torch._inductor.aoti_load_package({package[1]!r})
print(model(torch.zeros(4, 2, 4), torch.tensor([4, 4]))[0].shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if imported:
        assert done.stdout == "torch.Size([4, 2, 3])\n", done.stderr
    else:
        assert done.returncode
        assert "Could not find schema for swiftrnn::" in done.stderr
