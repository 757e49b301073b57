"""Programs of screens: read, written, refused with the line, and what may follow by brute force."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.screens import generate
from swiftrnn.data.screens.automaton import END, PAD, START, automaton, symbols
from swiftrnn.data.screens.grammar import FULL, IOS, PLATFORMS, WEB
from swiftrnn.data.screens.program import CLOSE, of_names, parse, tokens

PAGE = """header {
btn-active, btn-inactive
}
row {
double {
small-title, text, btn-green
}
double {
btn-red
}
}"""
platforms = st.sampled_from([*PLATFORMS])
levels = st.sampled_from(generate.LEVELS)


@given(platforms, st.integers(0, 10_000), levels)
def test_what_is_written_is_read_back(platform, seed, level):
    program = generate.screen(platform, seed, level).program
    again = parse(str(program), platform)
    assert again == program
    assert str(again) == str(program)
    assert of_names(program.names, platform) == program


@given(platforms, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_blanks_and_ends_of_lines_mean_nothing(platform, seed, draw):
    program = generate.screen(platform, seed).program
    words = tokens(str(program))
    loose = "".join(word + draw.choice(["", " ", "\t", "\r\n", "\n\n"]) for word in words)
    assert parse(loose, platform) == program


def test_its_own_language_is_that_of_the_paper():
    program = parse(PAGE)
    assert (program.platform, str(program)) == ("web", PAGE)
    assert program.names == [
        "header", "btn-active", "btn-inactive", CLOSE, "row", "double", "small-title", "text",
        "btn-green", CLOSE, "double", "btn-red", CLOSE, CLOSE,
    ]  # fmt: skip
    assert len(tokens(PAGE)) == 21


def test_layouts_forget_colours_and_nothing_else():
    red = parse("row { single { text, btn-red } }")
    assert red.layout == parse("row { single { text, btn-green } }").layout
    assert red.layout != parse("row { single { btn-red, text } }").layout
    assert red.layout != parse("row { double { text, btn-red } }").layout
    tabs = [parse(f"footer {{ btn-{icon} }}", "ios") for icon in ("search", "more")]
    assert tabs[0].layout != tabs[1].layout  # an icon is no colour


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs names such as row { ... }; got none"),
        ("row {\nsingle {\ntextt\n}\n}", "got 'textt' in line 3; did you mean text?"),
        ("row {\nsingle {\nslider\n}\n}", "got 'slider' in line 3; it has header"),
        ("row {\nsingle {\ntext\n}\n", "after row in line 1; got its end"),
        ("row {\nsingle {\ntext\n}\n}\n}", "one too many in line 6"),
        ("row {\n{\n", "a name before the { of line 2; got {"),
        ("row {\nsingle {\n,text\n}\n}", "a name before the comma of line 3"),
        ("row {\nsingle {\ntext,\n}\n}", "after the comma before the } of line 4"),
        ("row {\nsingle {\ntext,", "a name after the comma of line 3; got none"),
        ("row {\nsingle {\ntext btn-red\n}\n}", "a comma between text and btn-red in line 3"),
        ("row {\nsingle {\ntext {\n}\n}\n}", "needs text to stand alone; got a { after it, line 3"),
        ("row {\nsingle {\n}\n}", "single in line 2 needs small-title or big-title"),
        ("row {\nsingle\n}", "single in line 2 needs { and } around what it holds"),
        ("row {\ntext\n}", "row in line 1 needs single or double or quadruple; got text in line 2"),
        ("text", "the program needs header then row; got text in line 1"),
        ("row {\nsingle {text}\n}\nheader {btn-active}", "got header in line 4; move it"),
        ("row {\nsingle {text}\ndouble {text}\n}", "row in line 1 needs cells of at most 12"),
        ("stack {\nrow {label}\n}", "only one platform has; got some of android and ios"),
        ("x" * 1_000_001, "at most 1,000,000 characters; got 1,000,001"),
        ("x" * 100, f"got {'x' * 40 + '...'!r} in line 1"),
    ],
)
def test_what_is_no_program_is_one_clear_line(text, said):
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_million_braces_are_refused_quickly():
    for text in ("row {" * 150_000, "row { single { text } }\n" * 30_000 + "}"):
        with pytest.raises(ValueError):
            parse(text)


def test_a_platform_is_given_or_found_out():
    assert parse("stack { row { switch, btn } }").platform == "android"
    assert parse("stack { row { switch, img } }").platform == "ios"
    assert parse("stack { row { switch } }", "ios").platform == "ios"
    with pytest.raises(ValueError, match="a platform of web, android, ios; got 'tv'"):
        parse(PAGE, "tv")
    with pytest.raises(ValueError, match="a program of ios needs names that it has; got 'header'"):
        parse(PAGE, "ios")


def walk(table, words, longest):
    """Whether an automaton lets symbols through, and the end after them."""
    state = 0
    for word in words:
        state = table[state][word]
        if state < 0:
            return False
    return table[state][END] >= 0 and len(words) <= longest


@pytest.mark.parametrize("platform", [WEB, IOS], ids=lambda each: each.name)
def test_the_automaton_lets_through_what_is_a_program_and_nothing_else(platform):
    """All sequences of a few names, against the parser."""
    chosen = {"web": ("header", "btn-active", "row", "double", "text"),
              "ios": ("stack", "row", "img", "footer", "btn-more")}[platform.name]  # fmt: skip
    names = symbols(platform)
    number = {name: i for i, name in enumerate(names)}
    table, right = automaton(platform, 6), 0
    for length in range(7):
        for words in itertools.product((*chosen, CLOSE), repeat=length):
            try:
                parsed = of_names(words, platform.name).names == list(words)
            except ValueError:
                parsed = False
            assert walk(table, [number[word] for word in words], 6) == parsed, words
            right += parsed
    assert right > 5


@given(platforms, st.integers(4, 40), st.randoms(use_true_random=False))
def test_whatever_it_lets_through_compiles_and_ends_in_time(name, longest, draw):
    platform = PLATFORMS[name]
    names, table = symbols(platform), automaton(platform, longest)
    state, words = 0, []
    while True:
        open_ = [i for i, after in enumerate(table[state]) if after >= 0]
        assert open_
        assert not {PAD, START} & {*open_}
        if (chosen := draw.choice(open_)) == END:
            break
        words.append(names[chosen])
        state = table[state][chosen]
    assert len(words) <= longest
    assert of_names(words, name).names == words


def test_rows_are_never_wider_than_the_page():
    number = {name: i for i, name in enumerate(symbols(WEB))}
    table = automaton(WEB, 60)
    cell = ["quadruple", "text", CLOSE]
    assert walk(table, [number[w] for w in ["row", *cell * 4, CLOSE]], 60)
    assert not walk(table, [number[w] for w in ["row", *cell * 5, CLOSE]], 60)
    assert FULL == 12


def test_too_short_an_automaton_is_refused():
    with pytest.raises(ValueError, match="longest of at least 3; got 2"):
        automaton(WEB, 2)


@given(platforms, st.integers(0, 10_000), levels, st.integers(1, 6))
def test_screens_are_a_function_of_their_seed_and_legal(platform, seed, level, rows):
    screen = generate.screen(platform, seed, level, rows)
    assert screen == generate.screen(platform, seed, level, rows)
    number = {name: i for i, name in enumerate(symbols(PLATFORMS[platform]))}
    assert walk(automaton(PLATFORMS[platform], 300), [number[w] for w in screen.program.names], 300)
    held = {"web": rows, "android": rows + 2, "ios": rows}[platform]
    assert screen.program.names.count("row") <= held


@pytest.mark.parametrize("platform", PLATFORMS)
def test_screens_differ(platform):
    screens = [generate.screen(platform, i) for i in range(300)]
    assert len({str(s.program) for s in screens}) > 240
    assert len({s.theme for s in screens}) > 150
    assert len({s.size for s in screens}) > 2
    used = {name for s in screens for name in s.program.names}
    assert used == {CLOSE, *PLATFORMS[platform].names}


def test_a_screen_of_no_platform_is_refused():
    for wrong in (("tv", 0), ("web", 0, "odd"), ("web", 0, "varied", 0)):
        with pytest.raises(ValueError, match="screen needs a platform of web, android, ios"):
            generate.screen(*wrong)


def test_a_layout_is_in_one_part_whatever_else_there_is():
    layouts = [generate.screen("web", i).program.layout for i in range(2000)]
    parts = [generate.part_of(layout) for layout in layouts]
    assert {generate.part_of(layout) for layout in layouts[:1]} == {parts[0]}
    for part, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert abs(parts.count(part) / 2000 - share) < 0.03
    uneven = [generate.part_of(layout, 0.1, 0.3) for layout in layouts]
    assert abs(uneven.count("test") / 2000 - 0.3) < 0.03
    assert {generate.part_of(layout, 0.5, 0.5) for layout in layouts} == {"valid", "test"}
