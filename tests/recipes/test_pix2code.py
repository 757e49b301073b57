"""Screenshots to programs: parts that share nothing, decoding, the published network, use."""

import json
import math
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image as Files

import swiftrnn
from swiftrnn import cli
from swiftrnn.data.screens import browser, folder, generate
from swiftrnn.data.screens.drawing import COLOURS, drawn
from swiftrnn.data.screens.folder import Pair
from swiftrnn.data.screens.program import CLOSE, parse, tokens
from swiftrnn.nn.decoding import Decoded
from swiftrnn.nn.encoder import KINDS
from swiftrnn.recipes.pix2code import SMOKE, Config, measure, published, screens
from swiftrnn.recipes.pix2code.augment import jittered
from swiftrnn.recipes.pix2code.batches import Batches, Symbols
from swiftrnn.recipes.pix2code.data import Screens, box, fitted, split, split_made
from swiftrnn.recipes.pix2code.eye import RARE, Counter
from swiftrnn.recipes.pix2code.model import Drafter
from swiftrnn.recipes.pix2code.published import BATCH, WINDOW, Published, Windows, spelled
from swiftrnn.recipes.pix2code.screens import made_up
from swiftrnn.runs.limits import Unfit
from swiftrnn.training import weights

PAGE = parse("header{btn-inactive,btn-active}row{double{text,btn-red}double{small-title}}")


def pairs(count, level="published"):
    programs = [generate.screen("web", seed, level).program for seed in range(count)]
    return [Pair(f"{i}", program, None) for i, program in enumerate(programs)]


def test_parts_share_no_program_and_some_no_layout():
    """A random split would share nearly all layouts: there are few."""
    given = pairs(700)
    found = split(given)
    rows = [i for part in found.values() for i in part]
    assert sorted(rows) == [*range(700)]
    assert min(len(found[name]) for name in ("valid", "test", "layouts")) >= 75
    programs = {part: {str(given[i].program) for i in rows} for part, rows in found.items()}
    layouts = {part: {given[i].program.layout for i in rows} for part, rows in found.items()}
    for part in ("valid", "test", "layouts"):
        assert not programs[part] & programs["train"]
    assert not programs["test"] & programs["valid"]
    assert not layouts["layouts"] & (layouts["train"] | layouts["valid"] | layouts["test"])
    assert len(layouts["test"] & layouts["train"]) > 10  # the other test part does share them
    assert split(given) == found


def test_made_screens_share_no_layout():
    given = pairs(1500, "varied")
    found = split_made(given)
    layouts = {part: {given[i].program.layout for i in rows} for part, rows in found.items()}
    assert not layouts["train"] & layouts["test"]
    assert not layouts["train"] & layouts["valid"]
    assert not layouts["valid"] & layouts["test"]
    assert min(map(len, layouts.values())) > 50
    more = split_made(given[:700])  # a smaller set puts each where the larger one does
    assert all({*more[part]} <= {*found[part]} for part in more)


def test_symbols_come_back():
    symbols = Symbols("web")
    row = symbols.tokens(PAGE)
    assert symbols.program(row) == PAGE
    batch = symbols.padded([PAGE, parse("row{single{text}}")])
    assert batch["tokens"].shape == (len(row) + 2, 2)
    assert batch["lengths"].tolist() == [len(row) + 2, 7]
    assert batch["tokens"][:, 1].tolist() == [
        1, symbols.names.index("row"), symbols.names.index("single"), symbols.names.index("text"),
        3, 3, 2, *[0] * (len(row) - 5),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(100, 400), (400, 100), (1, 1), (9, 3000), (144, 256)])
def test_images_of_any_size_fit_and_keep_their_form(shape):
    image = torch.full((3, *shape), 9, dtype=torch.uint8)
    image[:, :, -1] = 200  # the right edge
    found = fitted(image, (144, 256))
    assert (found.shape, found.dtype) == ((3, 144, 256), torch.uint8)
    scale = min(144 / shape[0], 256 / shape[1])
    right = min(255, max(1, round(shape[1] * scale)))
    assert int(found[0, 0, right]) > 9  # what is left over has the colours of the edge
    if shape[1] > 3:
        assert int(found[0, 0, 0]) < 12


