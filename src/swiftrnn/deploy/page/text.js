// A text: typed, or shown. Where it comes in pieces and the first is what was typed, that and what
// is added to it are told apart.

import { make, words } from "./make.js";

export function input(root, description) {
  const label = make("label", description.schema.title ?? words(description.name), "name");
  const field = make("textarea");
  field.id = `input-${description.name}`;
  field.placeholder = "Type or paste a text";
  field.lang = description.schema["x-language"] ?? "";
  field.rows = 5;
  label.htmlFor = field.id;
  root.append(label, field);
  return { get: () => field.value, focus: () => field.focus() };
}

export function output(root, description) {
  const given = make("span", "", "given");
  const added = make("span", "", "added");
  const text = make("p", "", "text");
  text.lang = description.schema["x-language"] ?? "";
  text.append(given, added);
  root.append(text);
  let asked = "";
  return {
    show(value, input) {
      asked = value === undefined ? input : "";
      given.textContent = "";
      added.textContent = value ?? "";
    },
    append(piece) {
      if (asked && piece === asked) given.textContent = piece;
      else added.append(piece);
      asked = "";
    },
  };
}
