"""All words at once: against loops, enumeration and the teacher token by token."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra translate is not installed")
pytest.importorskip("sacrebleu", reason="the extra translate is not installed")

from tests.programs import COMMAND, run_here

from swiftrnn import cli
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.tokenizer import END, PAD, START, UNKNOWN
from swiftrnn.deploy import trained
from swiftrnn.nn.attention import Memory
from swiftrnn.recipes.nonautoregressive_translation import SMOKE, TASK, measure
from swiftrnn.recipes.nonautoregressive_translation import train as training
from swiftrnn.recipes.nonautoregressive_translation.answer import Shown, answer
from swiftrnn.recipes.nonautoregressive_translation.config import Config
from swiftrnn.recipes.nonautoregressive_translation.data import fertile, made_up
from swiftrnn.recipes.nonautoregressive_translation.decode import (
    Reading,
    bounded,
    chosen,
    hash_of,
    read,
)
from swiftrnn.recipes.nonautoregressive_translation.distill import distilled
from swiftrnn.recipes.nonautoregressive_translation.finetune import Tuned
from swiftrnn.recipes.nonautoregressive_translation.model import (
    FERTILITIES,
    KINDS,
    Student,
    expanded,
    spread,
)
from swiftrnn.recipes.nonautoregressive_translation.teacher import Teacher
from swiftrnn.runs import results
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.limits import Unfit
from swiftrnn.tasks.translating.search import Search, searched

PAIRS = made_up(0, 500).train
LANGUAGES = Languages.of(PAIRS, "words", 100)
SIZES = {"size": 12, "heads": 2, "inner": 16, "depth": 2, "dropout": 0.0}
each_kind = pytest.mark.parametrize("kind", KINDS)


def teacher(seed=0):
    torch.manual_seed(seed)
    return Teacher(LANGUAGES, **SIZES).double().eval()


def student(kind="fertility", seed=0):
    torch.manual_seed(seed)
    return Student(LANGUAGES, kind, **SIZES).double().eval()


def rows(count=6):
    return LANGUAGES.encoded(PAIRS.rows(range(count)))


def batch(count=6):
    return fertile(*rows(count), len(LANGUAGES.target), 1000).batch(range(count))


# ------------------------------------------------------------------------------- copies


def test_copies_are_those_of_repeat_interleave():
    draw = np.random.default_rng(0)
    counts = torch.from_numpy(draw.integers(0, 4, (7, 50)))
    places, lengths = expanded(counts)
    for b in range(50):
        expected = torch.arange(7).repeat_interleave(counts[:, b])
        assert lengths[b] == len(expected)
        assert places[: lengths[b], b].tolist() == expected.tolist()
        assert not places[lengths[b] :, b].any()


def test_even_copies_are_spread():
    sources, lengths = torch.tensor([1, 3, 5, 4]), torch.tensor([3, 3, 2, 7])
    found = spread(sources, lengths)
    for b in range(4):
        expected = [int(sources[b]) * t // int(lengths[b]) for t in range(lengths[b])]
        assert found[: lengths[b], b].tolist() == expected
        assert not found[lengths[b] :, b].any()


def test_fertilities_of_pairs_add_up_to_their_targets():
    given = batch(40)
    sources, targets = rows(40)
    assert given["fertilities"].sum(0).tolist() == [len(t) for t in targets]
    places, lengths = expanded(given["fertilities"])
    assert lengths.tolist() == (given["target_lengths"] - 2).tolist()
    for b, source in enumerate(sources):
        assert not given["fertilities"][len(source) :, b].any()  # the end has none
        assert places[: lengths[b], b].max() < len(source)


def test_fertilities_are_bounded():
    counts = torch.tensor([[0, 3, 40], [0, 3, 40], [0, 0, 0]])
    found = bounded(counts, torch.tensor([3, 3, 3]))
    assert found[:, 0].tolist() == [1, 0, 0]  # a translation has a word
    assert found[:, 1].tolist() == [3, 3, 0]
    assert found[:, 2].tolist() == [16, 0, 0]


def test_fertilities_are_chosen_by_their_probabilities():
    odds = torch.full((1, 1, FERTILITIES), -torch.inf)
    odds[0, 0, [0, 1, 5]] = torch.tensor([0.4, 0.3, 0.3]).log()
    assert chosen(odds, "argmax").item() == 0
    assert chosen(odds, "average").item() == 2  # 1.8


# ------------------------------------------------------------------------------- the teacher


def test_the_teacher_writes_step_by_step_what_it_scores_at_once():
    model, given = teacher(), batch()
    with torch.no_grad():
        memory = model.encode(given["sources"], given["source_lengths"])
        whole = model.logits(model.hidden(memory, given["targets"][:-1]))
        state = model.start(given["sources"], given["source_lengths"])
        for t, tokens in enumerate(given["targets"][:-1]):
            scores, state = model.step(tokens, state)
            torch.testing.assert_close(scores, whole[t])


@pytest.mark.parametrize("beam", [1, 4])
def test_the_teacher_is_the_same_alone_and_in_a_batch(beam):
    model, (sources, _) = teacher(), rows()
    together = searched(model, sources, Search(beam, n_best=beam))
    for source, found in zip(sources, together, strict=True):
        (alone,) = searched(model, [source], Search(beam, n_best=beam))
        assert [each.tokens for each in alone] == [each.tokens for each in found]
        assert [each.score for each in alone] == pytest.approx([each.score for each in found])


def test_its_scores_are_those_it_searched_by():
    model, (sources, _) = teacher(), rows()
    found = [each[0] for each in searched(model, sources, Search(1))]
    given = fertile(sources, [o.tokens or [4] for o in found], len(LANGUAGES.target), 1000)
    tensors = given.batch(range(len(sources)))
    memory = model.encode(tensors["sources"], tensors["source_lengths"])
    scores = model.scores(memory, tensors["targets"], tensors["target_lengths"])
    for one, score in zip(found, scores.tolist(), strict=True):
        if one.tokens and len(one.tokens) < 2 * 7:
            assert one.log_probability / (len(one.tokens) + 1) == pytest.approx(score)


def test_its_scores_are_means_over_tokens():
    model, given = teacher(), batch(5)
    memory = model.encode(given["sources"], given["source_lengths"])
    scores = model.scores(memory, given["targets"], given["target_lengths"])
    sums = model.losses(given)  # sorted by step, not by sentence
    tokens = given["target_lengths"] - 1
    torch.testing.assert_close((scores * tokens).sum(), -sums.sum())


def test_without_a_cache_the_same_is_written():
    model, (sources, _) = teacher(3), rows(10)
    found = searched(model, sources, Search(1))
    assert [measure.uncached(model, s) for s in sources] == [each[0].tokens for each in found]


def test_losses_are_of_what_comes_after():
    model, given = teacher(), batch(3)
    losses = model.losses(given).split((given["target_lengths"] - 1).tolist())
    assert sum(map(len, losses)) == int((given["target_lengths"] - 1).sum())
    total = 0.0
    for b in range(3):
        n = int(given["target_lengths"][b])
        m = int(given["source_lengths"][b])
        memory = model.encode(given["sources"][:m, b : b + 1], given["source_lengths"][b : b + 1])
        hidden = model.hidden(memory, given["targets"][: n - 1, b : b + 1])
        odds = model.logits(hidden)[:, 0].log_softmax(-1)
        total -= odds.gather(1, given["targets"][1:n, b : b + 1]).sum()
    torch.testing.assert_close(model.losses(given).sum(), total)


# ------------------------------------------------------------------------------- the students


@each_kind
def test_a_target_token_never_changes_a_score(kind):
    """Nothing of the target reaches the student but, by its fertilities, its length."""
    model, given = student(kind), batch()
    seen = []
    model.norm.register_forward_hook(lambda *args: seen.append(args[2].detach().clone()))
    with torch.no_grad():
        model.loss(given)
        other = given["targets"].clone()
        other[1:-1] = torch.where(other[1:-1] > END, 5, other[1:-1])
        model.loss({**given, "targets": other})
    assert not torch.equal(other, given["targets"])
    assert len(seen) == 2
    assert torch.equal(*seen)


@each_kind
def test_padding_and_neighbours_change_no_translation(kind):
    model, (sources, targets) = student(kind, 1), rows(9)
    lengths = [len(t) for t in targets] if kind == "uniform" else None
    for how in (Reading(), Reading("average")):
        together = read(model, sources, how, lengths=lengths)
        for i, source in enumerate(sources):
            alone = read(model, [source], how, lengths=lengths and lengths[i : i + 1])
            assert alone == [together[i]]


@each_kind
def test_padding_and_neighbours_change_no_loss(kind):
    """The loss of a batch is the mean over its tokens of those of its sentences."""
    model, data = student(kind), fertile(*rows(5), len(LANGUAGES.target), 1000)
    with torch.no_grad():
        whole = model.loss(data.batch(range(5)))
        parts = [(model.loss(data.batch([i])), data.batch([i])) for i in range(5)]
    if kind == "fertility":
        return  # two means, over target and over source tokens: each by itself, below
    tokens = {"ctc": -2, "uniform": -2, "graph": -1}[kind]
    sizes = torch.tensor([int(given["target_lengths"][0]) + tokens for _, given in parts])
    expected = (torch.stack([loss for loss, _ in parts]) * sizes).sum() / sizes.sum()
    torch.testing.assert_close(whole, expected)


def test_the_loss_of_fertilities_is_that_of_both_parts():
    model, given = student(), batch(4)
    with torch.no_grad():
        encoded, memory = model.encode(given["sources"], given["source_lengths"])
        total, count, words, all_words = 0.0, 0, 0.0, 0
        places, lengths = expanded(given["fertilities"])
        odds = model.logits(model.hidden(given["sources"], memory, places, lengths)).log_softmax(-1)
        for b in range(4):
            for t in range(int(lengths[b])):
                total -= odds[t, b, given["targets"][t + 1, b]]
                count += 1
            of = model.fertility(encoded[:, b]).log_softmax(-1)
            for s in range(int(given["source_lengths"][b])):
                words -= of[s, given["fertilities"][s, b]]
                all_words += 1
    torch.testing.assert_close(model.loss(given), total / count + words / all_words)


@each_kind
def test_what_no_translation_has_is_never_written(kind):
    for seed in range(3):
        model, (sources, targets) = student(kind, seed), rows(12)
        model.bias.data[[PAD, START, END, UNKNOWN]] = 9.0
        lengths = [len(t) for t in targets] if kind == "uniform" else None
        found = read(model, sources, Reading(), lengths=lengths)
        assert not {PAD, START, END, UNKNOWN} & {token for row in found for token in row}


def test_one_pass_has_the_length_that_fertilities_say():
    model, (sources, _) = student(seed=2), rows(8)
    found = read(model, sources, Reading())
    tensors = batch(8)
    encoded, _ = model.encode(tensors["sources"], tensors["source_lengths"])
    odds = model.odds_of_fertilities(encoded, tensors["source_lengths"])
    for b, source in enumerate(sources):
        counts = odds[: len(source), b].argmax(-1)
        assert len(found[b]) == max(1, min(int(counts.sum()), 2 * (len(source) + 1) + 10))
        assert odds[len(source) :, b].argmax(-1).sum() == 0


def test_the_teacher_takes_the_best_of_several():
    model, judge, (sources, _) = student(seed=4), teacher(), rows(7)
    how = Reading("noisy", 6)
    found = read(model, sources, how, judge)

    def score(source, row):
        given = fertile([source], [row], len(LANGUAGES.target), 1000).batch([0])
        memory = judge.encode(given["sources"], given["source_lengths"])
        return judge.scores(memory, given["targets"], given["target_lengths"]).item()

    for i, source in enumerate(sources):
        assert read(model, [source], how, judge) == [found[i]]  # whatever is beside it
        for plain in ("argmax", "average"):  # which are among the several
            (other,) = read(model, [source], Reading(plain))
            assert score(source, found[i]) >= score(source, other) - 1e-9
    assert read(model, sources, Reading("noisy", 6, seed=1), judge) != found
    assert hash_of([1, 2, 3], 0) != hash_of([1, 2, 3], 1)
    with pytest.raises(ValueError, match="noisy fertilities need a teacher"):
        read(model, sources, how)
    with pytest.raises(ValueError, match="needs the length of each translation"):
        read(student("uniform"), sources, Reading())


@each_kind
def test_no_position_attends_to_itself_but_all_to_all_others(kind, monkeypatch):
    model, given, seen = student(kind), batch(3), []
    forward = type(model.blocks[0]).forward

    def watched(block, x, lengths, source=None, causal=False, allowed=None):
        seen.append((causal, allowed))
        return forward(block, x, lengths, source, causal, allowed)

    monkeypatch.setattr(type(model.blocks[0]), "forward", watched)
    with torch.no_grad():
        model.loss(given)
    decoder = [allowed for causal, allowed in seen if allowed is not None]
    assert len(decoder) == len(model.blocks)
    assert not any(causal for causal, _ in seen)
    for allowed in decoder:
        assert torch.equal(allowed, ~torch.eye(len(allowed), dtype=torch.bool))
    assert all(block.positions is not None for block in model.blocks)


def test_a_student_begins_with_its_teachers_encoder():
    model, known = student(seed=5), teacher()
    model.take_encoder(known)
    given = batch(2)
    expected = known.encoder(given["sources"], given["source_lengths"])
    assert torch.equal(model.encoder(given["sources"], given["source_lengths"]), expected)


def test_the_likeliest_and_the_mean_fertilities_are_among_the_several():
    model, judge, (sources, _) = student(seed=6), teacher(2), rows(12)
    model.fertility.weight.data *= 5
    plain = [read(model, sources, Reading(how)) for how in ("argmax", "average")]
    assert plain[0] != plain[1]
    found = read(model, sources, Reading("noisy", 2), judge)
    assert all(row in both for row, *both in zip(found, *plain, strict=True))


# ------------------------------------------------------------------------------- distillation


def test_a_distilled_translation_has_a_word(tmp_path):
    model, (sources, _) = teacher(1), rows(5)
    model.bias.data[END] = 1e3  # it would rather say nothing
    assert [len(row) for row in distilled(model, sources, tmp_path / "parts")] == [1] * 5


def test_distilled_pairs_are_what_the_teacher_writes(tmp_path, monkeypatch):
    model, (sources, _) = teacher(1), rows(30)
    monkeypatch.setattr("swiftrnn.recipes.nonautoregressive_translation.distill.PART", 7)
    found = distilled(model, sources, tmp_path / "parts")
    plain = searched(model, sources, Search(1))
    for row, each in zip(found, plain, strict=True):
        if each[0].tokens and len(each[0].tokens) < 2 * 7:
            assert row == each[0].tokens
        assert row
    files = sorted((tmp_path / "parts").glob("*.json"))
    assert len(files) == 5
    files[3].unlink()
    calls = []
    step = model.step
    monkeypatch.setattr(model, "step", lambda *a: (calls.append(1), step(*a))[1])
    assert distilled(model, sources, tmp_path / "parts") == found
    assert 0 < len(calls) < 40  # one part was made, four were read


# ------------------------------------------------------------------------------- fine-tuning


def test_the_teachers_judgement_is_its_cross_entropy():
    model, judge, given = student(), teacher(1), batch(3)
    tuned = Tuned(model, judge, 0.25, 1e-4)
    _, memory = model.encode(given["sources"], given["source_lengths"])
    judged = judge.encode(given["sources"], given["source_lengths"])
    found = tuned._judged(given["sources"], memory, judged, given["fertilities"])
    places, lengths = expanded(given["fertilities"])
    odds = model.logits(model.hidden(given["sources"], memory, places, lengths)).softmax(-1)
    for b in range(3):
        n, m = int(lengths[b]), int(given["source_lengths"][b])
        written = odds[:n, b].argmax(-1)
        before = torch.cat([torch.tensor([START]), written[:-1]])[:, None]
        alone = judge.encode(given["sources"][:m, b : b + 1], given["source_lengths"][b : b + 1])
        wanted = judge.logits(judge.hidden(alone, before))[:, 0].log_softmax(-1)
        torch.testing.assert_close(found[b], -(odds[:n, b] * wanted).sum() / n)


def test_draws_estimate_the_gradient_of_their_mean():
    """REINFORCE: on average it is the derivative of the expected judgement by the fertilities."""
    torch.manual_seed(0)
    odds = torch.randn(4, requires_grad=True)
    cost = torch.tensor([3.0, 1.0, 2.0, 0.5])
    exact = torch.autograd.grad((odds.softmax(0) * cost).sum(), odds)[0]
    drawn = torch.distributions.Categorical(logits=odds).sample((40_000,))
    loss = ((cost[drawn] - 1.5) * odds.log_softmax(0)[drawn]).mean()
    assert torch.allclose(torch.autograd.grad(loss, odds)[0], exact, atol=0.03)


def test_fine_tuning_changes_the_student_alone():
    model, judge, given = student(), teacher(1), batch(5)
    before = [p.clone() for p in judge.parameters()]
    tuned = Tuned(model, judge, 0.25, 1e-2)
    optimizer = tuned.configure_optimizers()
    assert {id(p) for p in tuned.parameters()} == {id(p) for p in model.parameters()}
    first = tuned.training_step(given, 0).item()
    for _ in range(30):
        optimizer.zero_grad()
        tuned.training_step(given, 0).backward()
        optimizer.step()
    torch.manual_seed(0)
    assert tuned.training_step(given, 0).item() < first
    assert all(torch.equal(a, b) for a, b in zip(before, judge.parameters(), strict=True))
    assert model.fertility.weight.grad.any()
    plain = Tuned(student(), judge, 0.0, 1e-2)
    torch.testing.assert_close(plain.training_step(given, 0), student().loss(given))


# ------------------------------------------------------------------------------- in use


@pytest.fixture(scope="module")
def run(smoke):
    return smoke("nonautoregressive_translation")


def test_smoke_translates(run):
    found = results.read(run)
    assert found["bleu_fertility"] > 80
    assert found["bleu_teacher"] > 60
    assert found["length_error_fertility"] < 1
    assert 0 <= found["repeated_fertility"] < 60
    for name in ("teacher", "fertility", "fertility_noisy", "ctc"):
        assert found[f"milliseconds_{name}"] > 0
        assert found[f"milliseconds_{name}_32"] > 0


def test_a_text_is_translated_both_ways(run):
    model = trained.load(run).model
    texts = ["one two", "one two\n\nthree one", ""]
    found = answer(model, texts, Shown())
    assert [each[0] for each in found] == ["1 2 2", "1 2 2\n\n3 1", ""]
    assert all(each[1] is None for each in found)
    text, timed = answer(model, texts[1:2], Shown(compare=True))[0]
    assert [each.system for each in timed] == ["all words at once", "word after word"]
    assert timed[0].text == text
    assert all(each.milliseconds > 0 for each in timed)
    value = TASK.shows[0]
    assert value.write(value.read(json.loads(json.dumps(value.write(timed, "json")))), "text")


def test_what_is_no_comparison_is_refused():
    for raw in (7, [{"system": "a"}], [{"system": "a", "text": "b", "milliseconds": "x"}]):
        with pytest.raises(ValueError, match="side_by_side needs a list of system"):
            TASK.shows[0].read(raw)


def test_a_file_is_scored(run, tmp_path):
    part = made_up(SMOKE.seed).test
    lines = [f"{s}\t{t}" for s, t in zip(part.sources, part.targets, strict=True)]
    (tmp_path / "test.tsv").write_text("\n".join(lines))
    assert cli.main(["evaluate", str(run), str(tmp_path / "test.tsv"), "--format", "jsonl"]) == 0
    model = trained.load(run).model
    found = TASK.scoring.score(model, tmp_path / "test.tsv", TASK.scoring.options())
    assert found.metrics["bleu"] == pytest.approx(results.read(run)["bleu_fertility"])


def test_a_recurrent_rival_is_measured_beside_it(smoke, run, tmp_path):
    words = ["--students", "ctc", "--steps", "3", "--out", str(tmp_path / "run")]
    words += ["--rival", str(smoke("sequence_to_sequence"))]
    assert cli.main(["run", "nonautoregressive_translation", "--preset", "smoke", *words]) == 0
    found = results.read(tmp_path / "run")
    assert found["milliseconds_rival"] > 0
    assert "bleu_rival" in found
    words[-1] = str(tmp_path / "nosuch")
    words[5] = str(tmp_path / "other")
    assert cli.main(["run", "nonautoregressive_translation", "--preset", "smoke", *words]) == 2
    with pytest.raises(RuntimeError, match="needs swiftrnn run to read"):
        RunFolder(tmp_path, "x").trained(run)


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    """Killed wherever it is: teacher, distillation, student, fine-tuning."""
    monkeypatch.setattr(measure, "TIMED", 2)
    monkeypatch.setattr(measure, "UNCACHED", 1)
    students = ("--students", "fertility", "fertility_tuned", "--steps", "12")
    words = ("run", "nonautoregressive_translation", "--preset", "smoke", *students)
    assert cli.main([*words, "--out", str(tmp_path / "whole")]) == 0
    done = run_here(COMMAND, *words, "--out", "again", folder=tmp_path)
    assert done.returncode == 0
    expected = results.read(tmp_path / "whole")
    again = tmp_path / "again"
    for left in ("fertility_tuned", "distilled", "teacher"):
        (again / "metrics.json").unlink()
        for name in ("fertility_tuned", "fertility", "distilled", "teacher"):
            if (again / name).exists():
                for path in sorted((again / name).rglob("*"), reverse=True):
                    path.unlink() if path.is_file() else path.rmdir()
            if name == left:
                break
        assert (
            cli.main(["run", "nonautoregressive_translation", "--resume", "--out", str(again)]) == 0
        )
        found = results.read(again)
        for name, value in expected.items():
            if not name.startswith(("seconds", "milliseconds")):
                assert found[name] == value, (left, name)


def test_settings_that_cannot_be_are_refused():
    for wrong, message in (
        ({"heads": 5}, "--heads needs a number that divides --size; got 5 and 192"),
        ({"students": ("fertility_tuned",)}, "needs fertility beside fertility_tuned"),
        ({"students": ("ctc", "ctc")}, "--students"),
    ):
        with pytest.raises(Unfit, match=message):
            Config(**wrong)
    assert replace(SMOKE, students=("graph",)).students == ("graph",)


def test_a_system_knows_the_kind_of_its_first_student():
    for name, kind in (("graph_raw", "graph"), ("fertility", "fertility"), ("ctc", "ctc")):
        config = replace(SMOKE, students=(name,))
        assert training.system(config, LANGUAGES).student.kind == kind


def test_repeated_tokens_are_counted():
    assert measure.repeated([[1, 1, 1, 2], [2, 2]]) == 50.0
    assert measure.repeated([]) == 0.0
    assert not math.isnan(measure.repeated([[]]))


def test_memories_are_picked_by_sentence():
    memory = Memory(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    assert memory.map(lambda part: part[:, :1]).keys.shape == (2, 1, 4)
