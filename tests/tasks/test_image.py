"""Images as values: every kind of file, and what is none."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image as Files

from swiftrnn.deploy import describe
from swiftrnn.tasks import OfFiles
from swiftrnn.tasks.image import MOST, Image
from swiftrnn.tasks.text import Text


def packed(picture, kind="PNG", **how):
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def colours():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8))


def picture(tensor):
    return Files.fromarray(tensor.permute(1, 2, 0).contiguous().numpy())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_files_of_all_kinds_are_read(kind, tmp_path):
    flat = torch.full((3, 6, 4), 90, dtype=torch.uint8)
    how = {"lossless": True} if kind == "WEBP" else {}
    content = packed(picture(flat), kind, **how)
    path = tmp_path / "file"
    path.write_bytes(content)
    for raw in (content, path, base64.b64encode(content).decode()):
        found = Image().read(raw)
        assert (found.shape, found.dtype) == ((3, 6, 4), torch.uint8)
        assert (found.int() - 90).abs().max() <= 1
    assert Image(1).read(content).shape == (6, 4)


def test_what_is_written_comes_back():
    for value, image in ((Image(3), colours()), (Image(1), colours()[0])):
        url = value.write(image, "json")
        assert url.startswith("data:image/png;base64,")
        assert torch.equal(value.read(url), image)
        assert value.write(image, "text") == url + "\n"
        assert torch.equal(value.read(image), image)
        assert torch.equal(value.read(image.numpy()), image)
        assert value.size(image) == 35 / 256


def test_transparent_parts_are_white():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = [255, 0, 128]
    found = Image().read(packed(Files.fromarray(pixels, "RGBA")))
    assert found[:, 0, 0].tolist() == [200, 0, 0]
    assert found[:, 0, 1].tolist() == [255, 255, 255]
    assert found[:, 0, 2].tolist() == pytest.approx([227, 127, 127], abs=1)
    palette = Files.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 0, 0, 0])
    found = Image().read(packed(palette, transparency=1))
    assert found[:, 0].t().tolist() == [[10, 20, 30], [255, 255, 255]]


def test_16_bits_keep_their_brightness():
    deep = Files.fromarray(np.array([[0, 257, 30_000, 65_535]], np.uint16))
    assert Image(1).read(packed(deep)).tolist() == [[0, 1, 116, 255]]


def test_photographs_are_turned_as_the_camera_says():
    exif = Files.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    tall = Image(1).read(packed(picture(colours()), "JPEG", exif=exif))
    assert tall.shape == (7, 5)


def test_grey_is_the_brightness_that_is_seen():
    red = torch.zeros(3, 1, 1, dtype=torch.uint8)
    red[0] = 255
    assert Image(1).read(packed(picture(red))).item() == 76


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "PNG, JPEG, GIF, BMP or WebP file; got 0 bytes of something else"),
        (b"GIF89a", "got a damaged one|something else"),
        ("no image", "needs a data URL or base64; got other text"),
        ("", "needs a data URL or base64"),
        ("/etc/hostname", "needs a data URL or base64"),
        ("data:image/png,abc", "needs a data URL in base64; got another kind"),
        ("data:image/png;base64", "needs a data URL in base64"),
        ("data:image/png;base64,aGVsbG8=", "5 bytes of something else"),
        (7, "the bytes of a file, a path or base64; got int"),
        (None, "got NoneType"),
        (["data:"], "got list"),
        (torch.zeros(3, 2, 2), r"needs \(3, H, W\) of uint8; got \(3, 2, 2\) of torch.float32"),
        (torch.zeros(2, 2, dtype=torch.uint8), r"got \(2, 2\)"),
        (torch.zeros(3, 0, 2, dtype=torch.uint8), r"got \(3, 0, 2\)"),
    ],
)
def test_what_is_no_image_is_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        Image().read(raw)


def test_damaged_and_missing_files_are_said(tmp_path):
    content = packed(picture(colours()))
    refused = 0
    for cut in range(len(content)):
        try:
            found = Image().read(content[:cut])
        except ValueError as error:
            refused += "an image needs a" in str(error)
        else:
            assert torch.equal(found, colours())  # all of it is there
    assert refused > len(content) // 2
    with pytest.raises(ValueError, match=r"can be read; got .*nosuch.png \(No such file"):
        Image().read(tmp_path / "nosuch.png")
    with pytest.raises(ValueError, match="can be read; got"):
        Image().read(tmp_path)


def test_one_that_is_too_large_is_refused_before_it_is_unpacked():
    wide = packed(Files.new("1", (MOST, 2)))
    assert len(wide) < 200_000
    with pytest.raises(ValueError, match=r"at most 25,000,000 pixels; got 25,000,000 x 2"):
        Image().read(wide)
    huge = packed(Files.new("1", (30_000, 30_000)))
    with pytest.raises(ValueError, match="at most 25,000,000 pixels; got far more"):
        Image().read(huge)
    with pytest.raises(ValueError, match="got 10,000 x 10,000"):
        Image().read(packed(Files.new("1", (10_000, 10_000))))


def test_its_schema_has_an_example_that_is_read():
    for value in (Image(1), Image(3, draws=(40, 20))):
        schema = value.schema()
        assert value.read(describe.example(schema)).shape[-2:] == (1, 1)
    assert schema["x-draw"] == [40, 20]
    assert isinstance(Image(), OfFiles)
    assert not isinstance(Text(), OfFiles)
