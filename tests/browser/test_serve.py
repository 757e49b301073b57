"""The page of any task as its reader sees it: wide and on a telephone, and by keys alone."""

import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from tests.browser.conftest import SIZES
from tests.deploy.served import ECHO, MOOD, ask, made, served

from swiftrnn.deploy import trained
from swiftrnn.deploy.api import Limits

pytestmark = pytest.mark.browser
TEXT = "😀 In Rimonaville , Lututo met <b>a</b> friend ."
once = pytest.mark.parametrize("open_page", SIZES[:1], indirect=True, ids=["wide"])
WIDGET = """
export function input(root, description) {
  const field = document.createElement("input");
  field.id = "own";
  field.ariaLabel = description.name;
  root.append(field);
  return { get: () => `<${field.value}>`, focus: () => field.focus() };
}
"""


@pytest.fixture(scope="module", autouse=True)
def _state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def names(smoke):
    return trained.load(smoke("ner_crf"))


@pytest.fixture(scope="module")
def model(smoke):
    return trained.load(smoke("language_model"))


@pytest.fixture(scope="module")
def translates(smoke):
    with served(trained.load(smoke("sequence_to_sequence")), Limits()) as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An echo and a classifier."""
    found = {}
    for name, source in (("echo", ECHO), ("mood", MOOD)):
        out, code = made(tmp_path_factory.mktemp(name), name, source)
        found[name] = trained.load(out, recipe=code)
    return found


@pytest.fixture(scope="module")
def find(names):
    with served(names, Limits()) as found:
        yield found


@pytest.fixture(scope="module")
def continues(model):
    with served(model, Limits()) as found:
        yield found


@pytest.fixture(scope="module")
def echo(small):
    with served(small["echo"], Limits()) as found:
        yield found


@pytest.fixture(scope="module")
def mood(small):
    with served(small["mood"], Limits()) as found:
        yield found


def until(page, condition):
    """Wait for what Playwright could only find with `eval`, which the page's policy forbids."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if condition():
            return
        page.wait_for_timeout(20)
    pytest.fail("it did not come")


def test_names_are_shown_in_the_text(quiet, find, names):
    page = quiet(find[0])
    assert page.title() == "Find names · ner_crf"
    assert "A named-entity tagger" in page.text_content("#about")
    page.get_by_label("Text").fill(TEXT)
    page.get_by_role("button", name="Find names").click()
    page.wait_for_selector("mark")
    shown = [re.sub(r" \d+ %$", "", text) for text in page.locator("mark").all_text_contents()]
    ((found, _),) = names.answer([TEXT])
    assert shown == [each.text + each.type for each in found.found]
    assert {"Rimonavilleplace", "Lututoperson"} <= set(shown)
    assert page.locator(".spans b").count() == 0  # what is typed is text, never a tag
    assert page.text_content(".spans").count("<") == TEXT.count("<")
    colours = page.locator("mark").evaluate_all("all => all.map(e => e.style.backgroundColor)")
    assert all(colours)
    assert not page.get_by_role("heading", name="N-best list").is_visible()


def test_alternatives_are_shown_when_asked_for(quiet, find):
    page = quiet(find[0])
    page.get_by_label("Text").fill(TEXT)
    page.get_by_label("N best").fill("5")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#output li")
    assert page.get_by_role("heading", name="N-best list").is_visible()
    lines = page.locator("#output li").all_text_contents()
    assert len(lines) == 5
    assert "Rimonaville (place), Lututo (person)" in lines[0]


def test_translations_and_what_they_attended_to_are_shown(quiet, translates):
    page = quiet(translates[0])
    page.get_by_label("Text").fill("two five")
    page.get_by_label("N best").fill("3")
    page.get_by_label("Attention").check()
    page.get_by_role("button", name="Translate").click()
    page.wait_for_selector(".heatmap table")
    assert page.text_content("#output .text") == "5 2"
    lines = page.locator("#output li").all_text_contents()
    assert len(lines) == 3
    assert lines[0].startswith("5 2 ")
    heads = [page.locator(f".heatmap th[scope={s}]").all_text_contents() for s in ("col", "row")]
    assert heads == [["two", "five", "(end)"], ["5", "2", "(end)"]]
    share = page.locator(".heatmap tr").nth(1).locator("td").nth(1).text_content()
    assert int(share.removesuffix(" %")) > 50
    assert page.locator(".heatmap td[title^='5 → five']").count() == 1


@once
def test_what_can_be_filled_in_can_be_sent(quiet, mood):
    page, held = quiet(mood[0]), []
    page.route("**/label.js", lambda route: held.append(route))  # what shows answers comes late
    page.reload()
    until(page, lambda: held)
    page.wait_for_timeout(300)
    assert page.locator("#input > *").count() == 0
    held[0].continue_()
    page.get_by_label("Text").fill("a fine film")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Done in").wait_for()


