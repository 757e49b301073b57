"""Comparing drawings: nothing gives an answer away, and pairs are compared as one by one."""

import io
import json
import zipfile

import pytest
import torch
from PIL import Image as Files

from swiftrnn import cli
from swiftrnn.data.sources import fetch
from swiftrnn.nn.encoder import KINDS
from swiftrnn.recipes import one_shot
from swiftrnn.recipes.one_shot import SMOKE, Config, data, episodes, measure, published, warp
from swiftrnn.recipes.one_shot.answer import Look, answer
from swiftrnn.recipes.one_shot.context import Choices, Context
from swiftrnn.recipes.one_shot.data import Drawings
from swiftrnn.recipes.one_shot.episodes import Index, Pairs
from swiftrnn.recipes.one_shot.front import Front
from swiftrnn.recipes.one_shot.model import Comparator, Matcher
from swiftrnn.recipes.one_shot.strokes import made_up
from swiftrnn.recipes.one_shot.warp import warped
from swiftrnn.runs.limits import Unfit

SMALL = {"channels": 4, "blocks": 1, "hidden": 16, "glimpses": 2, "dropout": 0.0}


def ids(drawings):
    """Drawings whose pixels say which they are."""
    rows = torch.arange(len(drawings))
    pixels = torch.zeros(len(drawings), 32, 32, dtype=torch.uint8)
    pixels[:, 0, 0], pixels[:, 0, 1] = (rows // 256).byte(), (rows % 256).byte()
    return Drawings(pixels, drawings.alphabet, drawings.character, drawings.drawer, drawings.names)


def row_of(pixels):
    return pixels[..., 0, 0].long() * 256 + pixels[..., 0, 1].long()


DRAWN = ids(made_up(0, alphabets=6, characters=9, drawers=8))


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("different", [1, 3, 9])
def test_pairs_are_what_they_say_and_no_drawer_gives_them_away(different, permuted):
    torch.manual_seed(0)
    right = count = 0
    for batch, _ in zip(Pairs(DRAWN, 4, different, permuted), range(20), strict=False):
        first, second = row_of(batch["first"]), row_of(batch["second"])
        pairs, same = batch["pairs"], batch["same"]
        assert pairs.shape == same.shape == (len(first), 1 + different)
        assert (torch.bincount(pairs.flatten(), minlength=len(second)) == 1 + different).all()
        other = second[pairs]
        one = first[:, None].expand_as(other)
        assert (DRAWN.alphabet[one] == DRAWN.alphabet[other]).all()
        assert (DRAWN.drawer[one] != DRAWN.drawer[other]).all()  # the same or not
        for number in batch["group"].unique():
            inside = batch["group"] == number
            sets = [{*DRAWN.drawer[each[inside]].tolist()} for each in (first, second)]
            assert not sets[0] & sets[1]
        alike = DRAWN.character[one] == DRAWN.character[other]
        assert alike.sum() == same.sum() == len(first)
        right, count = right + (alike == same).sum(), count + same.numel()
    assert (right == count) != permuted


@pytest.mark.parametrize("across", [False, True])
def test_candidates_are_by_one_person_and_queries_by_another(across):
    runs = episodes.runs(DRAWN, 40, 7, torch.Generator().manual_seed(0), across)
    for run in runs:
        support, query = row_of(run.support), row_of(run.query)
        assert len(support) == len(query) == 7
        people = [{*DRAWN.drawer[each].tolist()} for each in (support, query)]
        assert len(people[0]) == len(people[1]) == 1
        assert people[0] != people[1]
        assert DRAWN.character[query].equal(DRAWN.character[support[run.right]])
        assert len({*DRAWN.character[support].tolist()}) == 7
        assert across or len({*DRAWN.alphabet[support].tolist()}) == 1
    if across:
        assert any(len({*DRAWN.alphabet[row_of(run.support)].tolist()}) > 1 for run in runs)
    again = episodes.runs(DRAWN, 40, 7, torch.Generator().manual_seed(0), across)
    assert all(a.query.equal(b.query) for a, b in zip(runs, again, strict=True))


def test_where_nobody_drew_all_the_two_drawings_still_differ():
    keep = (DRAWN.character + DRAWN.drawer) % 4 < 1  # two people for each character
    some = Drawings(*(each[keep] for each in (
        DRAWN.pixels, DRAWN.alphabet, DRAWN.character, DRAWN.drawer)), DRAWN.names)  # fmt: skip
    index = Index(some)
    for _ in range(50):
        characters = index.some(index.characters[index.alphabet()], 8)
        one, other = index.two_people(characters)
        assert some.character[one].equal(some.character[other])
        assert (some.drawer[one] != some.drawer[other]).all()


def test_too_few_characters_or_drawers_are_refused():
    one = DRAWN.of([0])
    single = Drawings(*(each[:8] for each in (
        one.pixels, one.alphabet, one.character, one.drawer)), one.names)  # fmt: skip
    with pytest.raises(ValueError, match=r"two characters in each alphabet.*fewer in alphabet 1"):
        Index(single)
    alone = one.drawer == 0
    with pytest.raises(ValueError, match="each by two drawers; got fewer in alphabet 1"):
        Index(Drawings(one.pixels[alone], one.alphabet[alone], one.character[alone],
                       one.drawer[alone], one.names))  # fmt: skip


def test_parts_share_no_alphabet():
    parts = one_shot.parts_of(SMOKE)
    sets = [{*part.alphabet.tolist()} for part in parts]
    assert all(sets)
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]
    assert [part.alphabet.tolist() for part in one_shot.parts_of(SMOKE)] == [
        part.alphabet.tolist() for part in parts
    ]


