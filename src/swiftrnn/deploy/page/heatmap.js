// How much each word of a translation (a row) attended to each word of the text (a column).

import { make, percent } from "./make.js";

export function output(root) {
  const scroll = make("div");
  scroll.className = "heatmap";
  scroll.tabIndex = 0;
  root.append(scroll);
  return {
    show(value) {
      const table = make("table");
      table.append(make("caption", "Rows: the translation; columns: the text"));
      const head = make("tr");
      head.append(make("td"), ...value.source.map((word) => header(word, "col")));
      table.append(head);
      value.weights.forEach((row, number) => {
        const line = make("tr");
        line.append(header(value.target[number], "row"));
        row.forEach((weight, place) => {
          const cell = make("td", weight >= 0.1 ? percent(weight, 0) : "");
          cell.style.setProperty("--weight", weight.toFixed(3));
          cell.title = `${value.target[number]} → ${value.source[place]}: ${percent(weight, 1)}`;
          line.append(cell);
        });
        table.append(line);
      });
      scroll.replaceChildren(table);
    },
  };
}

function header(word, scope) {
  const cell = make("th", word);
  cell.scope = scope;
  return cell;
}