def test_what_is_refused_is_said_on_the_page(open_page, find):
    page = open_page(find[0])
    page.get_by_label("Text").fill("a" * 20_001)
    page.click("#go")
    page.get_by_text("at most 20,000 units of work; got 20,001").wait_for()
    page.get_by_label("Text").fill("Bokima lives in Sotataville")
    page.click("#go")
    page.wait_for_selector("mark")
    assert page.text_content("#message") == ""
    assert not [line for line in page.said if "422" not in line]  # the browser tells of the status


def test_a_text_goes_on_and_what_is_added_is_told_apart(quiet, continues, model):
    page = quiet(continues[0])
    page.get_by_label("Text").fill("3+4=")
    page.get_by_label("Length").fill("40")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Done in").wait_for()
    (expected,) = model.answer(["3+4="], length=40)
    assert page.text_content(".given") == "3+4="
    assert page.text_content(".added") == expected.removeprefix("3+4=")
    colours = [
        page.locator(each).evaluate("e => getComputedStyle(e).backgroundColor")
        for each in (".given", ".added")
    ]
    assert colours[0] != colours[1]
    page.get_by_label("Seed").fill("1")
    page.get_by_role("button", name="Continue").click()
    (other,) = model.answer(["3+4="], length=40, seed=1)
    until(page, lambda: page.text_content(".text") == other)  # the old text has gone


def test_pieces_arrive_and_can_be_stopped_which_frees_the_server(quiet, echo):
    page = quiet(echo[0])
    page.get_by_label("Text").fill("word " * 120)
    page.get_by_label("Pause").fill("0.05")
    assert not page.get_by_role("button", name="Stop").is_visible()
    page.keyboard.press("Control+Enter")
    until(page, lambda: len(page.text_content(".added")) > 20)
    first = page.text_content(".added")
    until(page, lambda: len(page.text_content(".added")) > len(first) + 20)
    assert page.locator("#output").get_attribute("aria-busy") == "true"
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Stopped").wait_for()
    assert not page.get_by_role("button", name="Stop").is_visible()
    assert page.evaluate("document.activeElement.id") == "go"  # the focus is never lost
    kept = page.text_content(".added")
    began = time.monotonic()
    assert ask(echo[0], "a" * 1000).status_code == 200  # by the process that was speaking
    assert time.monotonic() - began < 3
    assert page.text_content(".added") == kept
    page.get_by_label("Pause").fill("0")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Done in").wait_for()
    assert page.text_content(".added") == "word " * 120


def test_classes_are_shown_as_bars(quiet, mood, small):
    page = quiet(mood[0])
    page.get_by_label("Text").fill("a rainy day")
    page.get_by_role("button", name="Classify").click()
    page.wait_for_selector(".bars li")
    (odds,) = small["mood"].answer(["a rainy day"])
    order = sorted(odds, key=odds.get, reverse=True)
    assert page.locator(".class").all_text_contents() == order
    shown = [float(text.split()[-2]) for text in page.locator(".bars li").all_inner_texts()]
    assert shown == pytest.approx([100 * odds[name] for name in order], abs=0.06)
    assert page.locator(".best .class").text_content() == "sad"
    widths = page.locator(".bar").evaluate_all(
        "all => all.map(e => parseFloat(getComputedStyle(e, '::before').width) / e.clientWidth)"
    )
    assert widths == pytest.approx([odds[name] for name in order], abs=0.02)
    assert not page.locator("#options").is_visible()  # there are none


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        ("text", "<b>x</b>"),
        ("spans", [{"start": 0, "end": 8, "type": "<i>", "confidence": 1}]),
        ("alternatives", [[{"probability": 1, "entities": [{"text": "<b>x</b>", "type": "<i>"}]}]]),
        ("label", {"label": "<b>x</b>", "probabilities": {"<b>x</b>": 1}}),
    ],
)
@once
def test_what_an_answer_holds_is_text_never_markup(quiet, mood, widget, value):
    page = quiet(mood[0])
    code = """async ([widget, value]) => {
      const root = document.createElement("div");
      const shown = (await import(`/page/${widget}.js`)).output(root, { schema: {} });
      shown.show(value, "<b>x</b>");
      return [root.textContent, root.querySelectorAll("b:not(li > b), i").length];
    }"""
    text, tags = page.evaluate(code, [widget, value])
    assert "<b>x</b>" in text
    assert tags == 0


def test_all_can_be_done_by_keys_alone_and_the_focus_is_seen(quiet, echo):
    page = quiet(echo[0])
    page.wait_for_selector("#input-text:focus")  # the page is ready to be typed into
    page.keyboard.type("one two")
    keys = {"option-times": "ArrowUp", "option-loud": "Space", "option-style": "ArrowDown"}
    visited = ["input-text"]
    while visited[-1] != "go" and len(visited) < 20:
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", visited
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.id"))
        if visited[-1] in keys:
            page.keyboard.press(keys[visited[-1]])
    names = ("times", "pause", "loud", "style", "name", "share", "made_up")
    assert visited == ["input-text", *(f"option-{name}" for name in names), "go"]
    page.keyboard.press("Enter")
    page.get_by_text("Done in").wait_for()
    assert page.text_content(".text") == "“ONE” “TWO” “ONE” “TWO”"
    assert page.evaluate("document.activeElement.id") == "go"


