// What several systems make of a text, and how long each took.

import { make } from "./make.js";

export function output(root) {
  const table = make("table", "", "systems");
  root.append(table);
  return {
    show(value) {
      const slowest = Math.max(...value.map((each) => each.milliseconds)) || 1;
      table.replaceChildren(
        ...value.map((each) => {
          const row = make("tr");
          const name = make("th", each.system);
          const time = make("td", `${each.milliseconds.toFixed(1)} ms`, "time");
          const bar = make("span", "", "bar");
          name.scope = "row";
          bar.style.setProperty("--share", `${(100 * each.milliseconds) / slowest}%`);
          bar.ariaHidden = "true";
          time.append(bar);
          row.append(name, make("td", each.text), time);
          return row;
        }),
      );
    },
  };
}
