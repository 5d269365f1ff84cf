/** What is known beside the conversation: the to-do list, token use, entities and settings. */

import { el, fill, icon, quoted, unseen } from "./dom.js";
import { isWeb } from "./prose.js";
import { table } from "./table.js";
import { ago } from "./time.js";

const TODO = table({
  completed: ["check", "done"],
  in_progress: ["spin", "in progress"],
  pending: ["ring", "to do"],
});
const WIDE = "(min-width: 900px)";

/** The details of a task: folded where there is little room. */
export function side() {
  const body = el("div", { class: "side-body" });
  const gist = el("span", { class: "quiet" });
  const details = /** @type {HTMLDetailsElement} */ (
    el("details", { class: "side" }, el("summary", {}, icon("chevron"), "Details", " ", gist), body)
  );
  const element = el("aside", { "aria-label": "Details" }, details);
  const room = window.matchMedia(WIDE);
  const fit = () => (details.open = room.matches);
  room.addEventListener("change", fit);
  fit();
  let shown = "";

  function show(head) {
    const version = JSON.stringify([head.todos, head.usage, head.entities, head.settings]);
    if (version === shown) return;
    shown = version;
    const done = (head.todos ?? []).filter((todo) => todo.status === "completed").length;
    gist.textContent = head.todos?.length ? `${done} of ${head.todos.length} to-dos done` : "";
    fill(body, todos(head.todos, done), tokens(head.usage), entities(head.entities), settings(head));
  }

  return { element, show, close: () => room.removeEventListener("change", fit) };
}

function part(title, ...content) {
  return el("section", {}, el("h2", {}, title), content);
}

function todos(list, done) {
  if (!list?.length) return null;
  const rows = list.map((todo) => {
    const [shape, word] = TODO[todo.status] ?? ["ring", todo.status];
    return el(
      "li",
      { class: `todo todo-${TODO[todo.status] ? todo.status : "other"}` },
      icon(shape),
      unseen(`${word}: `),
      el("span", {}, quoted(todo.content)),
    );
  });
  return part(`To-do, ${done} of ${list.length}`, el("ul", { class: "todos" }, rows));
}

function tokens(usage) {
  if (!usage) return null;
  const facts = [
    ["In", usage.input],
    ["Out", usage.output],
    ["From cache", usage.cache_read],
    ["To cache", usage.cache_write],
  ].filter(([, count]) => count);
  const window = usage.window?.size > 0 ? usage.window : null;
  if (!facts.length && !window) return null;
  return part(
    "Tokens",
    window && [
      el("progress", { max: window.size, value: window.used, "aria-label": "Context window" }),
      el("p", { class: "quiet" }, `${short(window.used)} of ${short(window.size)} of the window`),
    ],
    list(facts.map(([name, count]) => [name, short(count)])),
  );
}

function entities(list) {
  if (!list?.length) return null;
  const rows = list.map(({ kind, label, url }) => {
    const rel = "noopener noreferrer";
    const name = isWeb(url) ? el("a", { href: url, target: "_blank", rel }, quoted(label)) : quoted(label);
    return el("li", {}, el("span", { class: "quiet" }, kind.replaceAll("_", " ")), name);
  });
  return part("About", el("ul", { class: "entities" }, rows));
}

function settings(head) {
  const facts = Object.entries(head.settings ?? {})
    .filter(([, value]) => value !== null && value !== "" && value !== false)
    .map(([name, value]) => [title(name), value === true ? "on" : quoted(String(value))]);
  const created = ago(head.created_at);
  return part("Settings", list([...facts, ...(created ? [["Started", created]] : [])]));
}

function list(facts) {
  return el(
    "dl",
    {},
    facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

function title(name) {
  return name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
}

function short(count) {
  if (!Number.isFinite(count)) return "?";
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}
