"""Draws the diagrams that explain systems to beginners: `python docs/diagrams.py`.

All text stands in filled boxes, so that the files read well on light and on dark pages.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
INPUT, STATE, OUTPUT, NOTE = "#d9dee4", "#bcd4f6", "#c4e6cf", "#f6e2b8"
INK, LINE, STRONG = "#1d2226", "#7b8794", "#c2410c"
HIGH = 34  # of a box


class Drawing:
    """Boxes and arrows.

    Args:
        width: of the picture.
        height: of the picture.
        title: read out where it cannot be seen.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size, self.title, self.parts = (width, height), title, []

    def box(self, x: float, y: float, text: str, fill: str, width: float = 0) -> None:
        """A box around its centre, as wide as its text needs."""
        wide = width or max(40, 9 * len(text) + 18)
        self.parts.append(
            f'<rect x="{x - wide / 2:.1f}" y="{y - HIGH / 2:.1f}" width="{wide:.1f}" '
            f'height="{HIGH}" rx="7" fill="{fill}"/>'
        )
        shown = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y + 5:.1f}">{shown}</text>')

    def arrow(
        self, x: float, y: float, to_x: float, to_y: float, color: str = LINE, width: float = 1.6,
        dashed: bool = False,
    ) -> None:  # fmt: skip
        """A line with a head."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = "strong" if color == STRONG else "head"
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{color}" '
            f'stroke-width="{width}"{dash} marker-end="url(#{head})"/>'
        )

    def write(self, name: str) -> None:
        """The file."""
        wide, high = self.size
        heads = "".join(
            f'<marker id="{name_}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{color}"/></marker>'
            for name_, color in (("head", LINE), ("strong", STRONG))
        )
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
            f'aria-label="{self.title}" font-family="system-ui, DejaVu Sans, sans-serif" '
            f'font-size="15" text-anchor="middle" fill="{INK}"><defs>{heads}</defs>'
            + "\n".join(self.parts) + "</svg>\n"
        )  # fmt: skip
        (PICTURES / name).write_text(text, encoding="utf-8")


def across(count: int, first: float, step: float) -> list[float]:
    """Places side by side."""
    return [first + i * step for i in range(count)]


def unrolled(
    drawing: Drawing, x: Sequence[float], y: float, inputs: Sequence[str], outputs: Sequence[str],
    state: str = "state",
) -> None:  # fmt: skip
    """A recurrent layer, step by step: inputs below, outputs above."""
    for i, place in enumerate(x):
        drawing.box(place, y, state, STATE, 66)
        if i:
            drawing.arrow(x[i - 1] + 35, y, place - 37, y)
        if inputs:
            drawing.box(place, y + 70, inputs[i], INPUT)
            drawing.arrow(place, y + 52, place, y + 20)
        if outputs:
            drawing.box(place, y - 70, outputs[i], OUTPUT)
            drawing.arrow(place, y - 18, place, y - 51)


def markov_order() -> None:
    """The state, and a window of the last bytes."""
    drawing = Drawing(760, 330, "A recurrent network over the bytes of a text; the state carries "
                                "the past, a short history begins with an empty state")  # fmt: skip
    letters = list("the cat")
    x = across(7, 60, 92)
    unrolled(drawing, x, 90, [f"{c}" if c != " " else "␣" for c in letters], [])
    drawing.box(712, 90, "next?", OUTPUT)
    drawing.arrow(x[-1] + 35, 90, 678, 90)
    drawing.box(225, 25, "all bytes before: only the state is handed on", NOTE)
    unrolled(drawing, x[4:], 230, letters[4:], [])
    drawing.box(x[3], 230, "empty", NOTE)
    drawing.arrow(x[3] + 33, 230, x[4] - 37, 230, dashed=True)
    drawing.box(712, 230, "next?", OUTPUT)
    drawing.arrow(x[-1] + 35, 230, 678, 230)
    drawing.box(150, 230, "the last k = 3 bytes alone", NOTE)
    drawing.write("markov_order-idea.svg")


def pix2code() -> None:
    """A screenshot to a program to files."""
    drawing = Drawing(760, 300, "A screenshot is read by convolutions and recurrent layers, a "
                                "decoder attends to them and writes a program, which is compiled "
                                "for three platforms")  # fmt: skip
    drawing.box(70, 270, "screenshot", INPUT)
    drawing.box(210, 270, "convolutions", STATE)
    drawing.box(385, 270, "recurrent layers", STATE)
    drawing.box(555, 270, "what is seen", NOTE)
    for x, to in ((126, 139), (279, 303), (467, 490)):
        drawing.arrow(x, 270, to, 270)
    steps = across(5, 70, 112)
    unrolled(drawing, steps, 130, [], ["header", "btn-active", "}", "row", "…"])
    for place in steps:
        drawing.arrow(555, 252, place, 150, dashed=True)
    for y, text in ((30, "HTML"), (80, "Android"), (130, "iOS")):
        drawing.box(690, y, text, OUTPUT, 90)
        drawing.arrow(546, 60, 642, y)
    drawing.write("pix2code-idea.svg")


def enas() -> None:
    """A controller writes cells, and is rewarded for those that shared weights find good."""
    drawing = Drawing(760, 250, "A controller writes cells; shared weights are trained on them; "
                                "the controller is rewarded for what they predict")  # fmt: skip
    drawing.box(110, 60, "controller", STATE, 120)
    for y, text in ((40, "0:tanh 1:relu"), (90, "0:relu 0:tanh"), (140, "0:sigmoid 1:tanh")):
        drawing.box(340, y, text, NOTE, 170)
        drawing.arrow(170, 60, 252, y)
        drawing.arrow(425, y, 538, 90)
    drawing.box(620, 90, "shared weights", OUTPUT, 160)
    drawing.box(620, 200, "words to learn", INPUT, 160)
    drawing.arrow(620, 182, 620, 110)
    drawing.box(110, 200, "reward: words predicted", INPUT, 200)
    drawing.arrow(560, 108, 215, 192, dashed=True)
    drawing.arrow(110, 182, 110, 80)
    drawing.write("enas-idea.svg")


def one_shot() -> None:
    """Glimpses of two drawings in turn."""
    drawing = Drawing(760, 330, "Glimpses of two drawings in turn are read by a recurrent layer, "
                                "which chooses the next place and at last says whether both show "
                                "the same character")  # fmt: skip
    drawing.box(150, 300, "first drawing", INPUT)
    drawing.box(430, 300, "second drawing", INPUT)
    x = across(5, 90, 125)
    for i, place in enumerate(x):
        drawing.box(place, 200, "glimpse", NOTE, 84)
        drawing.arrow((150, 430)[i % 2], 282, place, 220)
        drawing.box(place, 110, "state", STATE, 66)
        drawing.arrow(place, 182, place, 130)
        if i:
            drawing.arrow(x[i - 1] + 35, 110, place - 37, 110)
            drawing.arrow(x[i - 1] + 24, 129, place - 38, 182, dashed=True)
    drawing.box(660, 40, "the same?", OUTPUT)
    drawing.arrow(x[-1] + 35, 100, 650, 60)
    drawing.box(195, 40, "dashed: where to look next, and how closely", INPUT, 380)
    drawing.write("one_shot-idea.svg")


def grid_cells() -> None:
    """Steps of a walk to positions, and the map of a unit."""
    drawing = Drawing(760, 300, "A walk goes into a recurrent network, which predicts positions; "
                                "the rate map of a unit shows where it is active")  # fmt: skip
    x = across(4, 90, 130)
    unrolled(drawing, x, 150, ["step 1", "step 2", "step 3", "…"],
             ["position", "position", "position", "…"])  # fmt: skip
    drawing.box(650, 40, "one unit's activity", NOTE)
    drawing.arrow(x[-1] + 35, 140, 600, 60)
    for row in range(5):
        for column in range(5):
            bright = (row + 2 * column) % 4 == 0
            drawing.parts.append(
                f'<rect x="{590 + 26 * column}" y="{110 + 26 * row}" width="24" height="24" '
                f'fill="{STRONG if bright else INPUT}"/>'
            )
    drawing.arrow(650, 59, 650, 104)
    drawing.box(650, 270, "where it is active", OUTPUT)
    drawing.write("grid_cells-idea.svg")


def vector_to_sequence() -> None:
    """An image to a vector to letters."""
    drawing = Drawing(760, 250, "An image of digits becomes one vector, which is an input of every "
                                "step of a recurrent network that writes letters")  # fmt: skip
    drawing.box(70, 130, "image 305", INPUT)
    drawing.box(210, 130, "convolutions", STATE)
    drawing.arrow(122, 130, 143, 130)
    drawing.box(270, 215, "one vector", NOTE)
    drawing.arrow(220, 149, 250, 196)
    x = across(5, 370, 85)
    unrolled(drawing, x, 110, [], ["t", "h", "r", "e", "…"])
    for place in x:
        drawing.arrow(325, 212, place - 8, 130)
    for a, b in pairwise(x):
        drawing.arrow(a + 20, 45, b - 22, 92, dashed=True)
    drawing.write("vector_to_sequence-idea.svg")


def sequence_to_sequence() -> None:
    """Encoder, attention, decoder."""
    drawing = Drawing(760, 400, "An encoder reads the source in both directions; a decoder writes "
                                "word after word, and attends to the source words")  # fmt: skip
    source, target = ["Wo", "ist", "der", "Bahnhof", "?"], ["Where", "is", "the", "station", "?"]
    x = across(5, 100, 120)
    for i, (place, word) in enumerate(zip(x, source, strict=True)):
        drawing.box(place, 370, word, INPUT)
        drawing.box(place, 300, "encoder", STATE, 84)
        drawing.arrow(place, 352, place, 320)
        if i:
            drawing.arrow(x[i - 1] + 43, 295, place - 45, 295)
            drawing.arrow(place - 43, 305, x[i - 1] + 45, 305)
    y = [place + 70 for place in x]
    for i, (place, word) in enumerate(zip(y, target, strict=True)):
        drawing.box(place, 110, "decoder", STATE, 84)
        drawing.box(place, 40, word, OUTPUT)
        drawing.arrow(place, 92, place, 60)
        if i:
            drawing.arrow(y[i - 1] + 43, 110, place - 45, 110)
            drawing.arrow(y[i - 1] + 24, 58, place - 30, 92, dashed=True)
    for place in x:
        strong = place == x[3]
        drawing.arrow(place, 282, y[3] - 4, 131, STRONG if strong else LINE, 3 if strong else 1)
    drawing.box(660, 205, "attention", NOTE)
    drawing.write("sequence_to_sequence-idea.svg")


def fertility() -> None:
    """Word after word beside all words at once."""
    drawing = Drawing(760, 360, "Each source word is copied as often as its fertility says, and "
                                "all words of the translation are written at once")  # fmt: skip
    source, counts = ["Wo", "ist", "der", "Hauptbahnhof", "?"], [1, 1, 1, 2, 1]
    target = ["Where", "is", "the", "main", "station", "?"]
    x, place = [70, 170, 270, 430, 590], []
    for i, (at, word, count) in enumerate(zip(x, source, counts, strict=True)):
        drawing.box(at, 335, word, INPUT)
        drawing.box(at, 265, f"{count} ×", NOTE)
        drawing.arrow(at, 317, at, 285)
        place += [i] * count
    y = across(6, 80, 118)
    for i, (at, word) in enumerate(zip(y, target, strict=True)):
        drawing.box(at, 170, source[place[i]], INPUT, 0 if place[i] != 3 else 110)
        drawing.arrow(x[place[i]], 247, at, 190)
        drawing.box(at, 40, word, OUTPUT)
        drawing.arrow(at, 84, at, 60)
        drawing.arrow(at, 152, at, 122)
    drawing.box(375, 103, "decoder: one pass for all words", STATE, 700)
    drawing.write("nonautoregressive_translation-idea.svg")


if __name__ == "__main__":
    for draw in (
        grid_cells,
        markov_order,
        enas,
        one_shot,
        pix2code,
        vector_to_sequence,
        sequence_to_sequence,
        fertility,
    ):
        draw()
