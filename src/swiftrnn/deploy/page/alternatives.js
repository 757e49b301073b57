// Of each sentence, the likeliest ways to read it.

import { make, percent } from "./make.js";

export function output(root) {
  const box = make("div");
  root.append(box);
  return {
    show(value) {
      const parts = value.flatMap((sentence, number) => {
        const list = make("ol");
        for (const each of sentence) {
          const names = each.entities.map((e) => `${e.text} (${e.type})`).join(", ");
          const line = make("li");
          line.append(make("b", percent(each.probability, 1)), ` ${names || "nothing found"}`);
          list.append(line);
        }
        return [make("h3", `Sentence ${number + 1}`), list];
      });
      box.replaceChildren(...parts);
    },
  };
}