def by_hand(comparator, first, second, pairs):
    """The state of each pair, one after the other."""
    rows = []
    for a, some in zip(first, pairs.tolist(), strict=True):
        states = []
        for each in some:
            h, state = torch.zeros(1, comparator.size, dtype=first.dtype), None
            for t in range(2 * comparator.glimpses):
                place = comparator.place(h).tanh() * (not comparator.fixed)
                image = a if t % 2 == 0 else second[each]
                seen = comparator.glimpse(image[None], place[None])[0, 0]
                output, state = comparator.layer(seen.flatten()[None, None], state)
                h = output[0]
            states.append(h[0])
        rows.append(torch.stack(states))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_compared_as_one_by_one(kind):
    torch.manual_seed(0)
    comparator = Comparator(kind, 2, 8, 3, 2).double()
    torch.nn.init.normal_(comparator.place.weight)
    first, second = torch.randn(4, 2, 6, 6).double(), torch.randn(6, 2, 6, 6).double()
    pairs = torch.tensor([[0, 3, 1], [5, 4, 2], [3, 0, 2], [1, 5, 4]])
    state, places = comparator(first, second, pairs)
    torch.testing.assert_close(state, by_hand(comparator, first, second, pairs))
    assert places.shape == (4, 4, 3, 3)
    assert (places[0] == 0).all()
    assert places[1:].abs().min() > 0
    assert places.abs().max() < 1


def test_layers_have_as_many_parameters():
    counts = {
        kind: sum(each.numel() for each in Comparator(kind, 1, 64, 4, 2).layer.parameters())
        for kind in KINDS
    }
    assert all(abs(count / counts["lstm"] - 1) < 0.1 for count in counts.values()), counts


def test_glimpses_that_do_not_move_see_the_whole():
    comparator = Comparator("lstm", 1, 8, 3, 2, fixed=True)
    first, second = torch.randn(2, 1, 6, 6), torch.randn(2, 1, 6, 6)
    pairs = torch.tensor([[0], [1]])
    state, places = comparator(first, second, pairs)
    assert (places == 0).all()
    torch.testing.assert_close(state, by_hand(comparator, first, second, pairs))


