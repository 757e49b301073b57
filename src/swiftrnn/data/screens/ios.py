"""Programs as storyboards of iOS: XML that Xcode opens, with stacks and constraints."""

import string
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from swiftrnn.data.screens.grammar import FULL, Kind
from swiftrnn.data.screens.program import Node, Program
from swiftrnn.data.screens.texts import Texts

SIGNS = string.digits + string.ascii_lowercase
SPREAD = 1_103_515_245  # odd and no multiple of 3: numbers times it, modulo 36^8, all differ
COLOURS = {"green": (0.36, 0.72, 0.36), "orange": (0.94, 0.68, 0.31), "red": (0.85, 0.33, 0.31),
           "active": (0.20, 0.48, 0.72)}  # fmt: skip
ITEMS = {"home": "featured", "dashboard": "mostViewed", "notifications": "mostRecent",
         "search": "search", "contact": "contacts", "download": "downloads",
         "more": "more"}  # fmt: skip
IMAGES = {"check": "checkmark.square.fill", "radio": "largecircle.fill.circle"}
WIDTH, HEIGHT, BAR = 375, 667, 49


def storyboard(program: Program, seed: int = 0) -> str:
    """A program as a storyboard with one scene.

    Args:
        program: of any platform.
        seed: of the texts.

    Examples:
        >>> from swiftrnn.data.screens.program import parse
        >>> "<slider" in storyboard(parse("stack { row { img, slider } }"))
        True
    """
    found = _Writer(program, Texts(seed)).document(program.body)
    ET.indent(found, " " * 4)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(found, "unicode")}\n'


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _color(view: ET.Element, key: str, rgb: tuple[float, float, float]) -> None:
    red, green, blue = map(_number, rgb)
    _add(view, "color", key=key, red=red, green=green, blue=blue, alpha="1",
         colorSpace="custom", customColorSpace="sRGB")  # fmt: skip


