"""Programs as HTML: one page without scripts, with the look of its platform; fetches nothing."""

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from swiftrnn.data.screens.grammar import Kind
from swiftrnn.data.screens.program import Node, Program
from swiftrnn.data.screens.texts import Texts

ICONS = {  # paths in a square of 24
    "home": "M3 11 12 3l9 8v10h-6v-6H9v6H3z",
    "dashboard": "M3 3h8v10H3zM13 3h8v6h-8zM13 11h8v10h-8zM3 15h8v6H3z",
    "notifications": "M12 2a2 2 0 0 0-2 2 7 7 0 0 0-4 6v5l-2 3h16l-2-3v-5a7 7 0 0 0-4-6 2 2 0 0 "
                     "0-2-2zM10 20h4a2 2 0 0 1-4 0z",
    "search": "M10 3a7 7 0 1 0 4.2 12.6L20 21.4 21.4 20l-5.8-5.8A7 7 0 0 0 10 3zm0 2a5 5 0 1 1 0 "
              "10 5 5 0 0 1 0-10z",
    "contact": "M12 3a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM3 21c0-5 4-7 9-7s9 2 9 7z",
    "download": "M11 3h2v9l4-4 1.5 1.5L12 16 5.5 9.5 7 8l4 4zM4 18h16v3H4z",
    "more": "M6 12a2 2 0 1 1-4 0 2 2 0 0 1 4 0zm8 0a2 2 0 1 1-4 0 2 2 0 0 1 4 0zm8 0a2 2 0 1 1-4 "
            "0 2 2 0 0 1 4 0z",
}  # fmt: skip
TABS = {"home": "Home", "dashboard": "Dashboard", "notifications": "Notifications",
        "search": "Search", "contact": "Contacts", "download": "Downloads",
        "more": "More"}  # fmt: skip


@dataclass(frozen=True)
class Theme:
    """What a page looks like beside its program.

    Attributes:
        variables: of the style sheet in place of those that it has: "--panel" to "#eee".
        style: of the texts; see `texts.STYLES`.
    """

    variables: tuple[tuple[str, str], ...] = ()
    style: str = "letters"


def page(program: Program, seed: int = 0, theme: Theme | None = None) -> str:
    """A program as a page of HTML5.

    Args:
        program: of any platform.
        seed: of the texts.
        theme: what it looks like; as its platform does by default.

    Examples:
        >>> from swiftrnn.data.screens.program import parse
        >>> "<button" in page(parse("row { single { btn-red } }"))
        True
    """
    theme = theme or Theme()
    writer = _Writer(program, Texts(seed, theme.style))
    body = writer.all(program.body.children)
    own = "".join(f"{escape(k)}:{escape(v)};" for k, v in theme.variables)
    foot = f"<footer><p>© {escape(writer.texts.next('title'))}</p></footer>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(writer.texts.next('title'))}</title>\n"
        f"<style>\n{_styles(program.platform)}"
        + (f":root{{{own}}}\n" if own else "")
        + f'</style>\n</head>\n<body class="{program.platform}">\n{body}'
        + (foot if program.platform == "web" else "")
        + "</body>\n</html>\n"
    )


@cache
def _styles(look: str) -> str:
    here = Path(__file__).parent
    return "".join((here / f"{name}.css").read_text(encoding="utf-8") for name in ("page", look))


class _Writer:
    """Nodes to elements; texts are drawn in the order of the program.

    Each role of `Kind` has the method of its name.
    """

    def __init__(self, program: Program, texts: Texts) -> None:
        self.kinds, self.texts, self.groups = program.kinds, texts, 0

    def all(self, nodes: tuple[Node, ...]) -> str:
        return "".join(self.one(node, self.kinds[node.name]) for node in nodes)

    def one(self, node: Node, kind: Kind) -> str:
        return getattr(self, kind.role)(node, kind) + "\n"

    def words(self, role: str) -> str:
        return escape(self.texts.next(role))

    def bar(self, node: Node, _: Kind) -> str:
        items = "".join(
            f"<li>{self.one(c, self.kinds[c.name]).strip()}</li>" for c in node.children
        )
        return f'<nav class="bar" aria-label="{node.name}"><ul>{items}</ul></nav>'

    def tab(self, _: Node, kind: Kind) -> str:
        if kind.look in ICONS:
            icon = (
                f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[kind.look]}"/></svg>'
            )
            return f'<a href="#">{icon}<span>{TABS[kind.look]}</span></a>'
        here = ' class="active" aria-current="page"' if kind.look == "active" else ""
        return f'<a href="#"{here}>{self.words("tab")}</a>'

    def stack(self, node: Node, _: Kind) -> str:
        return f'<main class="stack">\n{self.all(node.children)}</main>'

    def row(self, node: Node, _: Kind) -> str:
        self.groups += 1
        return f'<div class="row">\n{self.all(node.children)}</div>'

    def cell(self, node: Node, kind: Kind) -> str:
        return f'<div class="cell w{kind.width}">\n{self.all(node.children)}</div>'

    def title(self, _: Node, kind: Kind) -> str:
        level = "h2" if kind.look == "big" else "h3"
        return f"<{level}>{self.words('title')}</{level}>"

    def text(self, _: Node, __: Kind) -> str:
        return f"<p>{self.words('text')}</p>"

    def label(self, _: Node, __: Kind) -> str:
        return f'<span class="label">{self.words("label")}</span>'

    def button(self, _: Node, kind: Kind) -> str:
        look = f" {kind.look}" if kind.look else ""
        return f'<button type="button" class="button{look}">{self.words("button")}</button>'

    def slider(self, _: Node, __: Kind) -> str:
        return '<input type="range" class="slider" aria-label="slider" min="0" max="10" value="5">'

    def toggle(self, _: Node, kind: Kind) -> str:
        kinds = {
            "switch": 'type="checkbox" role="switch" checked',
            "check": 'type="checkbox" checked',
            "radio": f'type="radio" name="group-{self.groups}" checked',
        }
        return (
            f'<label class="{kind.role}"><input {kinds[kind.role]}>'
            f"<span>{self.words('label')}</span></label>"
        )

    switch = check = radio = toggle

    def image(self, _: Node, __: Kind) -> str:
        return '<span class="image" role="img" aria-label="image"></span>'

    def add(self, _: Node, __: Kind) -> str:
        return '<button type="button" class="add" aria-label="add">+</button>'
