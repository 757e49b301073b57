// Translations, the best one first, each with the score that ranks it.

import { make } from "./make.js";

export function output(root) {
  const list = make("ol");
  root.append(list);
  return {
    show(value) {
      list.replaceChildren(
        ...value.map((each) => {
          const line = make("li", each.text);
          line.append(make("small", ` ${each.score.toFixed(2)}`));
          return line;
        }),
      );
    },
  };
}