def test_boxes_are_those_of_the_platform():
    assert box("web", 256) == (144, 256)
    assert box("ios", 256) == (256, 144)
    assert all(n % 16 == 0 for side in (64, 100, 333) for n in box("android", side))


def small(**more):
    torch.manual_seed(0)
    given = {"side": 64, "channels": 8, "size": 16, "hidden": 12, "depth": 2, "longest": 30}
    return Drafter(Symbols("web"), **(given | more)).eval()


@pytest.mark.parametrize("layer", KINDS)
def test_writing_name_by_name_is_what_was_trained(layer):
    model = small(layer=layer).double()
    pixels = torch.randint(0, 256, (3, 3, *model.size), dtype=torch.uint8)
    model.eye.register_forward_pre_hook(lambda _, given: given[0].double())
    names = torch.randint(3, len(model.symbols), (9, 3))
    encoded = model.encode(model.see(pixels))
    whole, _ = model(encoded, names, torch.full((3,), 9))
    from swiftrnn.nn.decoding import PerInput

    state = ([None, None], PerInput(encoded))
    for t in range(9):
        scores, state = model.step(names[t], state)
        assert torch.allclose(scores, whole[t], rtol=1e-9, atol=1e-11)


def test_every_draft_compiles_however_little_was_learnt():
    model = small()
    with torch.no_grad():
        model.readout.weight.normal_(std=3)
    pixels = torch.randint(0, 256, (12, 3, *model.size), dtype=torch.uint8)
    for beam in (1, 4):
        drafts = measure.read(model, pixels, beam)
        assert all(parse(str(program), "web") == program for program in drafts)
        assert max(len(program.names) for program in drafts) <= 30


def test_a_screenshot_is_read_alone_as_among_others():
    model = small().double()
    model.eye.register_forward_pre_hook(lambda _, given: given[0].double())
    pixels = torch.randint(0, 256, (5, 3, *model.size), dtype=torch.uint8)
    together = measure.read(model, pixels, 3)
    assert together == [measure.read(model, each[None], 3)[0] for each in pixels]


def test_counts_are_right_where_their_loss_is_zero():
    symbols = Symbols("web")
    assert [symbols.names[i] for i in symbols.leaves] == [
        "btn-active", "btn-inactive", "small-title", "big-title", "text", "btn-green", "btn-orange",
        "btn-red",
    ]  # fmt: skip
    counter = Counter(2, symbols.leaves)
    page = parse("row{double{text,btn-red}double{btn-red}}")
    tokens = symbols.padded([page, parse("row{single{text}}")])["tokens"]
    wanted = torch.tensor([[0.0, 0, 0, 0, 1, 0, 0, 2], [0, 0, 0, 0, 1, 0, 0, 0]])
    with torch.no_grad():  # features of one place that say what is in it
        counter.density.weight.zero_()
        counter.density.weight[4, 0] = counter.density.weight[7, 1] = 1
        counter.density.bias.fill_(-40)
        inverse = lambda n: math.log(math.expm1(n)) + RARE + 40  # noqa: E731  of softplus
        features = torch.tensor([[inverse(1), inverse(2)], [inverse(1), 0]])[..., None, None]
    counter.requires_grad_(False)
    assert torch.allclose(counter(features), wanted, atol=1e-4)
    assert counter.loss(features, tokens).item() == pytest.approx(0, abs=1e-4)
    assert counter.loss(features.flip(0), tokens).item() > 0.5
    spread = features - 40  # several places are added up
    assert counter(torch.cat([features, spread], 2)).sum() == pytest.approx(4, abs=1e-3)


