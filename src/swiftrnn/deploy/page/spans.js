// A text with marks on what was found in it. Places count Unicode characters, as Python does;
// JavaScript's strings count units of UTF-16, so the text is taken apart first.

import { make, percent } from "./make.js";

const types = []; // in the order they were first seen, which decides their colours

function color(type, alpha) {
  if (!types.includes(type)) types.push(type);
  return `hsl(${(types.indexOf(type) * 137 + 210) % 360} 70% 50% / ${alpha})`;
}

export function output(root) {
  const text = make("p", "", "spans");
  root.append(text);
  return {
    show(value, input) {
      const signs = Array.from(input);
      const parts = [];
      let at = 0;
      for (const each of value) {
        parts.push(signs.slice(at, each.start).join(""));
        const mark = make("mark", signs.slice(each.start, each.end).join(""));
        mark.style.backgroundColor = color(each.type, 0.2);
        mark.style.borderColor = color(each.type, 0.2 + 0.8 * each.confidence);
        mark.append(make("small", `${each.type} ${percent(each.confidence)}`));
        parts.push(mark);
        at = each.end;
      }
      parts.push(signs.slice(at).join(""));
      text.replaceChildren(...parts);
    },
  };
}
