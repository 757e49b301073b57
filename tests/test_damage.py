"""Each file of a finished run, damaged in each way: the same answer as before, or one line."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from swiftrnn import cli, recipes
from swiftrnn.recipes import language_model, ner_crf
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.tagging import train as entities

WORDS = "Mira Tal met Oru in Venn ."


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small finished runs of a tagger and of a language model over words."""
    out = tmp_path_factory.mktemp("runs")
    (out / "text").write_text("the cat sat on the mat and ran\n" * 2000)
    small = {"epochs": 1, "hidden": 4, "word_size": 4, "char_size": 3, "char_hidden": 3}
    tiny = {"level": "word", "ngrams": 1, "hidden": 4, "depth": 1, "steps": 2, "seconds": None}
    tiny |= {"batch_size": 4, "time": 4, "text": out / "text"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda _: None)
        for name, recipe, config in (
            ("tagger", ner_crf, ner_crf.Config(made_up=True, **small)),
            ("language", language_model, language_model.Config(**tiny)),
        ):
            here = RunFolder(out / name, recipe.__name__.rpartition(".")[2])
            here.path.mkdir()
            recipe.run(config, here).write(here.path)
    return out


@pytest.fixture
def run(runs, tmp_path, request):
    """A copy of one, to be damaged."""
    return Path(shutil.copytree(runs / request.param, tmp_path / request.param))


def answer(run, capsys):
    """What the command prints; or None, with one line and nothing touched."""
    before = contents(run)
    how = (
        ("--format", "jsonl") if run.name == "tagger" else ("--length", "20", "--temperature", "0")
    )
    status = cli.main(["predict", str(run), WORDS, *how])
    out, err = capsys.readouterr()
    assert contents(run) == before
    if status == 0:
        assert err == ""
        return out
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("error: ")
    return None


def contents(run):
    return {p: p.read_bytes() if p.is_file() else None for p in run.rglob("*")}


def flip(part):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[int(part * (len(content) - 1))] ^= 0x04
        path.write_bytes(content)

    return damage


def to(content):
    return lambda path: path.write_bytes(content)


def cut(part):
    return lambda path: path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def in_place(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "empty": to(b""), "zeros": lambda p: p.write_bytes(bytes(p.stat().st_size)), "nul": to(b"\0"),
    "half": cut(0.5), "almost": cut(0.995), "missing": Path.unlink, "a folder": in_place,
    "list": to(b"[]"), "null": to(b"null"), "number": to(b"3"), "text": to(b'"x"'),
    "object": to(b"{}"), "NaN": to(b'{"config": NaN}'), "infinite": to(b'{"words": 1e999}'),
    "deep": to(b'{"config":' * 100_000), "digits": to(b'{"config": ' + b"9" * 9999 + b"}"),
    "twice": to(b'{"config": {}, "config": {}}'), "latin": to(b'{"words": "\xe9"}'),
    **{f"flip {part}": flip(part) for part in (0.02, 0.3, 0.62, 0.97)},
}  # fmt: skip
FILES = ("config.json", "vocabulary.json", "model.safetensors", "metrics.json")


@pytest.mark.parametrize("run", ["tagger", "language"], indirect=True)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_gives_the_same_answer_or_one_line(run, name, capsys, tmp_path):
    good, refused = answer(run, capsys), 0
    assert good
    for how, damage in DAMAGE.items():
        shutil.copy(run / name, tmp_path / "whole")
        damage(run / name)
        found = answer(run, capsys)
        assert found in (good, None), how
        refused += found is None
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink(missing_ok=True)
        shutil.copy(tmp_path / "whole", run / name)
    assert refused >= len(DAMAGE) - 2 or name == "metrics.json"  # which predict has no need of


def changes(content):
    """The content with each of its values, at each level, replaced by other kinds of values."""
    for key, value in content.items():
        others = (None, -1, 10**30, "x", ["a", "a"])
        for other in others:
            yield {**content, key: other}
        yield {k: v for k, v in content.items() if k != key}
        if isinstance(value, dict):
            yield from ({**content, key: inner} for inner in changes(value))
        if isinstance(value, list) and value:
            for other in (None, 3, "x", [], value[-1]):
                yield {**content, key: [other, *value[1:]]}


@pytest.mark.parametrize("run", ["tagger", "language"], indirect=True)
@pytest.mark.parametrize("name", ["config.json", "vocabulary.json"])
def test_values_of_other_kinds_get_one_line_or_change_nothing(run, name, monkeypatch):
    """With checksums that fit, so that what reads the values is tested."""
    from swiftrnn.deploy import trained

    content = folder.read_json(run / name)
    weights = trained.load(run).model.state_dict()
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    count = 0
    for other in changes(content):
        folder.write_json(run / name, other)
        try:
            model = trained.load(run).model
        except ValueError as error:
            assert str(error).count("\n") == 0, other  # noqa: PT017
            continue
        count += 1
        assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items()), other
    assert count < 150