def test_counts_choose_between_drafts_that_are_about_as_likely():
    symbols = Symbols("web")
    counter = Counter(2, symbols.leaves)
    red, green = (symbols.tokens(parse(f"row{{single{{{name}}}}}"))[2]
                        for name in ("btn-red", "btn-green"))  # fmt: skip
    counts = torch.zeros(len(symbols.leaves))
    counts[symbols.leaves.index(green)] = 1.1
    likely, right, far = Decoded([red], -0.1, -0.1), Decoded([green], -2.0, -2.0), -9.0
    assert counter.best([likely, right], counts) is right
    assert counter.best([likely, Decoded([green], -20.0, -20.0)], counts) is likely
    assert counter.best([likely], counts) is likely
    assert counter.best([Decoded([red], far, far), Decoded([], -8.0, -8.0)], counts).tokens == []


def test_without_counting_there_is_no_counter_and_the_likeliest_is_taken():
    model = small()
    with torch.no_grad():
        model.readout.weight.normal_(std=3)
        model.counter.density.bias.fill_(5)  # many of each kind
    pixels = torch.randint(0, 256, (9, 3, *model.size), dtype=torch.uint8)
    likeliest = model.draft(pixels, 4, by_count=False)
    assert likeliest != model.draft(pixels, 4)
    given = {k: v for k, v in model.state_dict().items() if not k.startswith("counter.")}
    plain = small(count=False)
    plain.load_state_dict(given)
    assert plain.draft(pixels, 4) == likeliest


def test_a_step_of_training_learns_to_count():
    model = small(jitter=0.0, dropout=0.0).train()
    batch = model.symbols.padded([PAGE, parse("row{single{text}}")])
    batch["pixels"] = torch.randint(0, 256, (2, 3, *model.size), dtype=torch.uint8)
    model.training_step(batch, 0).backward()
    assert all(each.grad is not None for each in model.parameters())
    loss = model.counter.loss(model.see(batch["pixels"]), batch["tokens"])
    loss.backward()
    assert model.eye[0].weight.grad.abs().sum() > 0


