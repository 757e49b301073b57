"""Images to words: spelling against another package, strips pixel by pixel, and what is learnt."""

import numpy as np
import pytest
import torch
from num2words import num2words
from PIL import Image as Files

import swiftrnn
from swiftrnn import cli
from swiftrnn.nn.encoder import KINDS
from swiftrnn.recipes.vector_to_sequence import SMOKE, Config
from swiftrnn.recipes.vector_to_sequence.answer import strip
from swiftrnn.recipes.vector_to_sequence.data import Digits, Strips, held_out, made_up
from swiftrnn.recipes.vector_to_sequence.measure import exact, shown_of
from swiftrnn.recipes.vector_to_sequence.model import Speller, width_for
from swiftrnn.recipes.vector_to_sequence.spelling import (
    END,
    LANGUAGES,
    PAD,
    START,
    Letters,
    spelled,
)
from swiftrnn.runs import results
from swiftrnn.runs.limits import Unfit


@pytest.mark.parametrize(("language", "code"), [("english", "en"), ("german", "de")])
def test_numbers_are_spelled_as_another_package_does(language, code):
    for number in range(1000):
        assert spelled(number, language) == num2words(number, lang=code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_come_back(language):
    letters = Letters(language)
    words = [spelled(number, language) for number in range(1000)]
    assert [letters.text([START, *letters.tokens(w), END, PAD]) for w in words] == words
    assert len({*words}) == 1000
    assert letters.longest == max(map(len, words))


def unlike():
    """Digits whose images say which digit and which image they are."""
    pixels = torch.zeros(30, 28, 28, dtype=torch.uint8)
    pixels[:, 4:24, 4:24] = (1 + torch.arange(30)).to(torch.uint8)[:, None, None]
    return Digits(pixels, torch.full((10,), 3))


def test_strips_show_their_numbers():
    digits, numbers = unlike(), torch.arange(1000)
    strips = digits.strips(numbers, torch.Generator().manual_seed(0))
    assert strips.shape == (1000, 28, 84)
    shown = (strips[:, 14, [14, 42, 70]].long() - 1) // 3
    assert (shown @ torch.tensor([100, 10, 1])).tolist() == numbers.tolist()
    which = (strips[:, 14, 14].long() - 1) % 3
    assert torch.bincount(which).min() > 250  # every image is drawn
    assert int((strips > 0).sum()) == 1000 * 3 * 400


def test_digits_are_moved_by_no_more_than_asked():
    strips = unlike().strips(torch.full((2000,), 111), shift=3)
    inked = strips > 0
    rows = inked[:, :, :28].any(2)
    first = rows.long().argmax(1)
    assert (first.min(), first.max()) == (1, 7)
    columns = inked[:, :, 28:56].any(1).long().argmax(1)
    assert (columns.min(), columns.max()) == (1, 7)
    assert len({*zip(first.tolist(), columns.tolist(), strict=True)}) == 49


def test_numbers_held_out_are_never_trained_on():
    seen, unseen = held_out(200, 3)
    assert (len(seen), len(unseen)) == (800, 200)
    assert sorted([*seen.tolist(), *unseen.tolist()]) == [*range(1000)]
    batches = iter(Strips(unlike(), seen, Letters("english"), "english", 64, 0))
    letters, shown = Letters("english"), set()
    for _ in range(100):
        shown |= {letters.text(row) for row in next(batches)["tokens"].t().tolist()}
    assert not shown & {spelled(n, "english") for n in unseen.tolist()}
    assert len(shown) == 800


def test_words_belong_to_their_strips_but_in_the_control():
    letters = Letters("german")
    for permuted in (False, True):
        torch.manual_seed(0)
        batch = next(iter(Strips(unlike(), torch.arange(1000), letters, "german", 64, 0, permuted)))
        shown = (batch["strips"][:, 14, [14, 42, 70]].long() - 1) // 3 @ torch.tensor([100, 10, 1])
        words = [letters.text(row) for row in batch["tokens"].t().tolist()]
        right = [spelled(n, "german") for n in shown.tolist()]
        assert (words == right) != permuted
        assert sorted(words) == sorted(right)
        assert batch["lengths"].tolist() == [len(word) + 2 for word in words]


@pytest.mark.parametrize("layer", KINDS)
def test_writing_letter_by_letter_is_what_was_trained(layer):
    """Scores of all letters at once are those of one after the other, for every layer."""
    torch.manual_seed(0)
    letters = Letters("english")
    model = Speller(letters, layer, channels=2, vector=8, size=6, hidden=10).double().eval()
    strips = torch.randint(0, 256, (3, 28, 84), dtype=torch.uint8)
    tokens = torch.randint(3, len(letters), (7, 3))
    vectors = model.vector(model.convolutions(strips[:, None].double() / 255)).tanh()
    whole = model(vectors, tokens, torch.full((3,), 7))
    state = (None, vectors[None])
    for t in range(7):
        scores, state = model.step(tokens[t], state)
        assert torch.allclose(scores, whole[t], rtol=1e-9, atol=1e-12)


def test_an_image_is_read_alone_as_among_others():
    torch.manual_seed(0)
    model = Speller(Letters("english"), channels=2, vector=8, size=6, hidden=10).eval()
    strips = torch.randint(0, 256, (9, 28, 84), dtype=torch.uint8)
    together = model.read(strips)
    assert together == [model.read(each[None])[0] for each in strips]
    assert all(0 < len(words) <= model.letters.longest for words in together)


@pytest.mark.parametrize("layer", KINDS)
def test_layers_are_equally_large(layer):
    config, letters = Config(), Letters("english")
    given = (config.channels, config.vector, config.size, config.hidden)
    sizes = [
        sum(p.numel() for p in Speller(letters, name, *given).parameters())
        for name in ("sru", layer)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)
    assert width_for("sru", 4, 9) == 9


@pytest.mark.parametrize("scale", [1, 3, 0.7])
@pytest.mark.parametrize("dark", [False, True])
def test_an_image_of_any_size_and_ground_is_brought_to_that_of_training(scale, dark):
    page = np.zeros((28, 84), np.uint8)
    for column in (6, 34, 62):
        page[4:24, column : column + 16] = 200
    large = np.array(Files.fromarray(page).resize((int(84 * scale), int(28 * scale)), 2))
    framed = np.pad(large, ((40, 10), (5, 30)))
    found = strip(torch.from_numpy(255 - framed if dark else framed))
    assert found.shape == (28, 84)
    inked = found > 127
    rows = inked.any(1).nonzero()[:, 0]
    assert abs(int(rows[0]) - 4) <= 1
    assert abs(int(rows[-1]) - 23) <= 1
    assert int(found.max()) > 250
    columns = inked.any(0).nonzero()[:, 0]
    assert len(columns) == pytest.approx(48, abs=4)
    assert abs(int(columns[0]) - (83 - int(columns[-1]))) <= 1


def test_an_empty_page_is_an_empty_strip():
    for value in (0, 128, 255):
        assert not strip(torch.full((50, 90), value, dtype=torch.uint8)).any()
    one = strip(torch.zeros(1, 1, dtype=torch.uint8))
    assert one.shape == (28, 84)
    thin = torch.zeros(5, 400, dtype=torch.uint8)
    thin[2] = 255
    assert int((strip(thin) > 100).sum()) == 76


def test_a_small_run_learns_and_its_control_does_not(smoke):
    found = results.read(smoke("vector_to_sequence"))
    assert found["seen"] > 50
    assert found["unseen"] > 30
    assert found["control"] < 3
    assert found["baseline_most_common"] == pytest.approx(100 / 800)


def test_a_file_is_read(smoke, tmp_path, capsys):
    known = swiftrnn.load(smoke("vector_to_sequence"))
    digits = made_up(SMOKE.seed)[2]
    strips, words = shown_of(digits, torch.tensor([123, 456, 789]), "english")
    read = known.model.read(strips[:3])
    paths = []
    for i, each in enumerate(strips[:3]):
        paths.append(tmp_path / f"{i}.png")
        Files.fromarray(each.numpy()).save(paths[-1])
    assert cli.main(["predict", str(known.folder), *map(str, paths), "--format", "jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for path, line in zip(paths, lines, strict=True):
        assert f'"file": "{path}"' in line
    assert known.answer(paths) == known.answer([path.read_bytes() for path in paths])
    assert exact(read, words[:3]) >= 0
    table = tmp_path / "read.csv"
    folder = tmp_path / "scans"
    folder.mkdir()
    for path in paths:
        path.rename(folder / path.name)
    (folder / "no.png").write_bytes(b"no image")
    words = ["predict", str(known.folder), "--input", str(folder), "--output", str(table)]
    assert cli.main(words) == 0
    rows = table.read_text().splitlines()
    assert rows[0] == "row,file,words,error"
    assert [row.split(",")[1] for row in rows[1:]] == ["0.png", "1.png", "2.png", "no.png"]
    assert "an image needs a PNG, JPEG, GIF, BMP or WebP file; got 8 bytes" in rows[4]


def test_a_table_of_images_is_scored(smoke, tmp_path, capsys):
    known = swiftrnn.load(smoke("vector_to_sequence"))
    strips, words = shown_of(made_up(SMOKE.seed)[2], torch.arange(100, 140), "english")
    lines = ["image,words"]
    for i, strip_ in enumerate(strips[:40]):
        Files.fromarray(strip_.numpy()).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{words[i]}")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines))
    run = str(known.folder)
    columns = ["--image-column", "image", "--words-column", "words"]
    assert cli.main(["evaluate", run, str(table), *columns, "--format", "jsonl"]) == 0
    said = capsys.readouterr().out
    read = known.answer([tmp_path / f"{i}.png" for i in range(40)])
    assert f'"exact": {exact(read, words[:40])}' in said
    (tmp_path / "3.png").unlink()
    assert cli.main(["evaluate", run, str(table), *columns]) == 2
    assert "an image needs a file that can be read; got" in capsys.readouterr().err


def test_rivals_differ():
    with pytest.raises(Unfit, match="--rivals needs layers other than --layer"):
        Config(rivals=("sru",))
