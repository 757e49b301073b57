// A probability: a number, and a bar as long.

import { make, percent } from "./make.js";

export function output(root, { schema }) {
  const list = make("ol", "", "bars");
  root.append(list);
  return {
    show(value) {
      const row = make("li", "", "best");
      const bar = make("span", "", "bar");
      bar.style.setProperty("--share", `${100 * value}%`);
      bar.ariaHidden = "true";
      row.append(make("span", schema.description, "class"), bar, make("span", percent(value, 1)));
      list.replaceChildren(row);
    },
  };
}
