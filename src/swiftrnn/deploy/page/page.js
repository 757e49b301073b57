// The page of any task: /task says which scripts show its values, and what its options are.

import { make, words } from "./make.js";

const $ = (id) => document.getElementById(id);
let task;
let input; // what the user fills in
let shown = []; // what shows the answer: a widget and its section for each value
const controls = new Map(); // option -> a function that gives its value, or undefined
let running = null; // what stops the request that is under way

async function widget(value) {
  return import(new URL(value.widget, document.baseURI));
}

async function begin() {
  task = await (await fetch("task")).json();
  document.title = `${task.verb} · ${task.run}`;
  $("title").textContent = task.verb;
  $("about").textContent = task.about;
  $("go").textContent = task.verb;
  $("run").textContent = `${task.run} · ${task.recipe} · swiftrnn ${task.version}`;
  const values = [task.gives, ...task.shows];
  // all scripts first: from here on nothing waits, so what can be filled in can also be sent
  const [{ input: takes }, ...outputs] = await Promise.all([task.takes, ...values].map(widget));
  if (!takes) throw new Error(`this page cannot take a value such as ${task.takes.name}; use the API`);
  input = takes($("input"), task.takes);
  shown = values.map((value, i) => {
    const section = make("section");
    section.hidden = true;
    section.append(make("h2", value.schema.title ?? words(value.name)));
    $("output").append(section);
    return { value, section, widget: outputs[i].output(section, value) };
  });
  for (const option of task.options) control(option);
  $("options").hidden = !controls.size;
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  $("ask").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });
  $("stop").addEventListener("click", () => running?.abort());
  if (matchMedia("(pointer: fine)").matches) input.focus(); // else a keyboard would cover the page
}

function control(option) {
  const field = { boolean: checkbox, choice: select, integer: number, number, string: line };
  if (!field[option.kind]) return; // of several values; programs can give them
  const made = field[option.kind](option);
  made.id = `option-${option.name}`;
  const label = make("label", words(option.name));
  label.htmlFor = made.id;
  const box = make("div", "", option.kind === "boolean" ? "option check" : "option");
  box.append(...(option.kind === "boolean" ? [made, label] : [label, made]));
  if (option.help) {
    const help = make("small", option.help);
    help.id = `help-${option.name}`;
    made.setAttribute("aria-describedby", help.id);
    box.append(help);
  }
  $("options").append(box);
}

function checkbox(option) {
  const field = make("input");
  field.type = "checkbox";
  field.checked = option.default;
  controls.set(option.name, () => field.checked);
  return field;
}

function select(option) {
  const field = make("select");
  option.choices.forEach((each) => field.append(new Option(each, each, false, each === option.default)));
  controls.set(option.name, () => option.choices[field.selectedIndex]);
  return field;
}

function number(option) {
  const field = make("input");
  field.type = "number";
  field.step = option.kind === "integer" ? 1 : "any";
  if (option.low !== null) field.min = option.low;
  if (option.high !== null) field.max = option.high;
  field.value = option.default ?? "";
  controls.set(option.name, () => (field.value === "" ? undefined : field.valueAsNumber));
  return field;
}

function line(option) {
  const field = make("input");
  field.value = option.default ?? "";
  controls.set(option.name, () => (field.value === "" ? undefined : field.value));
  return field;
}

async function ask() {
  if (running) return;
  const options = Object.fromEntries([...controls].map(([name, get]) => [name, get()]));
  const began = performance.now();
  running = new AbortController();
  busy(true);
  try {
    const asked = await input.get(); // a file may still be read
    await (task.stream ? stream : predict)(asked, { inputs: [asked], options });
    const took = performance.now() - began;
    const [amount, unit] = took < 1000 ? [took.toFixed(0), "ms"] : [(took / 1000).toFixed(1), "s"];
    $("status").textContent = `Done in ${amount} ${unit}`;
  } catch (error) {
    const stopped = error.name === "AbortError";
    $("status").textContent = stopped ? "Stopped" : "";
    if (!stopped) $("message").textContent = error.message;
  } finally {
    running = null;
    busy(false);
  }
}

function busy(now) {
  if (now) $("message").textContent = "";
  if (now) $("status").textContent = "Working…";
  $("output").ariaBusy = String(now);
  $("go").ariaDisabled = String(now); // disabled, it would lose the focus
  const leaves = !now && document.activeElement === $("stop");
  $("stop").hidden = !(now && task.stream);
  if (leaves) $("go").focus();
}

async function send(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: running.signal,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The server does not answer.");
  }
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({ detail: `status ${answer.status}` }));
  throw new Error(detail);
}

async function predict(asked, body) {
  const [found] = await (await send("predict", body)).json();
  for (const each of shown) {
    const value = found[each.value.name];
    each.section.hidden = value === undefined;
    if (value !== undefined) each.widget.show(value, asked);
  }
}

async function stream(asked, body) {
  const answer = await send("stream", body);
  const [first, ...others] = shown;
  others.forEach((each) => (each.section.hidden = true));
  first.section.hidden = false;
  first.widget.show(undefined, asked);
  for await (const each of lines(answer.body)) {
    if (each.error) throw new Error(each.error);
    if (each.done) return;
    first.widget.append(each.piece);
  }
  throw new Error("The answer ended too early.");
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const each of parts) yield JSON.parse(each);
  }
}

begin().catch((error) => {
  $("message").textContent = error.message;
});
