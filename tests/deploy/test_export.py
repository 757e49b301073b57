"""Layers in ONNX Runtime; needs `pip install '.[onnx]'`."""

import numpy as np
import pytest
import torch

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from tests.nn.test_layers import LAYERS, flat  # noqa: E402

from swiftrnn.deploy import export  # noqa: E402


def run(path, *inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_onnx_runtime_gives_the_same_for_other_sequences(kind, tmp_path):
    layer = kind(4, 6, 2, bidirectional=True, dropout=0.5)
    path = export.to_onnx(layer, (torch.randn(5, 3, 4),), tmp_path / "layer.onnx")
    assert layer.training
    assert [p.name for p in tmp_path.iterdir()] == ["layer.onnx"]
    layer.eval()
    for T, B in ((9, 2), (2, 5), (40, 3)):
        x = torch.randn(T, B, 4)
        with torch.no_grad():
            expected = flat(layer(x))
        for found, exact in zip(run(path, x), expected, strict=True):
            np.testing.assert_allclose(found, exact.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS[:3], ids=lambda kind: kind.__name__)
def test_lengths_and_resets_go_along(kind, tmp_path):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = kind(4, 6)

        def forward(self, x, lengths, reset):
            return self.layer(x, lengths=lengths, reset=reset)[0]

    def draw(T, B):
        return torch.randn(T, B, 4), torch.randint(1, T + 1, (B,)), torch.rand(T, B) < 0.3

    model = Model()
    time, batch = torch.export.Dim.AUTO, torch.export.Dim.AUTO
    free = {0: time, 1: batch}, {0: batch}, {0: time, 1: batch}
    path = export.to_onnx(model, draw(5, 3), tmp_path / "model.onnx", free)
    inputs = draw(11, 4)
    np.testing.assert_allclose(
        run(path, *inputs)[0], model(*inputs).detach().numpy(), rtol=1e-5, atol=1e-5
    )


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    layer = LAYERS[0](4, 6)
    with pytest.raises(OSError, match="missing"):
        export.to_onnx(layer, (torch.randn(5, 3, 4),), tmp_path / "missing" / "layer.onnx")
    assert not list(tmp_path.iterdir())