@pytest.mark.parametrize("more", [{}, {"convolutions": False}, {"siamese": True}])
def test_all_pairs_of_a_run_are_compared_in_both_orders(more, monkeypatch):
    torch.manual_seed(0)
    model = Matcher(**{**SMALL, **more}).eval()
    monkeypatch.setattr("swiftrnn.recipes.one_shot.model.AT_ONCE", 7)
    query, support = (torch.randint(256, (n, 32, 32), dtype=torch.uint8) for n in (5, 3))
    states = model.states(model.read(query), model.read(support))
    assert states.shape == (2, 5, 3, model.size)
    q, s, alone = model.read(query), model.read(support), torch.zeros(1, 1, dtype=torch.long)
    for i in range(5):
        for k in range(3):
            there, _ = model.compared(q[i : i + 1], s[k : k + 1], alone)
            again, _ = model.compared(s[k : k + 1], q[i : i + 1], alone)
            want = torch.stack([there[0, 0], again[0, 0]])
            torch.testing.assert_close(states[:, i, k], want, rtol=1e-4, atol=1e-5)
    odds = model.similar(query, support)
    torch.testing.assert_close(odds, model.similar(support, query).t(), rtol=1e-4, atol=1e-5)


def test_what_is_looked_at_first_does_not_change_what_is_learnt():
    """Turned round, a batch has the same pairs: with equal states the loss is the same."""
    torch.manual_seed(0)
    model = Matcher(**SMALL, siamese=True, augment=False).eval()  # does not know an order
    batch = next(iter(Pairs(made_up(0), 2, 3)))
    losses = set()
    for seed in range(12):
        torch.manual_seed(seed)
        losses.add(round(float(model.training_step(batch, 0).detach()), 5))
    assert len(losses) == 1
    model = Matcher(**SMALL, augment=False).eval()
    torch.nn.init.normal_(model.comparator.place.weight)
    losses = set()
    for seed in range(12):
        torch.manual_seed(seed)
        losses.add(round(float(model.training_step(batch, 0).detach()), 6))
    assert len(losses) == 2


def test_both_kinds_of_pairs_weigh_the_same():
    model = Matcher(**SMALL, siamese=True, augment=False).eval()
    batch = next(iter(Pairs(made_up(0), 2, 3)))
    torch.nn.init.zeros_(model.head[1].weight)
    model.head[1].bias.data.fill_(2.0)
    loss = model.training_step(batch, 0)
    want = torch.nn.functional.softplus(torch.tensor([-2.0, 2.0])).mean()
    torch.testing.assert_close(loss, want)


def test_warping_by_nothing_changes_nothing(monkeypatch):
    for name in ("TURN", "SHEAR", "SCALE", "MOVE"):
        monkeypatch.setattr(warp, name, 0.0)
    images = torch.rand(6, 32, 32)
    torch.testing.assert_close(warped(images), images)
    group = torch.tensor([0, 0, 0, 1, 1, 1])
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        found = warped(images, group)
        for some in (slice(0, 3), slice(3, 6)):
            alike = [each for each in ((), (1,), (2,), (1, 2))
                     if found[some].allclose(images[some].flip(each) if each else images[some],
                                             atol=1e-5)]  # fmt: skip
            assert len(alike) == 1  # all of a group alike
            seen.add((some.start, alike[0]))
    assert len(seen) == 8


def test_warping_turns_scales_and_moves_by_at_most_what_is_said(monkeypatch):
    point = torch.zeros(200, 32, 32)
    point[:, 15:17, 15:17] = 1  # at the centre it only moves
    torch.manual_seed(0)
    found = warped(point)
    grid = torch.arange(32) + 0.5
    mass = found.sum((1, 2))
    down = (found.sum(2) * grid).sum(1) / mass - 16
    right = (found.sum(1) * grid).sum(1) / mass - 16
    assert 3 < max(down.abs().max(), right.abs().max()) < 5 * 1.5  # pixels, of those scaled up
    for name in ("SHEAR", "SCALE", "MOVE"):
        monkeypatch.setattr(warp, name, 0.0)
    bar = torch.zeros(200, 32, 32)
    bar[:, 15:17, 4:28] = 1
    turned = warped(bar)
    y, x = torch.meshgrid(grid - 16, grid - 16, indexing="ij")
    angle = 0.5 * torch.atan2(
        2 * (turned * x * y).sum((1, 2)), (turned * (x * x - y * y)).sum((1, 2))
    )
    degrees = torch.rad2deg(angle)
    assert 15 < degrees.abs().max() < 21
    assert degrees.min() < -10 < 10 < degrees.max()