def test_where_it_looks_adds_up_to_one_for_each_name():
    model = small()
    pixels = torch.randint(0, 256, (2, 3, *model.size), dtype=torch.uint8)
    looks = model.looks(pixels, [PAGE, parse("row{single{text}}")])
    assert [each.shape[0] for each in looks] == [len(PAGE.names), 5]
    with torch.no_grad():
        model.query[-1].weight.zero_()  # the last block now looks everywhere alike
        model.query[-1].bias.zero_()
        model.attention[-1].query.bias.zero_()
    flat = model.looks(pixels, [PAGE, PAGE])[0].flatten(1)
    assert torch.allclose(flat, torch.full_like(flat, 1 / flat.shape[1]), atol=1e-6)
    for each in looks:
        assert each.shape[1:] == (model.size[0] // 16, model.size[1] // 16)
        assert torch.allclose(each.flatten(1).sum(1), torch.ones(len(each)), atol=1e-5)


def test_jitter_moves_and_colours_each_differently_and_nothing_else():
    torch.manual_seed(0)
    pixels = torch.zeros(20, 3, 32, 48, dtype=torch.uint8)
    pixels[:, :, 8:24, 12:36] = 200
    assert jittered(pixels, 0.0) is pixels
    found = jittered(pixels, 0.8)
    assert (found.shape, found.dtype) == (pixels.shape, torch.uint8)
    bright = (found.float().mean(1) > 100).float()
    area = bright.sum((1, 2))
    assert area.min() > 100
    assert len({*area.tolist()}) > 3  # some were moved out of the frame
    assert len({each.float().mean().item() for each in found}) == 20


def content(image):
    return image.numpy().tobytes()


def test_batches_hold_pairs_but_in_the_control():
    learnt = made_up(30, box("web", 96), 0)
    symbols = Symbols("web")
    shown = {content(learnt.pixels[i]): learnt.programs[i] for i in range(30)}
    for permuted in (False, True):
        torch.manual_seed(0)
        batch = next(iter(Batches(learnt, symbols, 16, permuted=permuted)))
        right = 0
        for column in range(16):
            length = int(batch["lengths"][column])
            program = symbols.program(batch["tokens"][1 : length - 1, column].tolist())
            right += shown[content(batch["pixels"][column])] == program
        assert (right == 16) != permuted
    real = learnt.take(range(2))
    batch = next(iter(Batches(learnt.take(range(2, 30)), symbols, 16, real)))
    few = {content(each) for each in real.pixels}
    assert sum(content(each) in few for each in batch["pixels"]) == 4


def test_a_share_of_screenshots_is_mixed():
    learnt = made_up(60, (96, 128), 0)
    symbols, plain = Symbols("web"), {content(each) for each in learnt.pixels}
    for mixed, low, high in ((0.0, 0, 0), (0.5, 100, 200), (1.0, 250, 400)):
        torch.manual_seed(0)
        batch = next(iter(Batches(learnt, symbols, 400, mixed=mixed)))
        assert batch["pixels"].shape == (400, 3, 96, 128)
        assert low <= sum(content(each) not in plain for each in batch["pixels"]) <= high
        for column in range(400):
            length = int(batch["lengths"][column])
            program = symbols.program(batch["tokens"][1 : length - 1, column].tolist())
            assert batch["pixels"][column].equal(drawn(program, (96, 128)))
    noise = Screens(torch.randint(256, (5, 3, 96, 128), dtype=torch.uint8), learnt.programs[:5])
    batch = next(iter(Batches(noise, symbols, 9, mixed=1.0)))  # nothing can be mixed
    known = {content(each) for each in noise.pixels}
    assert all(content(each) in known for each in batch["pixels"])


def test_drawings_show_their_programs():
    image = drawn(PAGE, (64, 96))
    colour = {name: torch.tensor(rgb, dtype=torch.uint8) for name, rgb in COLOURS.items()}
    assert (image[:, 3, 3] == colour["tab"]).all()
    assert (image[:, 3, 15] == colour["active"]).all()
    reds = (image == colour["red"][:, None, None]).all(0).nonzero()
    assert reds[:, 1].max() < 48  # in the left cell
    assert not (image == colour["green"][:, None, None]).all(0).any()


def test_scores_are_those_worked_out_by_hand():
    right = [PAGE, PAGE, PAGE]
    green = parse(str(PAGE).replace("btn-red", "btn-green"))
    found = measure.scores([PAGE, green, None], right)
    count = len(tokens(str(PAGE)))
    assert found["exact"] == pytest.approx(100 / 3)
    assert found["compiles"] == pytest.approx(200 / 3)
    assert found["error"] == pytest.approx(100 * (0 + 1 / count + 1) / 3)
    assert found["edits"] == pytest.approx(100 * (1 + count) / (3 * count))
    assert found["colours"] == pytest.approx(100 * 5 / 6)  # three buttons, twice
    table = measure.confusion([PAGE, green, None], right)
    assert table[("btn-red", "btn-green")] == 1
    assert table[("btn-active", "btn-active")] == 2
    other = parse("header{btn-active}row{double{text,btn-red}double{small-title}}")
    assert not measure.confusion([other], [PAGE])  # of another layout: no button is that one
    rows = measure.by_length([PAGE, green, None], right)
    assert [(row["count"], round(row["exact"])) for row in rows] == [(3, 33)]


def test_the_nearest_screenshot_is_the_nearest():
    learnt = made_up(20, box("web", 96), 0)
    assert measure.nearest(learnt, learnt.take([7, 3])) == [learnt.programs[7], learnt.programs[3]]
    twice = Screens(learnt.pixels[[0, 1, 1]], (learnt.programs[0], *[learnt.programs[1]] * 2))
    assert measure.most_common(twice, learnt) == [learnt.programs[1]] * 20


def test_the_published_network_reads_windows_of_48_tokens():
    names = spelled(PAGE)
    assert " ".join(names).replace(" ,", ",").replace(" \n", "\n").split() == str(PAGE).split()
    learnt = Screens(torch.zeros(3, 3, 144, 256, dtype=torch.uint8), (PAGE,) * 3)
    model = Published.__new__(Published)
    torch.nn.Module.__init__(model)
    model.number = {name: i for i, name in enumerate([" ", "<START>", "<END>", *{*names}])}
    batch = next(iter(Windows(learnt, model)))
    assert batch["windows"].shape == (WINDOW, BATCH)
    row = [model.number[name] for name in ["<START>", *names, "<END>"]]
    for i in range(BATCH):
        which, place = divmod(i, len(row) - 1)
        assert batch["of"][i] == which
        assert batch["after"][i] == row[place + 1]
        expected = ([0] * WINDOW + row[: place + 1])[-WINDOW:]
        assert batch["windows"][:, i].tolist() == expected


def test_the_published_network_is_as_large_as_published():
    with torch.device("meta"):
        model = Published("web")
    assert sum(each.numel() for each in model.eye.parameters()) == pytest.approx(104.1e6, rel=1e-3)
    assert model.eye[-6].in_features == 28 * 28 * 128


def folder_of(tmp_path, count=40):
    learnt = made_up(count, box("web", 96), 5)
    for i, program in enumerate(learnt.programs):
        Files.fromarray(learnt.pixels[i].permute(1, 2, 0).numpy()).save(tmp_path / f"{i:02}.png")
        (tmp_path / f"{i:02}.gui").write_text(str(program))
    return learnt


def test_a_folder_of_pairs_is_read_from_files_and_from_zips(tmp_path):
    learnt = folder_of(tmp_path)
    (tmp_path / "alone.gui").write_text(str(PAGE))
    found = folder.read(tmp_path, "web")
    assert [pair.program for pair in found] == [*learnt.programs]
    packed = tmp_path / "packed"
    packed.mkdir()
    for kind in ("png", "gui"):
        with zipfile.ZipFile(packed / f"{kind}.zip", "w") as file:
            for path in sorted(tmp_path.glob(f"*.{kind}")):
                file.write(path, f"inside/{path.name}")
    again = folder.read(packed, "web")
    assert [(a.name, a.program, a.picture()) for a in again] == [
        (b.name, b.program, b.picture()) for b in found
    ]


def test_folders_that_do_not_fit_are_one_clear_line(tmp_path):
    with pytest.raises(ValueError, match=r"screens need a folder of NAME.png and NAME.gui; got"):
        folder.read(tmp_path / "none", "web")
    with pytest.raises(ValueError, match="got 0 pictures and 0 programs"):
        folder.read(tmp_path, "web")
    folder_of(tmp_path, 10)
    (tmp_path / "03.gui").write_text("row {\nsingle {\noops\n}\n}")
    with pytest.raises(ValueError, match=r"03.gui: .*got 'oops' in line 3"):
        folder.read(tmp_path, "web")
    (tmp_path / "03.gui").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"03.gui: a program needs UTF-8"):
        folder.read(tmp_path, "web")
    (tmp_path / "03.gui").write_text(str(PAGE))
    (tmp_path / "03.png").write_bytes(b"no picture")
    config = Config(screens=tmp_path)
    with pytest.raises(ValueError, match="03: an image needs a PNG"):
        screens.parts_for(config, tmp_path / "run")
    (tmp_path / "broken.zip").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"whole zip files; got .*broken.zip"):
        folder.read(tmp_path, "web")


