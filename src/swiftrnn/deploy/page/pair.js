// Two values of one kind, side by side.

import * as image from "./image.js";
import { make } from "./make.js";
import * as text from "./text.js";

export function input(root, { name, schema }) {
  const kind = schema.items["x-accept"] ? image : text;
  const box = make("div", "", "pair");
  root.append(box);
  const both = schema["x-titles"].map((title, place) => {
    const field = make("div");
    box.append(field);
    return kind.input(field, { name: `${name}-${place + 1}`, schema: { ...schema.items, title } });
  });
  return { get: () => Promise.all(both.map((each) => each.get())), focus: () => both[0].focus() };
}

export function output(root, { name, schema }) {
  const kind = schema.items["x-accept"] ? image : text;
  const box = make("div", "", "pair");
  root.append(box);
  const both = schema["x-titles"].map((title) => {
    const field = make("div");
    box.append(field);
    return kind.output(field, { name, schema: { ...schema.items, title } });
  });
  return { show: (value) => both.forEach((each, place) => each.show(value[place])) };
}