class _Writer:
    """Nodes to views; texts and ids are given in the order of the program.

    Each role of `Kind` has the method of its name.
    """

    def __init__(self, program: Program, texts: Texts) -> None:
        self.kinds, self.texts, self.count = program.kinds, texts, 0
        self.images: set[str] = set()
        self.limits: list[dict[str, str]] = []  # constraints, of the whole scene

    def id(self) -> str:
        """Three, two and three signs, which no other object has."""
        self.count += 1
        rest, signs = self.count * SPREAD % 36**8, ""
        for _ in range(8):
            rest, digit = divmod(rest, 36)
            signs += SIGNS[digit]
        return f"{signs[:3]}-{signs[3:5]}-{signs[5:]}"

    def document(self, body: Node) -> ET.Element:
        first, scene = self.id(), self.id()
        found = ET.Element(
            "document", type="com.apple.InterfaceBuilder3.CocoaTouch.Storyboard.XIB",
            version="3.0", toolsVersion="15400", targetRuntime="iOS.CocoaTouch",
            propertyAccessControl="none", useAutolayout="YES", useTraitCollections="YES",
            useSafeAreas="YES", initialViewController=first,
        )  # fmt: skip
        _add(found, "device", id="retina4_7", orientation="portrait", appearance="light")
        needs = _add(found, "dependencies")
        plug = "com.apple.InterfaceBuilder.IBCocoaTouchPlugin"
        _add(needs, "plugIn", identifier=plug, version="15404")
        _add(needs, "capability", name="Safe area layout guides", minToolsVersion="9.0")
        objects = _add(_add(_add(found, "scenes"), "scene", sceneID=scene), "objects")
        shown = _add(objects, "viewController", id=first, sceneMemberID="viewController")
        self.screen(shown, body)
        _add(objects, "placeholder", placeholderIdentifier="IBFirstResponder", id=self.id(),
             userLabel="First Responder", sceneMemberID="firstResponder")  # fmt: skip
        if self.images:
            resources = _add(found, "resources")
            for name in sorted(self.images):
                _add(resources, "image", name=name, catalog="system", width="128", height="114")
        return found

    def screen(self, shown: ET.Element, body: Node) -> None:
        whole, safe = self.id(), self.id()
        view = _add(shown, "view", key="view", contentMode="scaleToFill", id=whole)
        _add(view, "rect", key="frame", x="0.0", y="0.0", width=f"{WIDTH}", height=f"{HEIGHT}")
        _add(view, "autoresizingMask", key="autoresizingMask", widthSizable="YES",
             heightSizable="YES")  # fmt: skip
        views = _add(view, "subviews")
        stack = self.stacked("vertical", 10)
        views.append(stack)
        for node in body.children:
            kind = self.kinds[node.name]
            if kind.role == "bar" and self.kinds[node.children[0].name].look in ITEMS:
                views.append(self.tab_bar(node, safe))
            else:
                held = node.children if kind.role == "stack" else (node,)
                stack.find("subviews").extend(self.all(held))  # pyright: ignore
        for side, constant in (("top", 20), ("leading", 16)):
            self.tie(stack.get("id", ""), side, safe, side, constant)
        self.tie(safe, "trailing", stack.get("id", ""), "trailing", 16)
        _color(view, "backgroundColor", (1, 1, 1))
        constraints = _add(view, "constraints")
        for each in self.limits:
            _add(constraints, "constraint", **each, id=self.id())
        _add(view, "viewLayoutGuide", key="safeArea", id=safe)

    def tie(self, one: str, side: str, other: str, where: str, constant: float = 0) -> None:
        self.limits.append({"firstItem": one, "firstAttribute": side, "secondItem": other,
                            "secondAttribute": where, "constant": _number(constant)})  # fmt: skip

    def tab_bar(self, node: Node, safe: str) -> ET.Element:
        bar = self.view("tabBar")
        items = _add(bar, "items")
        for child in node.children:
            _add(items, "tabBarItem", systemItem=ITEMS[self.kinds[child.name].look], id=self.id())
        for side in ("leading", "trailing", "bottom"):
            self.tie(bar.get("id", ""), side, safe, side)
        return bar

    def all(self, nodes: Iterable[Node]) -> list[ET.Element]:
        found = []
        for node in nodes:
            kind = self.kinds[node.name]
            found.append(getattr(self, kind.role)(node, kind))
        return found

    def view(self, tag: str, mode: str = "scaleToFill", **attributes: str) -> ET.Element:
        fixed = {"opaque": "NO", "contentMode": mode}
        fixed["translatesAutoresizingMaskIntoConstraints"] = "NO"
        return ET.Element(tag, fixed | attributes | {"id": self.id()})

    def stacked(
        self, axis: str, spacing: float, children: Iterable[ET.Element] = (), **more: str
    ) -> ET.Element:
        found = self.view("stackView", axis=axis, spacing=_number(spacing), **more)
        _add(found, "subviews").extend(children)
        return found

    def bar(self, node: Node, _: Kind) -> ET.Element:
        return self.stacked("horizontal", 12, self.all(node.children), distribution="fillEqually")

    def tab(self, _: Node, kind: Kind) -> ET.Element:
        return self.pressed(self.texts.next("tab"), COLOURS.get(kind.look, (0.2, 0.2, 0.2)))

    def row(self, node: Node, _: Kind) -> ET.Element:
        kinds = [self.kinds[child.name] for child in node.children]
        if not kinds[0].width:
            return self.stacked("horizontal", 30, self.all(node.children), alignment="center")
        cells = self.all(node.children)
        found = self.stacked("horizontal", 8, cells, alignment="top")
        for cell, kind in zip(cells, kinds, strict=True):
            self.tie(cell.get("id", ""), "width", found.get("id", ""), "width", -8)
            self.limits[-1] |= {"multiplier": _number(kind.width / FULL), "priority": "999"}
        return found

    def cell(self, node: Node, _: Kind) -> ET.Element:
        return self.stacked("vertical", 8, self.all(node.children), alignment="leading")

    def words(self, text: str, size: int, kind: str = "system") -> ET.Element:
        found = self.view(
            "label", "left", userInteractionEnabled="NO", text=text, textAlignment="natural",
            lineBreakMode="tailTruncation", numberOfLines="0", adjustsFontSizeToFit="NO",
            baselineAdjustment="alignBaselines",
        )  # fmt: skip
        _add(found, "fontDescription", key="fontDescription", type=kind, pointSize=f"{size}")
        _add(found, "nil", key="textColor")
        _add(found, "nil", key="highlightedColor")
        return found

    def title(self, _: Node, kind: Kind) -> ET.Element:
        return self.words(self.texts.next("title"), 28 if kind.look == "big" else 20, "boldSystem")

    def text(self, _: Node, __: Kind) -> ET.Element:
        return self.words(self.texts.next("text"), 15)

    def label(self, _: Node, __: Kind) -> ET.Element:
        return self.words(self.texts.next("label"), 17)

    def pressed(self, text: str, rgb: tuple[float, float, float] | None) -> ET.Element:
        found = self.view("button", buttonType="system", lineBreakMode="middleTruncation")
        state = _add(found, "state", key="normal", title=text)
        if rgb:
            _color(state, "titleColor", (1, 1, 1))
            _color(found, "backgroundColor", rgb)
        return found

    def button(self, _: Node, kind: Kind) -> ET.Element:
        return self.pressed(self.texts.next("button"), COLOURS.get(kind.look))

    def add(self, _: Node, __: Kind) -> ET.Element:
        return self.view("button", buttonType="contactAdd", lineBreakMode="middleTruncation")

    def slider(self, _: Node, __: Kind) -> ET.Element:
        return self.view("slider", value="0.5", minValue="0.0", maxValue="1")

    def toggle(self, _: Node, kind: Kind) -> ET.Element:
        if kind.role == "switch":
            return self.view("switch", on="YES")
        found = self.view("button", buttonType="system", lineBreakMode="middleTruncation")
        name = IMAGES[kind.role]
        self.images.add(name)
        text = self.texts.next("label")
        _add(found, "state", key="normal", title=text, image=name, catalog="system")
        return found

    switch = check = radio = toggle

    def image(self, _: Node, __: Kind) -> ET.Element:
        found = self.view("imageView", "scaleAspectFit", userInteractionEnabled="NO")
        _color(found, "backgroundColor", (0, 0.48, 1))
        constraints = _add(found, "constraints")
        for side in ("width", "height"):
            _add(constraints, "constraint", firstAttribute=side, constant="36", id=self.id())
        return found