def test_every_control_has_a_name_a_range_and_its_help(quiet, echo):
    page = quiet(echo[0])
    unnamed = page.locator("input, textarea, select").evaluate_all(
        "all => all.filter(e => !e.labels.length).map(e => e.id)"
    )
    assert unnamed == []
    times = page.get_by_label("Times")
    assert [times.get_attribute(each) for each in ("type", "min", "max", "step", "value")] == [
        "number", "1", "10", "1", None,
    ]  # fmt: skip
    assert times.input_value() == "1"
    help_of = times.get_attribute("aria-describedby")
    assert page.text_content(f"#{help_of}") == "how often it is said"
    assert page.get_by_label("Loud").get_attribute("type") == "checkbox"
    assert page.get_by_label("Style").locator("option").all_text_contents() == ["plain", "quoted"]
    times.fill("11")
    page.get_by_label("Text").fill("a")
    page.keyboard.press("Control+Enter")  # the browser says what the range is
    assert times.evaluate("e => e.matches(':invalid')")
    assert page.text_content("#status") == ""
    assert page.get_by_role("status").count() == page.get_by_role("alert").count() == 1
    assert page.locator("#output").get_attribute("aria-live") == "polite"


@once
def test_a_script_of_the_users_own_takes_the_input(quiet, small, tmp_path):
    own = tmp_path / "own.js"
    own.write_text(WIDGET)
    known = small["echo"]
    task = replace(known.task, takes=replace(known.task.takes, widget=own))
    with served(replace(known, task=task)) as (address, _):
        page = quiet(address)
        page.fill("#own", "hear")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Done in").wait_for()
        assert page.text_content(".text") == "<hear>"
        page.close()


@once
def test_the_value_of_the_documentation_is_shown(quiet, tmp_path):
    """The recipe in docs/extending.md: a new kind of output, with its script."""
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
    blocks = re.findall(r"^```\w+\n(?:#|//) vowels/(\S+)\n(.*?)^```", page, re.M | re.S)
    sources = dict(blocks)
    (tmp_path / "vowels").mkdir()
    (tmp_path / "vowels" / "number.js").write_text(sources["number.js"])
    sys.modules.pop("vowels", None)
    run, code = made(tmp_path, "vowels", sources["__init__.py"])
    known = trained.load(run, recipe=code)
    with served(known) as (address, _):
        page = quiet(address)
        page.get_by_label("Text").fill("aeiou")
        page.get_by_role("button", name="Count").click()
        page.get_by_text("Done in").wait_for()
        (expected,) = known.answer(["aeiou"])
        assert page.text_content("output") == f"{round(expected, 2):g} vowels"
        page.close()


@once
def test_an_input_that_no_script_takes_is_said(open_page, small):
    known = small["mood"]
    task = replace(known.task, takes=replace(known.task.takes, widget="label"))
    with served(replace(known, task=task)) as (address, _):
        page = open_page(address)
        page.get_by_text("this page cannot take a value such as text; use the API").wait_for()
        page.close()


@once
def test_a_server_that_has_gone_is_said(open_page, small):
    with served(small["mood"]) as (address, _):
        page = open_page(address)
        page.get_by_label("Text").fill("a")
    page.keyboard.press("Control+Enter")
    page.get_by_text("The server does not answer.").wait_for()


@pytest.mark.parametrize("which", ["find", "continues", "mood"])
def test_the_documentation_fits(quiet, request, which):
    page = quiet(request.getfixturevalue(which)[0], "/docs")
    assert page.get_by_role("heading", name="POST /predict").is_visible()
    assert page.get_by_role("heading", name="Refusals").is_visible()
    assert page.locator("pre").first.text_content().startswith("curl -s localhost:8000/predict")
    page.get_by_role("link", name="The page").click()
    page.wait_for_selector("textarea")


@pytest.mark.parametrize("which", ["find", "continues", "mood"])
def test_ink_and_paper_are_far_apart(quiet, request, which):
    page = quiet(request.getfixturevalue(which)[0])
    page.get_by_label("Text").fill("In Rimonaville , Lututo met a friend .")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Done in").wait_for()
    found = page.evaluate(CONTRASTS)
    assert len(found) > 8
    assert not {text: ratio for text, ratio in found.items() if ratio < 4.5}


# WCAG 2.1, of every element that has text of its own, over the colours that lie below it.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const each of colours) { canvas.fillStyle = each; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = {};
  const colour = (e) => getComputedStyle(e).backgroundColor;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("");
    if (!own.trim() || !element.checkVisibility() || element.tagName === "SCRIPT") continue;
    const below = [];
    for (let e = element; e; e = e.parentElement) below.unshift(colour(e));
    const [a, b] = [paint(below), paint([...below, getComputedStyle(element).color])].map(light);
    found[own.trim()] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}"""
