"""Layers in ONNX Runtime; needs `pip install '.[onnx]'`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from tests.nn.test_layers import LAYERS, flat  # noqa: E402

from swiftrnn import cli  # noqa: E402
from swiftrnn.data.corpus import made_up  # noqa: E402
from swiftrnn.data.sentences import Batcher  # noqa: E402
from swiftrnn.deploy import export  # noqa: E402
from swiftrnn.nn import CRF  # noqa: E402
from swiftrnn.recipes import ner_crf, ner_stack_lstm  # noqa: E402
from swiftrnn.recipes.ner_crf.model import Tagger  # noqa: E402
from swiftrnn.recipes.ner_crf.onnx import INPUTS  # noqa: E402
from swiftrnn.recipes.ner_stack_lstm.model import Chunker  # noqa: E402
from swiftrnn.training import entities  # noqa: E402


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


@pytest.mark.parametrize(
    "changes",
    [{"char_ngrams": 3}, {"char_size": 0, "bigrams": True, "layer": "qrnn"}],
    ids=str,
)
def test_a_tagger_gives_the_same_tags_for_other_sentences(changes, tmp_path, capsys):
    config = replace(ner_crf.SMOKE, **changes)
    entities.train("ner_crf", Tagger, config, tmp_path, made_up(0))
    out = tmp_path / "there" / "names.onnx"
    out.parent.mkdir()
    assert cli.main(["export", str(tmp_path), "--to", "onnx", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert (out.parent / "vocabulary.json").exists()
    model = ner_crf.load(config, tmp_path)
    batcher, found = Batcher(model.vocabulary), set()
    for sentences in (made_up(1).test.sentences[:1], made_up(2).test.sentences[:9]):
        batch = batcher.collate([batcher.encode(s) for s in sentences])
        tags = model.decode(batch)[1]
        inputs = [batch[name] for name in INPUTS]
        assert np.array_equal(run(out, *inputs)[0], tags.numpy())
        found |= set(tags.flatten().tolist())
    assert len(found) > 1


def test_what_cannot_be_exported_is_told_why(tmp_path, capsys):
    config = replace(ner_crf.SMOKE, epochs=1, layer="lstm", hidden=4)
    entities.train("ner_crf", Tagger, config, tmp_path, made_up(0))
    assert cli.main(["export", str(tmp_path)]) == 2
    assert "needs one of our layers; got lstm" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


def test_a_chunker_is_no_graph(tmp_path, capsys):
    config = replace(ner_stack_lstm.SMOKE, epochs=1)
    entities.train("ner_stack_lstm", Chunker, config, tmp_path, made_up(0))
    assert cli.main(["export", str(tmp_path)]) == 2
    assert "needs a run whose model is one graph" in (said := capsys.readouterr().err)
    assert "a run of ner_stack_lstm" in said
    assert not (tmp_path / "model.onnx").exists()


def test_viterbi_goes_along(tmp_path):
    class Path_(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.crf = CRF(5)
            torch.nn.init.normal_(self.crf.transitions)

        def forward(self, emissions, lengths):
            return self.crf.decode(emissions, lengths)

    module, free = Path_(), torch.export.Dim.AUTO
    example, path = (torch.randn(6, 3, 5), torch.tensor([6, 2, 4])), tmp_path / "crf.onnx"
    export.to_onnx(module, example, path, ({0: free, 1: free}, {0: free}))
    for T, B in ((9, 4), (1, 2), (2, 7)):
        emissions, lengths = torch.randn(T, B, 5), torch.randint(0, T + 1, (B,))
        found = run(path, emissions, lengths)[0]
        assert np.array_equal(found, module(emissions, lengths).numpy())
