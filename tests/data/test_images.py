"""Images: IDX files byte by byte, parts, wrong labels."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch

from swiftrnn.data import images
from swiftrnn.data.images import Images, corrupted, made_up, parts, read_idx
from swiftrnn.data.sources import catalogue, fetch


def idx(shape, numbers):
    head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + bytes(numbers)


def test_an_idx_file_is_its_numbers_in_its_shape():
    found = read_idx(idx((2, 1, 3), [1, 2, 3, 250, 251, 252]))
    assert found.tolist() == [[[1, 2, 3]], [[250, 251, 252]]]
    assert read_idx(idx((0,), [])).shape == (0,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "begin with 0, 0, 8 and its dimensions; got b''"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", r"begin with 0, 0, 8"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x01", "needs 2 sizes; got 8 bytes in all"),
        (idx((2, 3), range(5)), r"of \(2, 3\) needs 6 bytes of numbers; got 5"),
        (idx((), []), "needs 1 to 8 dimensions; got 0"),
        (idx((1,) * 255, [7]), "needs 1 to 8 dimensions; got 255"),
        (idx((65536,) * 4, []), r"needs 18446744073709551616 bytes of numbers; got 0"),
        (idx((2**32 - 1,) * 3, [0]), r"needs \d{29} bytes of numbers; got 1"),
        (idx((2,), range(5)), r"of \(2,\) needs 2 bytes of numbers; got 5"),
    ],
)
def test_what_is_no_whole_idx_file_gets_one_line(content, said):
    with pytest.raises(ValueError, match=said):
        read_idx(content)


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """A data set of three images, as it would lie on the disk."""

    def store(labels):
        pixels = torch.arange(12).view(3, 2, 2).tolist()
        flat = [n for image in pixels for row in image for n in row]
        files = {"train-images-idx3-ubyte.gz": idx((3, 2, 2), flat),
                 "train-labels-idx1-ubyte.gz": idx((len(labels),), labels)}  # fmt: skip
        monkeypatch.setenv("SWIFTRNN_DATA", str(tmp_path))
        (tmp_path / "mnist").mkdir(exist_ok=True)
        kept = []
        for name, content in files.items():
            (tmp_path / "mnist" / name).write_bytes(gzip.compress(content))
            digest = hashlib.sha256(content).hexdigest()
            kept.append(catalogue.File(name, "nowhere", digest, len(content), packed=True))
        monkeypatch.setitem(fetch.DATASETS, "mnist", catalogue.Dataset("", "", tuple(kept)))

    return store


def test_a_part_of_a_data_set_is_read(stored):
    stored([7, 0, 3])
    found = images.known("mnist", "train")
    assert found.labels.tolist() == [7, 0, 3]
    assert found.pixels[2].tolist() == [[8, 9], [10, 11]]
    assert found.names[7] == "7"


def test_labels_that_are_too_few_get_one_line(stored):
    stored([7, 0])
    with pytest.raises(ValueError, match=r"a label for each image; got \(2,\) for \(3, 2, 2\)"):
        images.known("mnist", "train")


def test_labels_of_no_class_get_one_line(stored):
    stored([7, 0, 10])
    with pytest.raises(ValueError, match=r"images needs labels in 0..9; got 10 in mnist"):
        images.known("mnist", "train")


def test_unknown_names_get_one_line():
    with pytest.raises(ValueError, match="one of fashion-mnist, mnist and train or test; got 'x'"):
        images.known("x", "train")


def test_parts_share_no_image_and_a_seed_decides_them():
    whole = Images(torch.arange(50)[:, None, None].byte(), torch.arange(50), ("a",) * 50)
    first, second = parts(whole, (20, 30), seed=3)
    assert sorted([*first.labels.tolist(), *second.labels.tolist()]) == list(range(50))
    assert torch.equal(first.pixels[:, 0, 0].long(), first.labels)
    assert torch.equal(parts(whole, (20,), 3)[0].labels, first.labels)
    assert not torch.equal(parts(whole, (20,), 4)[0].labels, first.labels)
    with pytest.raises(ValueError, match="parts needs 51 images; got 50"):
        parts(whole, (20, 31), 0)
    for sizes in ((20, 0), (-5, 20), (60, -20)):
        with pytest.raises(ValueError, match="parts needs at least one image in each; got"):
            parts(whole, sizes, 0)


def test_just_the_share_of_labels_is_drawn_anew_and_a_part_of_them_is_right_by_chance():
    whole = Images(torch.zeros(20_000, 1, 1).byte(), torch.full((20_000,), 3), tuple("0123456789"))
    found = corrupted(whole, 0.4, seed=1)
    wrong = (found.labels != 3).double().mean().item()
    assert wrong == pytest.approx(0.36, abs=0.01)
    assert found.labels.bincount(minlength=10)[:3].float().std() < 60
    assert torch.equal(corrupted(whole, 0.4, seed=1).labels, found.labels)
    assert torch.equal(corrupted(whole, 0.0, seed=1).labels, whole.labels)
    assert (corrupted(whole, 1.0, seed=1).labels == 3).double().mean() < 0.12
    assert torch.equal(whole.labels, torch.full((20_000,), 3))
    with pytest.raises(ValueError, match=r"a share in 0..1; got 1.5"):
        corrupted(whole, 1.5, 0)


def test_scaled_brightness_has_no_mean_and_a_deviation_of_1():
    made = made_up(300, seed=0)
    x = made.scaled(*made.scale())
    assert x.shape == (300, 64)
    assert abs(float(x.mean())) < 1e-5
    assert float(x.std()) == pytest.approx(1, abs=1e-3)


def test_made_up_images_have_their_square_in_the_corner_of_their_class():
    made = made_up(400, seed=0)
    for k, (row, column) in enumerate([(0, 0), (4, 0), (0, 4), (4, 4)]):
        mean = made.pixels[made.labels == k].double().mean(0)
        corners = [mean[r : r + 4, c : c + 4].mean() for r in (0, 4) for c in (0, 4)]
        assert max(corners) == mean[row : row + 4, column : column + 4].mean()


def cifar_files(folder, images_each=2):
    """Files as those of CIFAR-10's binary version, with few images; gives what test has."""
    draw = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        records = draw.integers(0, 256, (images_each, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / name)
    return records


def test_cifar_10_is_read_from_its_binary_files(tmp_path):
    records = cifar_files(tmp_path)
    found = images.cifar_10(tmp_path, "test")
    assert found.labels.tolist() == records[:, 0].tolist()
    assert found.pixels[1, 2, 31, 30] == records[1, 1 + 2 * 1024 + 31 * 32 + 30]
    assert len(images.cifar_10(tmp_path, "train")) == 10
    assert found.names[3] == "cat"
    with pytest.raises(ValueError, match="cifar_10 needs train or test; got 'valid'"):
        images.cifar_10(tmp_path, "valid")
    (tmp_path / "test_batch.bin").write_bytes(b"x" * 3072)
    with pytest.raises(ValueError, match="3073 bytes for each image; got 3072 in"):
        images.cifar_10(tmp_path, "test")
    (tmp_path / "test_batch.bin").write_bytes(b"x" * 3073)
    with pytest.raises(ValueError, match=r"labels in 0..9; got 120"):
        images.cifar_10(tmp_path, "test")
    with (tmp_path / "test_batch.bin").open("wb") as huge:
        huge.truncate(1 << 40)  # of nothing, and never read
    with pytest.raises(ValueError, match=r"at most 1,000,000 images in a file; got 1,099,511,627"):
        images.cifar_10(tmp_path, "test")
    (tmp_path / "data_batch_5.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs data_batch_5.bin of the binary version"):
        images.cifar_10(tmp_path, "train")


@pytest.mark.parametrize("made", [True, False])
def test_three_parts_share_no_image_and_test_is_the_test_part(tmp_path, made):
    records = cifar_files(tmp_path, images_each=8)
    train, valid, test = images.three_parts("mnist", 20, 10, 3, made, tmp_path)
    assert (len(train), len(valid)) == (20, 10)
    seen = [{bytes(image.numpy()) for image in part.pixels} for part in (train, valid, test)]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]
    if not made:
        assert test.labels.tolist() == records[:, 0].tolist()
