// Windows on two images, one after the other: played, or chosen with a slider.

import { make } from "./make.js";

const PAUSE = 450; // milliseconds for a window
const COLOURS = ["#0072b2", "#d55e00"];
const SIDE = 210; // pixels of a field

export function output(root) {
  const box = make("div", "", "looks");
  const fields = ["first", "second"].map((name) => {
    const field = make("canvas");
    field.width = field.height = SIDE;
    field.setAttribute("role", "img");
    field.ariaLabel = `The ${name} image`;
    return field;
  });
  const slider = make("input");
  const label = make("label");
  const play = make("button", "Play", "plain");
  const row = make("div", "", "row");
  slider.type = "range";
  slider.id = "glimpse";
  slider.min = 1;
  label.htmlFor = slider.id;
  play.type = "button";
  row.append(play, label, slider);
  box.append(...fields, row);
  root.append(box);
  let windows = [];
  let pictures = [];
  let timer = 0;

  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const draw = () => {
    const now = Number(slider.value) - 1;
    label.textContent = `Glimpse ${now + 1} of ${windows.length}`;
    fields.forEach((field, place) => paint(field, pictures[place], windows[now], place));
  };
  const start = () => {
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = (Number(slider.value) % windows.length) + 1;
      draw();
    }, PAUSE);
  };
  slider.addEventListener("input", () => {
    stop();
    draw();
  });
  play.addEventListener("click", () => (timer ? stop() : start()));
  return {
    async show(value) {
      stop();
      pictures = value.images.map((url) => Object.assign(new Image(), { src: url }));
      await Promise.all(pictures.map((each) => each.decode()));
      windows = value.windows;
      slider.max = windows.length;
      slider.value = 1;
      draw();
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) start();
    },
  };
}

function paint(field, picture, [image, top, left, bottom, right], place) {
  const pen = field.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.drawImage(picture, 0, 0, SIDE, SIDE);
  if (image !== place) return;
  pen.strokeStyle = COLOURS[place];
  pen.lineWidth = 4;
  const [x, y] = [Math.max(left, 0) * SIDE, Math.max(top, 0) * SIDE];
  pen.strokeRect(x + 2, y + 2, Math.min(right, 1) * SIDE - x - 4, Math.min(bottom, 1) * SIDE - y - 4);
}