def test_features_are_of_half_the_size():
    front = Front(4, 2, 0.0)
    assert front(torch.randn(3, 1, 32, 32)).shape == (3, front.channels, 16, 16)
    assert front.channels == 12


def test_full_context_learns_on_top_of_what_stays_as_it_is():
    torch.manual_seed(0)
    matcher = Matcher(**SMALL, siamese=True).eval()
    model = Context(matcher, hidden=8, learning_rate=1e-2, augment=False).train()
    assert not matcher.training
    before = {name: each.clone() for name, each in matcher.state_dict().items()}
    batches, optimizer = iter(Choices(made_up(0), 6)), model.configure_optimizers()
    losses = []
    for _ in range(60):
        loss = model.training_step(next(batches), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < sum(losses[:10])
    after = matcher.state_dict()
    assert all(each.equal(after[name]) for name, each in before.items())
    batch = next(batches)
    odds = model.eval().similar(batch["query"], batch["support"])
    assert odds.shape == (6, 6)


def test_choices_are_pairs_of_people_and_the_control_is_not():
    for permuted in (False, True):
        torch.manual_seed(0)
        right = 0
        for batch, _ in zip(Choices(DRAWN, 8, permuted), range(20), strict=False):
            support, query = row_of(batch["support"]), row_of(batch["query"])
            assert len({*DRAWN.drawer[support].tolist()}) == 1
            assert (DRAWN.drawer[query] != DRAWN.drawer[support[0]]).all()
            same = DRAWN.character[query] == DRAWN.character[support[batch["right"]]]
            right += int(same.sum())
        assert right == 160 if not permuted else right < 60


def test_pixels_find_what_is_nearest():
    support = torch.eye(4, dtype=torch.uint8)[:, :, None].expand(4, 4, 4) * 200
    run = episodes.Run(support, support.flip(0) + 1, torch.tensor([3, 2, 1, 0]))
    assert measure.accuracy(measure.Pixels(), [run]) == 100
    wrong = run._replace(right=torch.tensor([3, 2, 0, 1]))
    assert measure.accuracy(measure.Pixels(), [run, wrong]) == 75


def test_verification_weighs_both_kinds_alike():
    class Always:
        def similar(self, query, support):
            return torch.ones(len(query), len(support))

    run = episodes.runs(DRAWN, 1, 7, torch.Generator().manual_seed(0))[0]
    assert measure.verified(Always(), [run]) == 50


def png(image):
    file = io.BytesIO()
    Files.fromarray((255 - image).numpy()).save(file, "PNG")
    return file.getvalue()


def folder_of(path, drawings):
    for i in range(len(drawings)):
        alphabet, character = drawings.alphabet[i], drawings.character[i]
        file = (
            path
            / f"A{alphabet}"
            / f"c{character:02}"
            / f"{character:04}_{drawings.drawer[i]:02}.png"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(drawings.pixels[i]))
    return path


def test_drawings_of_a_folder_and_of_a_zip_file(tmp_path):
    made = made_up(1, alphabets=3, characters=3, drawers=3)
    folder = folder_of(tmp_path / "mine", made)
    (folder / "notes.txt").write_text("no drawing")
    found = data.read(folder)
    assert found.pixels.equal(made.pixels)
    assert found.alphabet.equal(made.alphabet)
    assert found.character.equal(made.character)
    assert found.drawer.equal(made.drawer)
    assert found.names == ("A0", "A1", "A2")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as packed:
        for file in folder.rglob("*.png"):
            packed.write(file, file.relative_to(tmp_path))
    assert data.read(tmp_path / "mine.zip").pixels.equal(made.pixels)


def test_what_is_no_folder_of_drawings_is_one_clear_line(tmp_path):
    with pytest.raises(ValueError, match="got none in"):
        data.read(tmp_path)
    (tmp_path / "a.png").write_bytes(png(DRAWN.pixels[0]))
    with pytest.raises(ValueError, match=r"ALPHABET/CHARACTER/DRAWER\.png; got a\.png in"):
        data.read(tmp_path)
    (tmp_path / "a.png").unlink()
    (tmp_path / "A" / "b").mkdir(parents=True)
    (tmp_path / "A" / "b" / "1.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"A/b/1\.png in .*an image needs a PNG"):
        data.read(tmp_path)
    with pytest.raises(ValueError, match="drawings need a folder or a zip file; got"):
        data.read(tmp_path / "nowhere.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("A/b/1.png", bytes(2_000_000))
    with pytest.raises(ValueError, match="at most 1,000,000 bytes; got 2,000,000"):
        data.read(tmp_path / "bomb.zip")


def test_drawings_that_are_not_square_are_put_on_a_square():
    image = torch.full((20, 40), 255, dtype=torch.uint8)
    image[5:15] = 0
    found = data.fitted(image)
    assert found.shape == (32, 32)
    assert (found[:8] == 0).all()
    assert (found[14:18] == 255).all()


def published_zip(path, runs):
    with zipfile.ZipFile(path, "w") as packed:
        for number, (support, query, right) in enumerate(runs, 1):
            run = f"run{number:02}"
            for i, image in enumerate(support, 1):
                packed.writestr(f"{run}/training/class{i:02}.png", png(image))
            lines = []
            for i, (image, k) in enumerate(zip(query, right, strict=True), 1):
                packed.writestr(f"{run}/test/item{i:02}.png", png(image))
                lines.append(f"{run}/test/item{i:02}.png {run}/training/class{int(k) + 1:02}.png\n")
            packed.writestr(f"{run}/class_labels.txt", "".join(lines))


def test_published_runs_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SWIFTRNN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"no file .*all_runs\.zip; put the zip files"):
        published.runs()
    (tmp_path / "omniglot").mkdir()
    file = tmp_path / "omniglot" / "all_runs.zip"
    made = made_up(2, alphabets=1, characters=6, drawers=2).pixels.view(6, 2, 32, 32)
    right = torch.tensor([3, 1, 0, 2, 5, 4])
    published_zip(file, [(made[:, 0], made[right, 1], right)] * 2)
    runs = published.runs()
    assert len(runs) == 2
    assert runs[1].support.equal(made[:, 0])
    assert runs[1].query.equal(made[right, 1])
    assert runs[1].right.equal(right)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match="published runs need their zip file; got"):
        published.runs()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("run01/nothing.txt", "")
    with pytest.raises(ValueError, match=r"got no class_labels\.txt in"):
        published.runs()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("run01/class_labels.txt", "run01/test/item01.png run01/class01.png\n")
    with pytest.raises(ValueError, match="published runs need their zip file; got"):
        published.runs()


@pytest.mark.skipif(
    not (fetch.folder() / "omniglot" / "all_runs.zip").is_file(), reason="needs Omniglot"
)
def test_nearest_pixels_recognise_as_many_as_others_found():
    runs = published.runs()
    assert len(runs) == 20
    assert {len(run.support) for run in runs} == {20}
    assert 20 < measure.accuracy(measure.Pixels(), runs) < 24  # Lake et al.: 21.7


def test_a_pair_is_answered_alone_as_among_others():
    torch.manual_seed(0)
    model = Matcher(**SMALL).eval()
    pages = [255 - each for each in made_up(3, alphabets=1, characters=3, drawers=2).pixels]
    pairs = [(pages[0], pages[1]), (pages[0], pages[2]), (pages[3], pages[4])]
    together = answer(model, pairs, Look(glimpses=True))
    for pair, (odds, seen) in zip(pairs, together, strict=True):
        ((alone, nothing),) = answer(model, [pair], Look())
        assert nothing is None
        assert alone == pytest.approx(odds, abs=1e-5)
        ((turned, _),) = answer(model, [pair[::-1]], Look())
        assert turned == pytest.approx(odds, abs=1e-5)
        assert len(seen.windows) == 4
        assert [each.image for each in seen.windows] == [0, 1, 0, 1]
        first = seen.windows[0]
        assert first[1:] == pytest.approx((0, 0, 1, 1), abs=1e-5)  # first of all, the whole
    assert answer(model, [], Look()) == []


def test_variants_differ_from_the_model_and_from_one_another():
    for given in ({"variants": ("lstm",)}, {"variants": ("sru", "sru")},
                  {"variants": ("convolutions",)},
                  {"variants": ("pixels",), "convolutions": False}):  # fmt: skip
        with pytest.raises(Unfit, match="--variants needs what differs"):
            Config(**given)
    with pytest.raises(Unfit, match="--made-up needs no drawings"):
        Config(made_up=True, drawings="x")
    config = Config(variants=("sru", "one_glimpse"), control=True)
    assert config.variant("one_glimpse") == Config(glimpses=1)
    assert config.variant("sru") == Config(layer="sru")
    assert config.variant("") == Config()


def test_your_drawings_train_beside_variants_evaluate_and_predict(tmp_path, capsys):
    mine = folder_of(tmp_path / "mine", made_up(4, alphabets=3, characters=4, drawers=4))
    out = str(tmp_path / "run")
    words = ["run", "one_shot", "--drawings", str(mine), "--ways", "4", "--channels", "4",
             "--blocks", "1", "--hidden", "8", "--glimpses", "2", "--groups", "2", "--seconds",
             "None", "--steps", "3", "--context-seconds", "None", "--context-steps", "2",
             "--variants", "sru", "siamese", "one_glimpse", "fixed", "pixels", "--control",
             "--out", out]  # fmt: skip
    assert cli.main(words) == 0, capsys.readouterr().err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    names = ("", "_context", "_sru", "_siamese", "_one_glimpse", "_fixed", "_pixels")
    assert {f"{kind}{name}" for kind in ("within", "across") for name in names} <= {*metrics}
    assert {"control", "baseline_pixels_within", "baseline_pixels_across"} <= {*metrics}
    with Files.open(tmp_path / "run" / "glimpses.gif") as moving:
        assert moving.n_frames == 4
    capsys.readouterr()
    drawing = sorted(map(str, mine.rglob("*.png")))
    assert cli.main(["predict", out, *drawing[:4], "--glimpses", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["files"] for row in rows] == [drawing[:2], drawing[2:4]]
    assert all(0 < row["probability"] < 1 for row in rows)
    assert [len(row["glimpses"]["windows"]) for row in rows] == [4, 4]
    assert cli.main(["predict", out, *drawing[:3]]) == 2
    assert "needs 2 files for each pair; got 3 in all" in capsys.readouterr().err
    assert cli.main(["evaluate", out, str(mine), "--ways", "4", "--runs", "3"]) == 0
    assert "48 drawings, 3 runs" in capsys.readouterr().out
    words[-1] = str(tmp_path / "other")
    assert cli.main([*words[:3], str(tmp_path / "mine" / "A0"), *words[4:]]) == 2
    assert "ALPHABET/CHARACTER/DRAWER.png" in capsys.readouterr().err


def test_too_few_alphabets_are_refused(tmp_path):
    mine = folder_of(tmp_path / "mine", made_up(4, alphabets=2, characters=3, drawers=3))
    with pytest.raises(ValueError, match=r"at least 3 alphabets.*got 2 in .*mine; add some"):
        one_shot.parts_of(Config(drawings=mine))
