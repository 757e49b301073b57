// Where a screenshot was looked at for each name of its program: touch a name to see.

import { make } from "./make.js";

export function output(root) {
  const box = make("div", "", "regions");
  const field = make("canvas");
  const list = make("div", "", "names");
  const about = make("p", "Choose a name to see where it was found.", "soft");
  field.setAttribute("role", "img");
  box.append(field, list);
  root.append(about, box);
  return {
    async show(value, asked) {
      const picture = new Image();
      picture.src = asked;
      await picture.decode();
      field.width = Math.min(picture.naturalWidth, 800);
      field.height = Math.round((field.width * picture.naturalHeight) / picture.naturalWidth);
      const buttons = value.names.map((name, place) => {
        const button = make("button", name, "plain");
        button.type = "button";
        const shows = () => {
          for (const each of buttons) each.ariaPressed = String(each === button);
          draw(field, picture, value.weights[place], value.share);
          field.ariaLabel = `Where ${name} was found`;
        };
        for (const event of ["click", "focus", "pointerenter"]) button.addEventListener(event, shows);
        return button;
      });
      list.replaceChildren(...buttons);
      draw(field, picture, [], value.share);
      field.ariaLabel = "The screenshot";
    },
  };
}

function draw(field, picture, grid, [high, wide]) {
  const pen = field.getContext("2d");
  pen.globalAlpha = 1;
  pen.drawImage(picture, 0, 0, field.width, field.height);
  if (!grid.length) return;
  const most = Math.max(...grid.flat()) || 1;
  const [down, right] = [field.height / high / grid.length, field.width / wide / grid[0].length];
  pen.fillStyle = "#d55e00";
  grid.forEach((row, r) =>
    row.forEach((weight, c) => {
      pen.globalAlpha = (0.75 * weight) / most;
      pen.fillRect(c * right, r * down, right, down);
    }),
  );
}
