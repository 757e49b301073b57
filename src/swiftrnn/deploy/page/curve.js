// A curve: a drawing of its points, and a table of them, which is also what is read out.

import { make, svg } from "./make.js";

const WIDEST = 640;
const NARROWEST = 300; // so that numbers stay readable on a phone
const HIGH = 300;
const LEFT = 52;
const BELOW = 46;

export function output(root, description) {
  const box = make("div", "", "curve");
  root.append(box);
  const { x, y } = description.schema.items.properties;
  return {
    show(points) {
      if (!points.length) return box.replaceChildren(make("p", "There is nothing to show.", "soft"));
      const wide = Math.max(NARROWEST, Math.min(WIDEST, root.clientWidth));
      box.replaceChildren(drawn(points, x.description, y.description, wide), table(points, x.description, y.description));
    },
  };
}

function drawn(points, x, y, wide) {
  const picture = svg("svg", { viewBox: `0 0 ${wide} ${HIGH}`, "aria-hidden": "true" });
  const low = points[0].x;
  const high = points.at(-1).x;
  const log = low > 0 && high / low >= 16; // else equal steps would be crowded on the left
  const place = (value) => (log ? Math.log(value) : value);
  const span = place(high) - place(low) || 1;
  const top = Math.max(...points.map((each) => each.y), 0) * 1.05 || 1;
  const across = (value) => LEFT + ((place(value) - place(low)) / span) * (wide - LEFT - 16);
  const up = (value) => HIGH - BELOW - (value / top) * (HIGH - BELOW - 12);
  for (const value of steps(top)) {
    picture.append(svg("line", { x1: LEFT, x2: wide - 8, y1: up(value), y2: up(value), class: "grid" }));
    picture.append(svg("text", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, `${value}`));
  }
  let last = -Infinity;
  for (const each of points) {
    if (across(each.x) - last < 34) continue; // numbers would touch
    last = across(each.x);
    picture.append(svg("text", { x: last, y: HIGH - BELOW + 18, "text-anchor": "middle" }, `${each.x}`));
  }
  picture.append(svg("text", { x: (wide + LEFT) / 2, y: HIGH - 6, "text-anchor": "middle" }, x));
  picture.append(svg("text", { x: 12, y: 12, "text-anchor": "start" }, y));
  const path = points.map((each) => `${across(each.x)},${up(each.y)}`).join(" ");
  picture.append(svg("polyline", { points: path, class: "line" }));
  for (const each of points) picture.append(svg("circle", { cx: across(each.x), cy: up(each.y), r: 4 }));
  return picture;
}

function steps(top) {
  const rough = 10 ** Math.floor(Math.log10(top));
  const size = [0.2, 0.5, 1, 2].map((each) => each * rough).find((each) => top / each <= 5) ?? rough * 2;
  return Array.from({ length: Math.floor(top / size) + 1 }, (_, i) => Number((i * size).toPrecision(3)));
}

function table(points, x, y) {
  const found = make("table");
  const head = make("tr");
  for (const name of [x, y]) head.append(make("th", name));
  found.append(head);
  for (const each of points) {
    const row = make("tr");
    row.append(make("td", `${each.x}`), make("td", each.y.toFixed(3)));
    found.append(row);
  }
  return found;
}
