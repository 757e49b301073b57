// An image: chosen, dropped, pasted, or drawn with a pen, a finger or the mouse; or shown.

import { make, words } from "./make.js";

const MOST = 650_000; // characters of a data URL, so that a request stays below a megabyte
const INK = 0.075; // width of a stroke, of the height of the field

export function input(root, description) {
  const { schema } = description;
  const title = make("span", schema.title ?? words(description.name), "name");
  title.id = `name-${description.name}`;
  const field = make("canvas", "", "drawing");
  const [width, height] = schema["x-draw"] ?? [320, 180];
  const clear = make("button", "Clear", "plain");
  const file = make("input");
  const label = make("label", "or choose a file");
  const box = make("div", "", "image");
  const row = make("div", "", "row");
  file.type = "file";
  file.id = `input-${description.name}`;
  file.accept = schema["x-accept"] ?? "image/*";
  label.htmlFor = file.id;
  clear.type = "button";
  field.setAttribute("role", "img");
  field.setAttribute("aria-labelledby", title.id);
  let given = ""; // what is sent, or a promise of it; "" for an empty field
  const blank = () => {
    resize(field, width, height);
    given = schema["x-draw"] ? field.toDataURL("image/png") : "";
    file.value = "";
  };
  const take = (blob) => {
    given = fitted(blob, field); // is waited for, if the form is sent before
    given.then(
      () => delete row.dataset.wrong,
      () => {
        blank();
        row.dataset.wrong = "this file is no image that the browser can show";
      },
    );
  };
  blank();
  clear.addEventListener("click", () => {
    delete row.dataset.wrong;
    blank();
  });
  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const other = !box.matches(":focus-within") && document.querySelector(".image:focus-within");
    if (event.defaultPrevented || other || !event.clipboardData.files[0]) return;
    event.preventDefault(); // of several fields, one takes it
    take(event.clipboardData.files[0]);
  });
  if (schema["x-draw"]) drawable(field, () => (given = field.toDataURL("image/png")));
  row.append(clear, label, file);
  box.append(title, field, row);
  root.append(box);
  return { get: () => given, focus: () => file.focus() };
}

export function output(root, description) {
  const picture = make("img");
  picture.alt = description.schema.title ?? words(description.name);
  root.append(picture);
  return { show: (value) => (picture.src = value) };
}

function resize(field, width, height) {
  field.width = width;
  field.height = height;
  const pen = field.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  return pen;
}

// A file on the field, and as a data URL that is not too large.
async function fitted(blob, field) {
  const picture = await createImageBitmap(blob);
  let share = 1;
  for (;;) {
    const [width, height] = [picture.width, picture.height].map((each) => Math.max(1, Math.round(each * share)));
    resize(field, width, height).drawImage(picture, 0, 0, width, height);
    const url = field.toDataURL("image/png");
    if (url.length <= MOST) return url;
    share *= 0.8;
  }
}

function drawable(field, changed) {
  const pen = () => field.getContext("2d");
  const at = (event) => {
    const place = field.getBoundingClientRect();
    return [
      ((event.clientX - place.left) / place.width) * field.width,
      ((event.clientY - place.top) / place.height) * field.height,
    ];
  };
  let before = null;
  field.classList.add("open");
  field.addEventListener("pointerdown", (event) => {
    field.setPointerCapture(event.pointerId);
    before = at(event);
    stroke(pen(), before, before, field.height * INK);
    changed();
  });
  field.addEventListener("pointermove", (event) => {
    if (!before) return;
    const now = at(event);
    stroke(pen(), before, now, field.height * INK);
    before = now;
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) field.addEventListener(end, () => (before = null));
}

function stroke(pen, from, to, width) {
  pen.lineCap = "round";
  pen.lineWidth = width;
  pen.strokeStyle = "black";
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}
