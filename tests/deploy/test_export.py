"""Layers in ONNX Runtime; needs `pip install '.[onnx]'`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from swiftrnn.runs.folder import RunFolder

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from tests.nn.test_layers import LAYERS, flat  # noqa: E402
from torch.export import Dim  # noqa: E402

import swiftrnn  # noqa: E402
from swiftrnn import cli  # noqa: E402
from swiftrnn.data.tagged.columns import Sentence  # noqa: E402
from swiftrnn.data.tagged.corpus import made_up  # noqa: E402
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary  # noqa: E402
from swiftrnn.deploy import export  # noqa: E402
from swiftrnn.nn import CRF  # noqa: E402
from swiftrnn.recipes import ner_crf, ner_stack_lstm  # noqa: E402
from swiftrnn.recipes.ner_crf.model import Tagger  # noqa: E402
from swiftrnn.recipes.ner_crf.onnx import INPUTS, graph  # noqa: E402
from swiftrnn.recipes.ner_stack_lstm.model import Chunker  # noqa: E402
from swiftrnn.tasks.tagging import train as entities  # noqa: E402


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
    for T, B in ((9, 2), (2, 5), (40, 3), (1, 1), (1, 4), (6, 1)):
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

    model = Model().eval()
    time, batch = torch.export.Dim.AUTO, torch.export.Dim.AUTO
    free = {0: time, 1: batch}, {0: batch}, {0: time, 1: batch}
    path = export.to_onnx(model, draw(5, 3), tmp_path / "model.onnx", free)
    for inputs in (draw(11, 4), draw(1, 4), draw(11, 1), draw(1, 1)):
        np.testing.assert_allclose(
            run(path, *inputs)[0], model(*inputs).detach().numpy(), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize(
    ("T", "B", "free"),
    [(1, 3, None), (5, 1, None), (5, 1, ({1: Dim.AUTO},)), (1, 3, {"input": {0: Dim.DYNAMIC}})],
    ids=str,
)
def test_an_example_that_would_fix_a_size_is_refused(T, B, free, tmp_path):
    """torch.export fixes a size of 1 without a word; the file would take nothing else."""
    layer, x = LAYERS[0](4, 6), torch.randn(T, B, 4)
    with pytest.raises(ValueError, match="at least 2 of each size that stays free; got an input"):
        export.to_onnx(layer, (x,), tmp_path / "layer.onnx", free)
    assert not list(tmp_path.iterdir())


def test_a_size_of_1_that_is_not_to_stay_free_is_taken(tmp_path):
    layer = LAYERS[0](4, 6)
    inputs = torch.randn(5, 3, 4), torch.randn(1, 3, 6)  # of a state: one layer
    path = export.to_onnx(layer, inputs, tmp_path / "a.onnx")
    other = torch.randn(1, 1, 4), torch.randn(1, 1, 6)
    with torch.no_grad():
        expected = layer.eval()(*other)
    for found, exact in zip(run(path, *other), flat(expected), strict=True):
        np.testing.assert_allclose(found, exact.numpy(), rtol=1e-5, atol=1e-5)
    fixed = export.to_onnx(layer, (torch.randn(5, 1, 4),), tmp_path / "b.onnx", ({0: Dim.AUTO},))
    x = torch.randn(1, 1, 4)
    np.testing.assert_allclose(run(fixed, x)[0], layer(x)[0].detach().numpy(), rtol=1e-5, atol=1e-5)


def test_a_module_that_fixes_a_size_is_refused(tmp_path):
    class Five(torch.nn.Module):
        def forward(self, x):
            return x.view(5, -1)

    with pytest.raises(ValueError, match="needs sizes that can stay free, as dynamic_shapes"):
        export.to_onnx(Five(), (torch.randn(5, 3),), tmp_path / "a.onnx", ({0: Dim.DYNAMIC},))
    assert not list(tmp_path.iterdir())


def test_every_example_is_held_against_the_module(tmp_path):
    class Turning(torch.nn.Module):
        """Traced with many steps, it is wrong for one."""

        def forward(self, x):
            return x if torch.compiler.is_exporting() or len(x) > 1 else -x

    inputs = [(torch.randn(T, 3),) for T in (4, 1)]
    free = ({0: Dim.DYNAMIC},)
    export.to_onnx(Turning(), inputs[0], tmp_path / "a.onnx", free)
    with pytest.raises(ValueError, match="ONNX Runtime to give the module's outputs"):
        export.to_onnx(Turning(), inputs[0], tmp_path / "b.onnx", free, inputs[1:])
    assert not (tmp_path / "b.onnx").exists()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    layer = LAYERS[0](4, 6)
    with pytest.raises(OSError, match="missing"):
        export.to_onnx(layer, (torch.randn(5, 3, 4),), tmp_path / "missing" / "layer.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"char_ngrams": 3, "depth": 2},
        {"char_size": 0, "bigrams": True, "layer": "qrnn"},  # as for Chinese
        {"crf": False, "layer": "mingru"},
    ],
    ids=str,
)
def test_a_tagger_gives_the_same_tags_for_other_sentences(changes, tmp_path, capfd):
    config = replace(ner_crf.SMOKE, **changes)
    entities.train(Tagger, config, RunFolder(tmp_path, "ner_crf"), made_up(0))
    capfd.readouterr()
    out = tmp_path / "there" / "names.onnx"
    out.parent.mkdir()
    assert cli.main(["export", str(tmp_path), "--to", "onnx", "--out", str(out)]) == 0
    assert capfd.readouterr() == (f"{out}\n", "")
    assert (out.parent / "vocabulary.json").exists()
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    assert not [n for each in session.get_inputs() for n in each.shape if isinstance(n, int)]
    model = swiftrnn.load(tmp_path).model
    batcher, found = Batcher(model.vocabulary), set()
    short = [Sentence((word,)) for word in ("a", "Bokima")]  # sizes of 1, alone and together
    known = made_up(2).test.sentences
    for sentences in (known[:1], known[:9], short[:1], short[1:], short, short[:1] * 3):
        batch = batcher.collate([batcher.encode(s) for s in sentences])
        tags = model.decode(batch)[1]
        inputs = [batch[name] for name in INPUTS]
        assert np.array_equal(run(out, *inputs)[0], tags.numpy())
        found |= set(tags.flatten().tolist())
    assert len(found) > 1


def test_a_vocabulary_of_characters_leaves_the_length_of_words_free(tmp_path):
    """Chinese is cut into characters: no word of train has two, but words of a user's text may."""
    model = Tagger(
        TagVocabulary(["<unk>", "a"], ["a"], [], tags=["O", "S-x"]), "sru", 4, 3, 2, hidden=4
    )
    module, examples = graph(model)
    assert {each[2].shape[0] for each in examples} == {1, 5}
    free = tuple(dict.fromkeys(range(x.dim()), Dim.DYNAMIC) for x in examples[0])
    path = export.to_onnx(module, examples[0], tmp_path / "a.onnx", free, examples[1:])
    batcher = Batcher(model.vocabulary)
    for words in (("a",), ("aa", "a"), ("aaa",), ("b", "a", "a", "aaaa")):
        batch = batcher.collate([batcher.encode(Sentence(words))])
        inputs = [batch[name] for name in INPUTS]
        assert np.array_equal(run(path, *inputs)[0], module(*inputs).numpy())


def test_what_cannot_be_exported_is_told_why(tmp_path, capsys):
    config = replace(ner_crf.SMOKE, epochs=1, layer="lstm", hidden=4)
    entities.train(Tagger, config, RunFolder(tmp_path, "ner_crf"), made_up(0))
    assert cli.main(["export", str(tmp_path)]) == 2
    assert "needs one of our layers; got " in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


def test_a_chunker_is_no_graph(tmp_path, capsys):
    config = replace(ner_stack_lstm.SMOKE, epochs=1)
    entities.train(Chunker, config, RunFolder(tmp_path, "ner_stack_lstm"), made_up(0))
    assert cli.main(["export", str(tmp_path)]) == 2
    assert "needs a run whose task is one graph" in (said := capsys.readouterr().err)
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
