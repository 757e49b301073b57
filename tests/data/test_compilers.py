"""Compiled programs, held against the grammars and tools of HTML, Android and iOS."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import html5lib
import pytest

from swiftrnn.data.screens import android, generate, html, ios
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import parse
from swiftrnn.data.screens.texts import LENGTHS, Texts

FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")  # of Debian
ANDROID = "{http://schemas.android.com/apk/res/android}"
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.screens"/>
"""
ROLES = {  # what a name is in each language
    "button": ("button", "Button", "button"), "slider": ("input", "SeekBar", "slider"),
    "text": ("p", "TextView", "label"), "image": ("span", "ImageView", "imageView"),
}  # fmt: skip
every = pytest.mark.parametrize("platform", PLATFORMS)


def programs(platform, count):
    return [generate.screen(platform, seed).program for seed in range(count)]


@every
def test_pages_are_valid_html(platform):
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    for program in programs(platform, 40):
        tree = parser.parse(html.page(program, 3))  # strict: any error is raised
        names = [each.tag for each in tree.iter() if isinstance(each.tag, str)]
        assert names.count("style") == 1
        assert not {"script", "link", "img"} & {*names}
        text = html.page(program, 3)
        assert not re.search(r"https?:|url\(|@import", text)  # nothing is fetched


@every
def test_names_become_elements_of_each_language(platform):
    for program in programs(platform, 30):
        kinds = [program.kinds[name].role for name in program.names if name in program.kinds]
        trees = (
            html5lib.parse(html.page(program), namespaceHTMLElements=False),
            ET.fromstring(android.layout(program)), ET.fromstring(ios.storyboard(program)),
        )  # fmt: skip
        counts = [[each.tag for each in tree.iter()] for tree in trees]
        for place in range(3):
            pressed = kinds.count("button") + (kinds.count("add") if place != 1 else 0)
            assert counts[place].count(ROLES["slider"][place]) >= kinds.count("slider")
            assert counts[place].count(ROLES["button"][place]) >= pressed
        assert counts[0].count("p") - (platform == "web") == kinds.count("text")
        assert counts[1].count("SeekBar") == kinds.count("slider")
        assert counts[1].count("ImageView") == kinds.count("image")
        assert counts[2].count("imageView") == kinds.count("image")
        assert counts[2].count("switch") == kinds.count("switch")


@every
def test_ids_of_a_layout_are_its_own(platform):
    for program in programs(platform, 40):
        tree = ET.fromstring(android.layout(program))
        ids = [each.get(f"{ANDROID}id") for each in tree.iter() if each.get(f"{ANDROID}id")]
        assert len(ids) == len({*ids})
        sized = [each for each in tree.iter() if each.get(f"{ANDROID}layout_width")]
        assert len(sized) == len([*tree.iter()])


@every
def test_storyboards_refer_to_what_they_define(platform):
    for program in programs(platform, 40):
        tree = ET.fromstring(ios.storyboard(program, 5))
        ids = [each.get("id") for each in tree.iter() if each.get("id")]
        ids += [each.get("sceneID") for each in tree.iter() if each.get("sceneID")]
        assert len(ids) == len({*ids})
        assert all(re.fullmatch(r"[0-9a-z]{3}-[0-9a-z]{2}-[0-9a-z]{3}|retina4_7", i) for i in ids)
        for each in tree.iter():
            for name in ("firstItem", "secondItem", "initialViewController"):
                assert each.get(name) is None or each.get(name) in ids
        images = {each.get("image") for each in tree.iter() if each.get("image")}
        assert images == {each.get("name") for each in tree.iter("image")}


def test_many_ids_never_collide():
    writer = ios._Writer(parse("row { single { text } }"), Texts())
    assert len({writer.id() for _ in range(200_000)}) == 200_000


@every
def test_the_resource_compiler_of_android_accepts_layouts(platform, tmp_path):
    if not (shutil.which("aapt2") and FRAMEWORK.exists()):
        pytest.skip("aapt2 and android-framework-res of Debian are not installed")
    folder = tmp_path / "res" / "layout"
    folder.mkdir(parents=True)
    for seed, program in enumerate(programs(platform, 1000)):
        (folder / f"screen_{seed}.xml").write_text(android.layout(program, seed), encoding="utf-8")
    (tmp_path / "AndroidManifest.xml").write_text(MANIFEST)
    told = [
        ["aapt2", "compile", "--dir", "res", "-o", "compiled.zip"],
        ["aapt2", "link", "-I", str(FRAMEWORK), "--manifest", "AndroidManifest.xml", "-o",
         "out.apk", "compiled.zip"],
    ]  # fmt: skip
    for words in told:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "error" not in done.stderr
    assert (tmp_path / "out.apk").stat().st_size > 1_000_000


def test_the_resource_compiler_would_refuse_what_is_wrong(tmp_path):
    if not (shutil.which("aapt2") and FRAMEWORK.exists()):
        pytest.skip("aapt2 and android-framework-res of Debian are not installed")
    folder = tmp_path / "res" / "layout"
    folder.mkdir(parents=True)
    text = android.layout(parse("stack { row { btn } }"))
    (folder / "wrong.xml").write_text(text.replace("TextAppearance", "NoSuch").replace(
        'text="', 'textAppearance="@android:style/NoSuch" android:text="'))  # fmt: skip
    (tmp_path / "AndroidManifest.xml").write_text(MANIFEST)
    subprocess.run(["aapt2", "compile", "--dir", "res", "-o", "c.zip"], cwd=tmp_path, check=True)
    linked = subprocess.run(
        ["aapt2", "link", "-I", str(FRAMEWORK), "--manifest", "AndroidManifest.xml", "-o", "o.apk",
         "c.zip"], cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert linked.returncode


class Hostile(Texts):
    """Texts that mean something to every language."""

    def next(self, role):
        return """<b>&"'\\n@string/x ?attr ]]> </style></script>"""


def test_texts_are_escaped(monkeypatch):
    program = parse("row { single { small-title, text, btn-red } }")
    for module in (html, android, ios):
        monkeypatch.setattr(module, "Texts", Hostile)
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html.page(program))
    (paragraph,) = (each for each in page.iter("p") if each.text and "©" not in each.text)
    assert paragraph.text == Hostile().next("text")
    assert not [*page.iter("b")]
    board = ET.fromstring(ios.storyboard(program))
    assert {each.get("text") for each in board.iter("label")} == {Hostile().next("text")}
    layout = ET.fromstring(android.layout(program))
    texts = [each.get(f"{ANDROID}text") for each in layout.iter() if each.get(f"{ANDROID}text")]
    assert {
        each.replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\") for each in texts
    } == {Hostile().next("text")}
    for first in "@?":  # else it would be a reference
        assert android.escaped(f"{first}x") == f"\\{first}x"


@every
def test_the_seed_says_the_texts(platform):
    program = generate.screen(platform, 4).program
    for compiled in (html.page, android.layout, ios.storyboard):
        assert compiled(program, 7) == compiled(program, 7)
        assert compiled(program, 7) != compiled(program, 8)


def test_texts_are_as_long_as_the_published_ones():
    texts = Texts(3)
    for role, (length, spaces) in LENGTHS.items():
        for _ in range(50):
            found = texts.next(role)
            assert (len(found), found.count(" ")) == (length, spaces)
            assert found == found.strip()
            assert found[0].isupper() == (role != "text")
    words = Texts(3, "words")
    assert all(5 <= len(words.next("text").split()) <= 14 for _ in range(50))
    with pytest.raises(ValueError, match="a style of letters, words; got 'odd'"):
        Texts(0, "odd")
