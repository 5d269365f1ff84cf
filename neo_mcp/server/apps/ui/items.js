/** One entry of the conversation: how each kind looks, and how it changes in its place. */

import { changes } from "./diff.js";
import { el, fill, icon, quoted, unseen } from "./dom.js";
import { folded, plain } from "./folded.js";
import { formatted, headed } from "./prose.js";
import { table } from "./table.js";
import { duration, stopwatch, timeOf } from "./time.js";

const STATES = table({
  called: ["ring", "called"],
  running: ["spin", "running"],
  waiting: ["pause", "waiting"],
  done: ["check", "done"],
  failed: ["cross", "failed"],
  stopped: ["stop", "stopped"],
  pending: ["hand", "pending"],
  approved: ["check", "approved"],
  denied: ["cross", "denied"],
  answered: ["check", "answered"],
  "answered automatically": ["check", "answered automatically"],
  withdrawn: ["ring", "withdrawn"],
});
const NOTES = table({
  decision: "check",
  entities: "layers",
  warning: "warning",
  error: "cross",
  cancelled: "stop",
  compression: "down",
  note: "dot",
});
const GIST = 140;

/**
 * An entry; `update` shows a newer version of it, and keeps what a reader opened.
 *
 * @param {import("./types.js").Item} first
 */
export function entry(first) {
  const element = el("li", { class: "item", "data-index": first.index });
  let shown = "";
  const update = (item) => {
    const version = JSON.stringify(item);
    if (version === shown) return;
    shown = version;
    const open = [...element.querySelectorAll("details")].map((details) => details.open);
    const focused = element.contains(document.activeElement);
    element.className = `item ${kindOf(item.kind)} is-${STATES[item.state] ? item.state : "plain"}`;
    fill(element, (SHAPES[item.kind] ?? note)(item));
    element.querySelectorAll("details").forEach((details, n) => {
      if (open.length) details.open = open[n] ?? details.open;
    });
    if (focused) element.querySelector("summary")?.focus({ preventScroll: true });
  };
  update(first);
  return { element, update };
}

const SHAPES = table({ user: message, assistant: message, tool: call, approval: request });

function kindOf(kind) {
  return SHAPES[kind] || NOTES[kind] ? kind : "unknown";
}

function message(item) {
  const who = item.who || (item.kind === "user" ? "You" : "Neo");
  return [
    el("p", { class: "by" }, el("strong", {}, who), " ", timeOf(item.at, item.estimated)),
    formatted(item.text),
    item.cut > 0 && el("p", { class: "cut" }, `${item.cut.toLocaleString()} more characters are not shown.`),
  ];
}

function call(item) {
  const running = item.state === "running" || item.state === "called" || item.state === "waiting";
  const [server, method] = split(item.name ?? "");
  const gist = (running && item.progress?.trim().split("\n").at(-1)) || inShort(item.arguments);
  const took = typeof item.seconds === "number";
  const summary = [
    state(item.state),
    el("code", { class: "tool-name" }, server && el("span", { class: "quiet" }, `${server} `), method),
    " ",
    el("span", { class: "gist" }, quoted(oneLine(gist))),
    " ",
    took && (running ? stopwatch(item.seconds) : el("span", { class: "seconds" }, duration(item.seconds))),
  ];
  const make = () => [
    item.text?.length && formatted(item.text),
    part("Arguments", item.arguments),
    changes(item.diff),
    part("Progress", item.progress),
    part(item.state === "failed" ? "Error" : "Output", item.output),
    item.output_cut && el("p", { class: "cut" }, "The output is longer; this is a part of it."),
  ];
  return folded({ kind: "call", summary, make });
}

function request(item) {
  const { head, rest } = headed(item.text, item.title);
  const title = el("span", { class: "request-title" }, head ? quoted(head) : "Approval");
  const summary = [
    state(item.state),
    title,
    " ",
    el("span", { class: "quiet" }, item.state ?? ""),
    " ",
    timeOf(item.at, item.estimated),
  ];
  const make = () => [
    item.tool && el("p", { class: "quiet" }, "Operation: ", quoted(item.tool)),
    rest.length > 0 && formatted(rest),
    changes(item.diff, item.files_cut),
  ];
  const bare = !item.tool && !rest.length && !item.diff?.length && !item.files_cut;
  return bare ? el("div", { class: "call bare" }, summary) : folded({ kind: "call", summary, make });
}

/** Whatever is one line beside the conversation, also what is not known yet. */
function note(item) {
  const text = item.text?.length ? el("div", { class: "foreign" }, formatted(item.text)) : sentence(item);
  const who = item.kind === "decision" && el("strong", {}, `${item.who} ${item.state} `);
  const shape = item.state && STATES[item.state] ? STATES[item.state][0] : (NOTES[item.kind] ?? "dot");
  return el(
    "div",
    { class: "note" },
    icon(shape),
    el("div", { class: "note-text" }, who, text),
    timeOf(item.at, item.estimated),
  );
}

/** What is said of an entry without words of its own. */
function sentence(item) {
  const names = (list) => list.flatMap((name, n) => [n ? ", " : " ", quoted(name)]);
  const parts = [
    item.added?.length && ["Added", ...names(item.added)],
    item.removed?.length && ["Removed", ...names(item.removed)],
  ].filter(Boolean);
  if (parts.length) return el("span", {}, parts[0], parts[1] && [". ", parts[1]]);
  return el("span", {}, words(item));
}

/** What a note says, in words of the server; of what is not known, Neo's word for it. */
function words({ kind, title }) {
  if (!title) return kind === "decision" ? "" : kind;
  return kindOf(kind) === "unknown" ? quoted(title) : title;
}

function part(label, text) {
  return text ? [el("p", { class: "label" }, label), plain(label, text)] : null;
}

function state(name) {
  const [shape, word] = STATES[name] ?? ["ring", name ?? ""];
  return el(
    "span",
    { class: `state state-${STATES[name] ? name : "unknown"}` },
    icon(shape),
    unseen(`${word}: `),
  );
}

/** A call's arguments in one line: their names and values, where they are whole. */
function inShort(text) {
  let given = null;
  try {
    given = JSON.parse(text || "{}");
  } catch {
    return text;
  }
  const value = (one) => (typeof one === "string" ? one : JSON.stringify(one));
  return Object.entries(given ?? {})
    .map(([name, one]) => `${name}: ${value(one)}`)
    .join(", ");
}

/** `server__method` as two words. */
function split(name) {
  const [server, ...method] = name.split("__");
  return method.length ? [server, method.join("__")] : ["", server];
}

function oneLine(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > GIST ? `${line.slice(0, GIST)}…` : line;
}
