// The classes, the likeliest first, each with a bar as long as its probability.

import { make, percent } from "./make.js";

const SHOWN = 12;

export function output(root) {
  const box = make("div");
  root.append(box);
  return {
    show(value) {
      const rows = Object.entries(value.probabilities).sort((a, b) => b[1] - a[1]);
      const list = make("ol", "", "bars");
      for (const [name, probability] of rows.slice(0, SHOWN)) {
        const row = make("li", "", name === value.label ? "best" : "");
        const bar = make("span", "", "bar");
        bar.style.setProperty("--share", `${100 * probability}%`);
        bar.ariaHidden = "true";
        row.append(make("span", name, "class"), bar, make("span", percent(probability, 1)));
        list.append(row);
      }
      const left = rows.length - SHOWN;
      box.replaceChildren(list, ...(left > 0 ? [make("p", `and ${left} more`, "soft")] : []));
    },
  };
}
