"""Programs as layouts of Android: XML with the styles of the system alone, no library needed."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from swiftrnn.data.screens.grammar import FULL, Kind
from swiftrnn.data.screens.program import Node, Program
from swiftrnn.data.screens.texts import Texts

SPACE = "http://schemas.android.com/apk/res/android"
STYLE = "@android:style/Widget.Material"
FONT = "@android:style/TextAppearance.Material"
COLOURS = {"green": "#5cb85c", "orange": "#f0ad4e", "red": "#d9534f", "active": "#337ab7"}
DRAWABLES = {  # of the system, for each icon
    "home": "ic_menu_myplaces", "dashboard": "ic_menu_sort_by_size",
    "notifications": "ic_popup_reminder", "search": "ic_menu_search", "contact": "ic_menu_call",
    "download": "stat_sys_download_done", "more": "ic_menu_more",
}  # fmt: skip
TABS = {"contact": "contacts", "download": "downloads"}


def layout(program: Program, seed: int = 0) -> str:
    """A program as a layout file, `res/layout/NAME.xml`.

    Args:
        program: of any platform.
        seed: of the texts.

    Examples:
        >>> from swiftrnn.data.screens.program import parse
        >>> "<Switch" in layout(parse("stack { row { btn, switch } }"))
        True
    """
    ET.register_namespace("android", SPACE)
    found = _Writer(program, Texts(seed)).whole(program.body)
    ET.indent(found, " " * 4)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(found, "unicode")}\n'


def _element(tag: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {f"{{{SPACE}}}{name}": value for name, value in attributes.items()})


def _linear(orientation: str, **attributes: str) -> ET.Element:
    wide = {"layout_width": "match_parent", "layout_height": "wrap_content"}
    return _element("LinearLayout", **(wide | {"orientation": orientation} | attributes))


def escaped(text: str) -> str:
    """A text in which nothing has a meaning to the resource compiler."""
    found = text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
    return f"\\{found}" if found[:1] in ("@", "?") else found


class _Writer:
    """Nodes to elements; texts and ids are given in the order of the program.

    Each role of `Kind` has the method of its name.
    """

    def __init__(self, program: Program, texts: Texts) -> None:
        self.kinds, self.texts = program.kinds, texts
        self.counts: dict[str, int] = {}

    def whole(self, body: Node) -> ET.Element:
        page = _linear("vertical", layout_height="match_parent", id="@+id/page")
        bars = {"before": [], "after": []}
        middle = _linear("vertical")
        for node in body.children:
            kind = self.kinds[node.name]
            if kind.role == "bar":
                bars["after" if len(middle) else "before"].append(self.bar(node, kind))
            else:
                held = node.children if kind.role == "stack" else (node,)
                middle.extend(self.all(held))
        scroll = _element(
            "ScrollView", id="@+id/scroll", layout_width="match_parent", layout_height="0dp",
            layout_weight="1", padding="10dp",
        )  # fmt: skip
        scroll.append(middle)
        page.extend([*bars["before"], scroll, *bars["after"]])
        return page

    def all(self, nodes: Iterable[Node]) -> list[ET.Element]:
        return [self.one(node) for node in nodes]

    def one(self, node: Node) -> ET.Element:
        kind = self.kinds[node.name]
        return getattr(self, kind.role)(node, kind)

    def view(self, tag: str, role: str, **attributes: str) -> ET.Element:
        """An element with an id that no other has."""
        self.counts[role] = self.counts.get(role, 0) + 1
        size = {"layout_width": "wrap_content", "layout_height": "wrap_content"}
        name = f"@+id/{role}_{self.counts[role]}"
        return _element(tag, **({"id": name} | size | attributes))

    def words(self, role: str) -> str:
        return escaped(self.texts.next(role))

    def bar(self, node: Node, _: Kind) -> ET.Element:
        found = _linear("horizontal", padding="4dp", weightSum=str(len(node.children)))
        found.extend(self.all(node.children))
        return found

    def tab(self, _: Node, kind: Kind) -> ET.Element:
        shared = {"layout_width": "0dp", "layout_weight": "1"}
        if kind.look in DRAWABLES:
            shown = {
                "drawableTop": f"@android:drawable/{DRAWABLES[kind.look]}",
                "text": TABS.get(kind.look, kind.look).capitalize(),
            }
        else:
            shown = {"text": self.words("tab")}
        if kind.look in COLOURS:
            shown |= {"backgroundTint": COLOURS[kind.look], "textColor": "#ffffff"}
        return self.styled(self.view("Button", "tab", **shared, **shown), "Button.Borderless.Small")

    def styled(self, view: ET.Element, style: str) -> ET.Element:
        view.set("style", f"{STYLE}.{style}")
        return view

    def row(self, node: Node, _: Kind) -> ET.Element:
        cells = any(self.kinds[child.name].width for child in node.children)
        more = {"weightSum": str(FULL)} if cells else {"gravity": "center_vertical"}
        found = _linear("horizontal", paddingTop="10dp", paddingBottom="10dp", **more)
        found.extend(self.all(node.children))
        return found

    def cell(self, node: Node, kind: Kind) -> ET.Element:
        found = _linear(
            "vertical", layout_width="0dp", layout_weight=str(kind.width), layout_margin="4dp",
            padding="12dp", background="#f5f5f5",
        )  # fmt: skip
        found.extend(self.all(node.children))
        return found

    def title(self, _: Node, kind: Kind) -> ET.Element:
        font = f"{FONT}.{'Headline' if kind.look == 'big' else 'Title'}"
        return self.view("TextView", "title", text=self.words("title"), textAppearance=font)

    def text(self, _: Node, __: Kind) -> ET.Element:
        return self.view(
            "TextView", "text", text=self.words("text"), textAppearance=f"{FONT}.Body1"
        )

    def label(self, _: Node, __: Kind) -> ET.Element:
        return self.view(
            "TextView", "label", text=self.words("label"), textAppearance=f"{FONT}.Body2",
            padding="4dp",
        )  # fmt: skip

    def button(self, _: Node, kind: Kind) -> ET.Element:
        look = {"backgroundTint": COLOURS[kind.look], "textColor": "#ffffff"} if kind.look else {}
        return self.view("Button", "button", text=self.words("button"), **look)

    def slider(self, _: Node, __: Kind) -> ET.Element:
        found = self.view(
            "SeekBar", "slider", layout_width="0dp", layout_weight="1", max="10", progress="5"
        )
        return self.styled(found, "SeekBar.Discrete")

    def toggle(self, _: Node, kind: Kind) -> ET.Element:
        tags = {"switch": "Switch", "check": "CheckBox", "radio": "RadioButton"}
        return self.view(tags[kind.role], kind.role, text=self.words("label"), checked="true")

    switch = check = radio = toggle

    def image(self, _: Node, __: Kind) -> ET.Element:
        return self.view(
            "ImageView", "image", src="@android:drawable/ic_menu_gallery",
            contentDescription="image",
        )  # fmt: skip

    def add(self, _: Node, __: Kind) -> ET.Element:
        return self.view(
            "ImageButton", "add", src="@android:drawable/ic_input_add", contentDescription="add"
        )