def test_few_screens_are_too_few(tmp_path):
    folder_of(tmp_path, 4)
    with pytest.raises(ValueError, match="got 4, of which none are left for"):
        screens.parts_for(Config(screens=tmp_path), tmp_path / "run")


def test_the_published_screens_are_missed_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("SWIFTRNN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="or make some with --make 3000"):
        screens.parts_for(Config(), tmp_path)
    (tmp_path / "pix2code-web").mkdir()
    with pytest.raises(ValueError, match="are of platform web; got ios"):
        screens.parts_for(Config(platform="ios"), tmp_path)


def test_own_screens_train_beside_rivals_evaluate_and_predict(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(browser, "NAMES", ())  # pages are compared by a test of their own
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(published, "SIDE", 40)  # 103 million weights have a test of their own
    monkeypatch.setattr(published, "LONGEST", 10)
    (tmp_path / "mine").mkdir()
    learnt = folder_of(tmp_path / "mine", 60)
    out = str(tmp_path / "run")
    sizes = ["--side", "96", "--channels", "8", "--size", "16", "--hidden", "16", "--depth", "1"]
    words = ["run", "pix2code", "--screens", str(tmp_path / "mine"), *sizes, "--steps", "2",
             "--seconds", "None", "--out", out, "--beam", "2", "--longest", "20", "--rivals", "gru",
             "--without", "count", "mixed", "--published", "--control"]  # fmt: skip
    assert cli.main(words) == 0, capsys.readouterr().err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"exact", "exact_layouts", "error_layouts", "exact_greedy", "exact_beam",
            "exact_gru", "exact_no_count", "exact_layouts_no_mixed", "exact_published",
            "control"} <= {*metrics}  # fmt: skip
    counted, not_counted = (
        {*weights.shapes(tmp_path / "run" / each / "model.safetensors")}
        for each in ("", "no_count")
    )
    assert {name.split(".")[0] for name in counted - not_counted} == {"counter"}
    assert metrics["compiles"] == 100
    capsys.readouterr()
    csv = tmp_path / "drafts.csv"
    assert cli.main(["evaluate", out, str(tmp_path / "mine"), "--output", str(csv)]) == 0
    assert "60 screenshots" in capsys.readouterr().out
    rows = csv.read_text().splitlines()
    assert rows[0] == "name,right,drafted"
    assert rows[1].startswith(f"00,{' '.join(learnt.programs[0].names)},")
    shot = str(tmp_path / "mine" / "00.png")
    assert cli.main(["predict", out, shot, "--format", "android"]) == 0
    assert "<LinearLayout" in capsys.readouterr().out
    assert cli.main(["predict", out, shot, "--regions"]) == 0
    assert "% from the left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "size"), [("RGBA", (300, 90)), ("L", (5, 700)), ("P", (64, 64)), ("CMYK", (90, 30))]
)
def test_images_of_any_mode_and_size_are_answered(mode, size, smoke, tmp_path):
    known = swiftrnn.load(smoke("pix2code"))
    kind = "jpg" if mode == "CMYK" else "png"
    Files.fromarray(np.full((size[1], size[0], 3), 80, np.uint8)).convert(mode).save(
        tmp_path / f"a.{kind}"
    )
    ((program, seen),) = known.answer([tmp_path / f"a.{kind}"], regions=True)
    assert parse(str(program), "web") == program
    assert [*seen.names] == [name for name in program.names if name != CLOSE]
    assert 0 < min(seen.share) <= max(seen.share) == 1.0


