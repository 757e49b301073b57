// A program: rendered in a frame without scripts, as source in each language, and to download.

import { make } from "./make.js";

const TITLES = { gui: "Program", html: "HTML", android: "Android", ios: "iOS" };

export function output(root, description) {
  const endings = description.schema["x-endings"];
  const screens = description.schema["x-screens"];
  const forms = Object.keys(endings);
  const box = make("div", "", "program");
  const frame = make("iframe");
  const stage = make("div", "", "stage");
  const bar = make("div", "", "row");
  const source = make("pre");
  const get = make("a", "Download");
  let value;
  let chosen = forms[0];
  let url = "";
  frame.title = "The program as a page";
  frame.setAttribute("sandbox", "allow-same-origin"); // no scripts; styles come from here
  bar.setAttribute("role", "group");
  bar.ariaLabel = "Language";
  source.tabIndex = 0;
  const buttons = forms.map((form) => {
    const button = make("button", TITLES[form] ?? form, "plain");
    button.type = "button";
    button.addEventListener("click", () => choose(form));
    return button;
  });
  bar.append(...buttons, get);
  stage.append(frame);
  box.append(stage, bar, source);
  root.append(box);

  function choose(form) {
    chosen = form;
    forms.forEach((each, i) => (buttons[i].ariaPressed = String(each === form)));
    source.textContent = value[form];
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([value[form]], { type: "text/plain" }));
    get.href = url;
    get.download = `screen${endings[form]}`;
    get.textContent = `Download screen${endings[form]}`;
  }

  return {
    show(found) {
      value = found;
      choose(chosen);
      const [wide, high] = screens[found.platform];
      const scale = Math.min(1, (root.clientWidth || wide) / wide);
      frame.style.width = `${wide}px`;
      frame.style.height = `${high}px`;
      frame.style.transform = `scale(${scale})`;
      stage.style.width = `${wide * scale}px`;
      stage.style.height = `${high * scale}px`;
      render(frame, found.html);
    },
  };
}

// The page's policy forbids styles in a document: they are handed over as a sheet of the frame.
function render(frame, html) {
  const styles = [];
  const body = html.replace(/<style>([^]*?)<\/style>/g, (_, text) => {
    styles.push(text);
    return "";
  });
  frame.addEventListener(
    "load",
    () => {
      const sheet = new frame.contentWindow.CSSStyleSheet();
      sheet.replaceSync(styles.join("\n"));
      frame.contentDocument.adoptedStyleSheets = [sheet];
    },
    { once: true },
  );
  frame.srcdoc = body;
}