@pytest.mark.parametrize("run", ["tagger"], indirect=True)
def test_weights_of_other_kinds_get_one_line(run, capsys):
    path = run / "model.safetensors"
    whole = load_file(path)
    first = "readout.weight"
    for changed in (
        {name: value.to(torch.int32) for name, value in whole.items()},
        {name: value.double() for name, value in whole.items()},
        {**whole, first: whole[first] * torch.nan},
        {**whole, "more": torch.ones(1)},
        {name: value for name, value in whole.items() if name != first},
        {**whole, first: whole[first].t().contiguous()},
        {},
    ):
        save_file(changed, path)
        assert answer(run, capsys) is None, changed.keys()
    save_file(whole, path)  # as an older version wrote them
    assert answer(run, capsys)


@pytest.mark.parametrize("run", ["tagger"], indirect=True)
@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"f1": "92"}', b'{"f1": null}', b'{"f1": [1]}', b'{"f1": NaN}']
)
def test_a_best_of_another_form_is_one_line(run, content, capsys):
    (run / "best.json").write_bytes(content)
    (run / "metrics.json").unlink()
    shutil.rmtree(run / "checkpoints")
    here = RunFolder(run, "ner_crf")
    with pytest.raises(ValueError, match=r"best\.json"):
        entities.train(ner_crf.Tagger, SETTINGS, here, entities.corpus_for(SETTINGS))


SETTINGS = ner_crf.Config(made_up=True, epochs=1, hidden=4, word_size=4, char_size=0)


@pytest.mark.parametrize(
    "words",
    [
        *(("--threads", -1), ("--threads", 100_000), ("--epochs", -1), ("--epochs", 0)),
        *(("--batch-size", 0), ("--seed", -1), ("--seed", 2**32), ("--learning-rate", "nan")),
        *(("--learning-rate", -1), ("--learning-rate", "inf"), ("--dropout", 2), ("--hidden", 0)),
        *(("--depth", 100_000), ("--depth", 0), ("--hidden", 10**30), ("--replaced", "-0.5")),
        *(("--hidden", 10**6), ("--word-size", 2**31 - 1), ("--accelerator", "gpu")),
        *(("--accelerator", "nosuch"), ("--strategy", "nosuch"), ("--seeds", 0)),
        *(("--char-ngrams", 10**6), ("--devices", 0), ("--train", "none.txt")),
    ],
)
def test_options_out_of_range_get_one_line_and_no_folder(words, capsys, monkeypatch, tmp_path):
    if words == ("--accelerator", "gpu") and torch.cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.chdir(tmp_path)
    status = cli.main(["run", "ner_crf", "--preset", "smoke", *map(str, words)])
    _, err = capsys.readouterr()  # where devices are asked for, the data have been read and told
    assert (status, err.count("\n")) == (2, 1), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        *(("--steps", 0), ("--steps", -3), ("--time", 0), ("--ngrams", 0), ("--ngrams", 10**9)),
        *(("--seconds", "nan"), ("--seconds", -1), ("--warmup", -1), ("--hidden", 10**9)),
        *(("--threads", 10**9), ("--text", "nosuch"), ("--ngram-rows", 2**31 - 1)),
    ],
)
def test_options_of_the_language_model_too(words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status = cli.main(["run", "language_model", "--preset", "smoke", *map(str, words)])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert not list(tmp_path.iterdir())


def test_every_preset_is_in_range():

    for name in recipes.names():
        assert recipes.find(name).presets  # what is out of range cannot be made


def test_threads_are_limited_for_programs_too():
    with pytest.raises(ValueError, match=r"--threads from 0 up to .* got 100000;"):
        machine.use_threads(100_000)
    before = torch.get_num_threads()
    machine.use_threads(0)
    assert torch.get_num_threads() == before


def test_the_checksum_is_the_last_key_of_what_is_written(runs):
    for name in ("config.json", "vocabulary.json", "metrics.json", "best.json"):
        assert list(json.loads((runs / "tagger" / name).read_text()))[-1] == "checksum"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep of two points."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    words = ("hsic_test", "--preset", "smoke", "--metric", "pairs", "--grid", "seed=0,1")
    assert cli.main(["sweep", *words, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"no database at all",
        lambda content: content[:3000],
        lambda content: content[:200] + b"\xff" * 5000 + content[5200:],
        lambda content: content.replace(b'"pairs": ', b'"pairs":9'),
    ],
    ids=["another file", "cut off", "overwritten", "another number"],
)
def test_a_damaged_study_gets_one_line_and_can_be_begun_anew(swept, tmp_path, damage, capsys):
    run = shutil.copytree(swept, tmp_path / "run")
    study = run / "study.db"
    study.write_bytes(damage(study.read_bytes()))
    words = ["sweep", "hsic_test", "--preset", "smoke", "--metric", "pairs", "--grid", "seed=0,1"]
    words += ["--out", str(run), "--resume"]
    assert cli.main(words) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if not x.startswith("sweep  100%")]
    assert re.match(r"error: a sweep needs .*; got .*study\.db.*; it was damaged: remove it", line)
    study.unlink()
    kept = {path: path.stat().st_mtime_ns for path in run.glob("trial-*/metrics.json")}
    assert cli.main(words) == 0
    assert len(kept) == 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # as the line promised
