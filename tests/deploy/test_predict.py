"""What comes out of a run folder, and the one line for each way in which it can be broken."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from swiftrnn import cli
from swiftrnn.deploy.trained import load
from swiftrnn.recipes.language_model import Config, build
from swiftrnn.runs import folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights


@pytest.fixture
def run(tmp_path):
    """An untrained model in a run folder; what it writes is noise, but it writes it."""
    out = tmp_path / "run"
    config = Config(layer="gru", hidden=64, depth=1)
    torch.manual_seed(1)
    RunFolder(out, "language_model").begin(config)
    weights.save(build(config, {}), out / folder.WEIGHTS)
    return out


def continued(run, text, length=200, **how):
    return load(run).answer([text], length=length, **how)[0].removeprefix(text)


def refused(capsys, *words):
    """The one line on stderr, with status 2 and nothing on stdout."""
    status = cli.main(["predict", *map(str, words)])
    printed, errors = capsys.readouterr()
    assert (status, printed, errors.count("\n")) == (2, "", 1), errors
    return errors


def change(path, **values):
    content = json.loads(path.read_text())
    content["config"] |= values
    folder.write_json(path, content)  # with a checksum that fits


def test_the_command_prints_prompt_and_continuation(run, capsys):
    words = ["predict", str(run), "def ", "a b", "--length", "30", "--seed", "5"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    expected = load(run).answer(["def ", "a b"], length=30, seed=5)
    assert printed == "".join(f"{text}\n" for text in expected)
    assert all(
        text.startswith(given) for text, given in zip(expected, ("def ", "a b"), strict=True)
    )


def test_without_input_it_continues_what_it_reads(run, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("def "))
    assert cli.main(["predict", str(run), "--length", "5"]) == 0
    assert capsys.readouterr().out.startswith("def ")


def test_the_same_seed_gives_the_same_text_and_another_another(run):
    first = continued(run, "x", 50, seed=1)
    assert continued(run, "x", 50, seed=1) == first
    assert continued(run, "x", 50, seed=2) != first
    assert continued(run, "x", 0) == ""
    assert continued(run, "", 5) != ""


def test_temperature_0_takes_the_likeliest_as_top_1_does(run):
    greedy = continued(run, "x", 20, temperature=0.0)
    assert continued(run, "x", 20, top_k=1, seed=9) == greedy


def test_any_input_is_taken(run):
    for text in ("äöü €", "\udcff", "\0", b"\xff"):
        assert isinstance(load(run).answer([text], length=3)[0], str)


def test_bad_numbers_get_one_line(run, capsys):
    assert "--length needs a whole number from 0 to 10,000,000; got -1" in refused(
        capsys, run, "x", "--length", -1
    )
    for bad in (-1, "nan", "inf"):
        said = f"--temperature needs a number from 0 up; got {bad}; the default is 0.8"
        assert said in refused(capsys, run, "x", "--temperature", bad)
    assert "--top-k needs a whole number from 0 up; got -2" in refused(
        capsys, run, "x", "--top-k", -2
    )
    assert "--length needs a whole number from 0 to 10,000,000; got 1.5" in refused(
        capsys, run, "x", "--length", 1.5
    )


def test_a_missing_run_gets_one_line(run, capsys, tmp_path):
    assert "got nosuch, which does not exist;" in refused(capsys, "nosuch")
    assert "a file;" in refused(capsys, run / "config.json")
    (tmp_path / "empty").mkdir()
    assert "needs config.json; got none" in refused(capsys, tmp_path / "empty")
    (run / "model.safetensors").unlink()
    assert "model.safetensors" in refused(capsys, run)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights_get_one_line(run, capsys, part):
    path = run / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert "model.safetensors" in refused(capsys, run)


def test_weights_that_do_not_fit_get_one_line(run, capsys):
    path = run / "model.safetensors"
    whole = load_file(path)
    bias = whole["readout.bias"]
    for changed in (
        {name: value for name, value in whole.items() if name != "readout.bias"},
        {**whole, "more": torch.zeros(2)},
        {**whole, "readout.bias": bias[:-1].clone()},
    ):
        save_file(changed, path)
        line = refused(capsys, run)
        assert "readout.bias" in line or "more" in line


def test_a_pickle_is_never_opened(run, capsys, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save(Trap(), run / "model.safetensors")
    assert "model.safetensors" in refused(capsys, run)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", -8),
        ("hidden", 0),
        ("hidden", 10**12),
        ("hidden", "8"),
        ("hidden", 8.5),
        ("hidden", True),
        ("hidden", None),
        ("hidden", 128),
        ("ngrams", 0),
        ("ngrams", 1),
        ("ngrams", 4),
        ("ngrams", 6),
        ("ngrams", 10**9),
        ("ngram_rows", 3),
        ("ngram_rows", -4),
        ("ngram_rows", 1 << 14),
        ("ngram_rows", 1 << 31),
        ("depth", 0),
        ("depth", 2),
        ("depth", 10**9),
        ("layer", "lstn"),
        ("layer", "lstm"),
        ("layer", ["gru"]),
        ("level", "letter"),
        ("dtype", "float8"),
        ("text", 3),
        ("unknown", 1),
    ],
)
def test_changed_settings_get_one_line(run, capsys, name, value):
    change(run / "config.json", **{name: value})
    line = refused(capsys, run)
    assert "config.json" in line
    assert "train again" in line


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"recipe": "language_model"}', b"\xff"])
def test_a_damaged_config_gets_one_line(run, capsys, content):
    (run / "config.json").write_bytes(content)
    assert "config.json" in refused(capsys, run)


def test_a_run_of_another_recipe_gets_one_line(run, capsys):
    folder.write_json(run / "config.json", {"recipe": "os", "config": {}})
    assert "got one of 'os'" in refused(capsys, run)


def test_a_comparison_gives_its_best_layer(run, capsys, tmp_path):
    out = tmp_path / "compare"
    out.mkdir()
    folder.write_json(out / "config.json", {"compare": {}, "text_sha256": ""})
    run.rename(out / "gru")
    line = refused(capsys, out)
    assert "was interrupted" in line
    assert f"or give {out / 'gru'}" in line
    folder.write_json(out / "metrics.json", {"best": "gru"})
    assert load(out).folder == out / "gru"
    for best in ("..", "nosuch", "gru/../gru", 3, None, [""]):
        folder.write_json(out / "metrics.json", {"best": best})
        assert "the best layer's name" in refused(capsys, out)


def test_a_model_that_does_not_fit_is_never_given_memory(tmp_path):
    made = []

    def build(size):
        layer = torch.nn.Linear(size, 2)
        made.append(layer.weight.device.type)
        return layer

    weights.save(build(3), tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"needs the weights that its config.json describes"):
        weights.built(lambda: build(4), tmp_path / "x.safetensors")
    assert made == ["cpu", "meta"]
    assert not weights.built(lambda: build(3), tmp_path / "x.safetensors").training
    with pytest.raises(ValueError, match=r"settings that can be trained; got: .*negative"):
        weights.built(lambda: build(-4), tmp_path / "x.safetensors")