def test_settings_that_make_no_sense_are_refused():
    for given, said in (
        ({"made_up": True, "make": 5}, "needs no screenshots beside it"),
        ({"rivals": ("sru",)}, "rivals"),
        ({"side": 20}, "--side"),
        ({"real": 5}, "--real"),
    ):
        with pytest.raises(Unfit, match=said):
            Config(**given)
    assert SMOKE.made_up


def test_programs_are_compiled_on_the_command_line(tmp_path, capsys):
    (tmp_path / "a.gui").write_text("stack { row { label, switch } }")
    words = ["compile", "pix2code", str(tmp_path / "a.gui"), "--to"]
    assert cli.main([*words, "ios"]) == 2
    assert "say which with --platform" in capsys.readouterr().err
    assert cli.main([*words, "ios", "--platform", "ios", "--seed", "3"]) == 0
    first = capsys.readouterr().out
    assert first.startswith("<?xml")
    assert cli.main([*words, "ios", "--platform", "ios"]) == 0
    assert capsys.readouterr().out != first  # other texts
    out = tmp_path / "a.storyboard"
    assert cli.main([*words, "ios", "--platform", "ios", "--seed", "3", "--out", str(out)]) == 0
    assert out.read_text() == first
    assert cli.main([*words, "pdf", "--platform", "ios"]) == 2
    assert "needs one of gui, html, android, ios; got 'pdf'" in capsys.readouterr().err
    assert cli.main(["compile", "ner_crf", str(out)]) == 2
    assert "a recipe whose answers are programs; got ner_crf" in capsys.readouterr().err
    (tmp_path / "b.gui").write_text("row {\nsingle {\ntext\n}")
    assert cli.main(["compile", "pix2code", str(tmp_path / "b.gui")]) == 2
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    assert "line 1" in errors
