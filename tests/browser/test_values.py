"""Values that are no text, on the page: images that are drawn or chosen, curves, two systems."""

import base64

import numpy as np
import pytest
from PIL import Image as Files

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from tests.deploy.served import ask, served

from swiftrnn.deploy import trained
from swiftrnn.deploy.api import Limits

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reads(smoke):
    known = trained.load(smoke("vector_to_sequence"))
    with served(known, Limits()) as (address, _):
        yield address, known


@pytest.fixture(scope="module")
def measures(smoke):
    known = trained.load(smoke("markov_order"))
    with served(known, Limits()) as (address, _):
        yield address, known


@pytest.fixture(scope="module")
def translates(smoke):
    known = trained.load(smoke("nonautoregressive_translation"))
    with served(known, Limits()) as (address, _):
        yield address, known


def stroke(page, *points):
    """A line on the field, as a pointer draws it; points in parts of its size."""
    box = page.locator("canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def drawn(page):
    """What is on the field, as a tensor of the value."""
    return page.evaluate("document.querySelector('canvas').toDataURL('image/png')")


def test_what_is_drawn_is_read(quiet, reads):
    address, known = reads
    page = quiet(address)
    blank = drawn(page)
    stroke(page, (0.1, 0.2), (0.25, 0.2), (0.2, 0.8))
    stroke(page, (0.5, 0.2), (0.5, 0.8))
    url = drawn(page)
    assert url != blank
    pixels = known.task.takes.read(url)
    assert int((pixels < 100).sum()) > 500  # ink
    assert int((pixels > 200).sum()) > 40_000  # paper
    page.get_by_role("button", name="Read").click()
    page.get_by_text("Done in").wait_for()
    (expected,) = known.answer([url])
    assert page.text_content("#output .text") == expected
    page.get_by_role("button", name="Clear").click()
    assert drawn(page) == blank


def test_a_file_is_chosen_and_one_that_is_none_is_said(quiet, reads, tmp_path):
    address, known = reads
    page = quiet(address)
    given = np.random.default_rng(0).integers(0, 256, (28, 84), np.uint8)
    Files.fromarray(given).save(tmp_path / "digits.png")
    page.get_by_label("or choose a file").set_input_files(tmp_path / "digits.png")
    page.wait_for_selector("canvas[width='84']")
    page.get_by_role("button", name="Read").click()
    page.get_by_text("Done in").wait_for()
    (expected,) = known.answer([tmp_path / "digits.png"])
    assert page.text_content("#output .text") == expected
    (tmp_path / "none.png").write_text("no image")
    page.get_by_label("or choose a file").set_input_files(tmp_path / "none.png")
    page.wait_for_selector("[data-wrong='this file is no image that the browser can show']")
    assert page.locator("canvas").get_attribute("width") == "420"


def test_programs_send_images_and_paths_are_none(reads, tmp_path):
    address, known = reads
    Files.fromarray(np.zeros((28, 84), np.uint8)).save(tmp_path / "a.png")
    content = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    expected = [{"words": known.answer([tmp_path / "a.png"])[0]}] * 2
    assert ask(address, content, f"data:image/png;base64,{content}").json() == expected
    refused = ask(address, str(tmp_path / "a.png"))
    assert refused.status_code == 422
    assert "an image needs a data URL or base64" in refused.json()["detail"]


def test_a_curve_is_drawn_and_tabulated(quiet, measures):
    address, known = measures
    page = quiet(address)
    text = "abcdabcdbbacdabcd"
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("Done in").wait_for()
    (points,) = known.answer([text])
    assert page.locator(".curve circle").count() == len(points)
    assert page.locator(".curve tr").count() == len(points) + 1
    assert page.locator(".curve th").all_text_contents() == ["bytes of the past", "bits per byte"]
    assert page.locator(".curve td").nth(1).text_content() == f"{points[0][1]:.3f}"
    page.get_by_label("Text").fill("")
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("There is nothing to show.").wait_for()


def test_two_ways_are_side_by_side(quiet, translates):
    address, known = translates
    page = quiet(address)
    page.get_by_label("Text").fill("one two")
    page.get_by_label("Compare").check()
    page.get_by_role("button", name="Translate").click()
    page.get_by_text("Done in").wait_for()
    text, timed = known.answer(["one two"], compare=True)[0]
    assert page.text_content("#output .text") == text
    names = page.locator(".systems th").all_text_contents()
    assert names == [each.system for each in timed]
    for place, each in enumerate(timed):
        row = page.locator(".systems tr").nth(place)
        assert row.locator("td").first.text_content() == each.text
        assert row.locator(".time").text_content().endswith(" ms")


@pytest.fixture(scope="module")
def drafts(smoke):
    known = trained.load(smoke("pix2code"))
    with served(known, Limits()) as (address, _):
        yield address, known


def test_a_screenshot_that_is_dropped_becomes_a_program(quiet, drafts, tmp_path):
    address, known = drafts
    page = quiet(address)
    given = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    Files.fromarray(given).save(tmp_path / "shot.png")
    content = base64.b64encode((tmp_path / "shot.png").read_bytes()).decode()
    page.evaluate(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
          const held = new DataTransfer();
          held.items.add(new File([bytes], "shot.png", { type: "image/png" }));
          const dropped = new DragEvent("drop", { dataTransfer: held, bubbles: true });
          document.querySelector(".image").dispatchEvent(dropped);
        }""",
        content,
    )
    page.wait_for_selector("canvas[width='160']")
    page.get_by_label("Regions").check()
    page.get_by_role("button", name="Draft").click()
    page.get_by_text("Done in").wait_for()
    ((program, seen),) = known.answer([tmp_path / "shot.png"], regions=True)
    assert page.text_content(".program pre") == f"{program}\n"
    for name, first in (("HTML", "<!DOCTYPE html>"), ("Android", "<?xml"), ("iOS", "<?xml")):
        page.get_by_role("button", name=name, exact=True).click()
        assert page.text_content(".program pre").startswith(first)
    with page.expect_download() as found:
        page.get_by_role("link", name="Download screen.storyboard").click()
    assert found.value.suggested_filename == "screen.storyboard"
    assert page.locator(".regions .names button").all_text_contents() == [*seen.names]
    before = page.evaluate("document.querySelector('.regions canvas').toDataURL()")
    page.locator(".regions .names button").last.click()
    assert page.evaluate("document.querySelector('.regions canvas').toDataURL()") != before


def test_the_program_is_rendered_with_its_look_and_without_scripts(quiet, drafts, tmp_path):
    address, _ = drafts
    page = quiet(address)
    Files.fromarray(np.full((90, 160, 3), 255, np.uint8)).save(tmp_path / "shot.png")
    page.get_by_label("or choose a file").set_input_files(tmp_path / "shot.png")
    page.wait_for_selector("canvas[width='160']")
    page.get_by_role("button", name="Draft").click()
    page.get_by_text("Done in").wait_for()
    frame = page.locator("iframe")
    assert frame.get_attribute("sandbox") == "allow-same-origin"
    shown = page.frame_locator("iframe")
    shown.locator("body > footer").wait_for()
    page.wait_for_function(
        "getComputedStyle(document.querySelector('iframe').contentDocument"
        ".querySelector('body > footer')).textAlign == 'center'"
    )
    box, stage = frame.bounding_box(), page.locator(".stage").bounding_box()
    assert abs(box["width"] - stage["width"]) < 3  # as wide as there is room


@pytest.fixture(scope="module")
def compares(smoke):
    known = trained.load(smoke("one_shot"))
    with served(known, Limits()) as (address, _):
        yield address, known


def test_two_drawings_are_compared_and_the_glimpses_played(quiet, compares, tmp_path):
    address, known = compares
    page = quiet(address)
    drawn = np.full((100, 100), 255, np.uint8)
    drawn[20:80, 45:55] = 0
    Files.fromarray(drawn).save(tmp_path / "a.png")
    fields = page.locator(".image")
    assert fields.count() == 2
    fields.nth(0).get_by_label("or choose a file").set_input_files(tmp_path / "a.png")
    page.wait_for_selector("canvas[width='100']")
    box = fields.nth(1).locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 150, steps=5)
    page.mouse.up()
    page.get_by_label("Glimpses").check()
    with page.expect_request("**/predict") as sent:
        page.get_by_role("button", name="Compare").click()
    page.get_by_text("Done in").wait_for()
    (asked,) = sent.value.post_data_json["inputs"]
    ((odds, seen),) = known.answer([asked], glimpses=True)
    shown = page.locator(".bars li > :last-child").text_content()
    assert shown == f"{100 * odds:.1f} %"
    count = len(seen.windows)
    assert page.locator(".looks canvas").count() == 2
    slider = page.get_by_label(f"of {count}")
    page.get_by_role("button", name="Pause").click()
    slider.fill("1")
    page.get_by_text(f"Glimpse 1 of {count}").wait_for()
    first = page.evaluate("document.querySelector('.looks canvas').toDataURL()")
    slider.fill("2")
    page.get_by_text(f"Glimpse 2 of {count}").wait_for()
    assert page.evaluate("document.querySelector('.looks canvas').toDataURL()") != first
    page.get_by_role("button", name="Play").click()
    page.get_by_text(f"Glimpse 4 of {count}").wait_for()


def test_a_pasted_image_goes_to_one_of_two_fields(quiet, compares):
    page = quiet(compares[0])
    paste = """(focus) => {
      document.querySelectorAll(".image button")[focus].focus();
      const held = new DataTransfer();
      const field = Object.assign(document.createElement("canvas"), { width: 33, height: 33 });
      return new Promise((done) => field.toBlob((blob) => {
        held.items.add(new File([blob], "a.png", { type: "image/png" }));
        const pasted = { clipboardData: held, cancelable: true };
        document.dispatchEvent(new ClipboardEvent("paste", pasted));
        const fields = [...document.querySelectorAll(".image canvas")];
        setTimeout(() => done(fields.map((each) => each.width)), 300);
      }));
    }"""
    assert page.evaluate(paste, 1) == [210, 33]
    assert page.evaluate(paste, 0) == [33, 33]
