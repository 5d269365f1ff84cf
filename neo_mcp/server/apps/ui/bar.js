/** The bar that stays on top: where one is, how it stands, and what is wrong with the connection. */

import { el, fill, icon, quoted, write } from "./dom.js";
import { pending } from "./needs.js";
import { isWeb } from "./prose.js";
import { table } from "./table.js";

const STATUS = table({
  "not started": ["Starting", "spin", "info"],
  running: ["Working", "spin", "info"],
  ended: ["Done", "check", "success"],
  failed: ["Failed", "cross", "danger"],
  cancelled: ["Cancelled", "stop", "neutral"],
});

/** How a task stands, in a word. */
export function standing(head) {
  if (pending(head.attention).length) return ["Needs you", "hand", "warning"];
  if ((head.attention ?? []).some((need) => need.kind === "stalled")) return ["Stopped", "warning", "danger"];
  if (head.phase === "booting" && head.turn === "running") return STATUS["not started"];
  return STATUS[head.turn] ?? [head.turn || head.status || "Unknown", "ring", "neutral"];
}

/**
 * The bar of a task.
 *
 * @param {object} how
 * @param {() => void} how.back
 * @param {() => void} how.retry
 * @param {() => void} how.toNeeds
 */
export function bar({ back, retry, toNeeds }) {
  const title = el("h1", {}, "Neo task");
  const badge = el("span", { class: "badge neutral" });
  const link = el(
    "a",
    { class: "web", target: "_blank", rel: "noopener noreferrer", hidden: true },
    "Open in Pulumi Cloud",
    icon("link"),
  );
  const doing = el("p", { class: "doing" });
  const again = el(
    "button",
    { type: "button", class: "quiet-button", hidden: true, onclick: retry },
    "Try now",
  );
  const waiting = el(
    "button",
    { type: "button", class: "jump", hidden: true, onclick: toNeeds },
    icon("up"),
    "Answer",
  );
  const progress = /** @type {HTMLProgressElement} */ (
    el("progress", { class: "todo-bar", max: 1, value: 0, "aria-label": "To-do list" })
  );
  const home = el(
    "button",
    { type: "button", class: "back", onclick: back, "aria-label": "All tasks", title: "All tasks" },
    icon("back"),
  );
  const element = document.getElementById("bar");
  fill(
    element,
    el(
      "div",
      { class: "bar" },
      home,
      el("div", { class: "bar-text" }, title, el("div", { class: "bar-doing" }, badge, doing, again)),
      waiting,
      link,
    ),
    progress,
  );
  let trouble = "";
  let going = { said: "", doing: "" };
  let word = "";
  /** @type {import("./types.js").TaskView | null} */
  let head = null;

  /**
   * @param {import("./types.js").TaskView} next
   * @param {{said: string, doing: string}} now in one line: Neo's last words, or what goes on
   */
  function show(next, now) {
    head = next;
    going = now;
    trouble = "";
    const [text, shape, look] = standing(head);
    if (text !== word) {
      word = text;
      badge.className = `badge ${look}`;
      fill(badge, icon(shape), text);
    }
    fill(title, quoted(head.title) ?? "Neo task");
    title.title = head.title ?? "";
    document.title = `${text}: ${head.title ? `“${head.title}”` : "Neo task"}`;
    link.hidden = !isWeb(head.url);
    if (!link.hidden) link.setAttribute("href", head.url);
    const done = (head.todos ?? []).filter((todo) => todo.status === "completed").length;
    progress.max = Math.max(1, head.todos?.length ?? 0);
    progress.value = done;
    progress.classList.toggle("none", !head.todos?.length);
    tell();
  }

  function tell() {
    const down = head?.connection && !["open", "paging"].includes(head.connection.state);
    const upstream = down && (head.connection.error || head.connection.state === "retrying");
    const lost =
      trouble || (upstream ? `The connection to Neo was lost. ${head.connection.error}`.trim() : "");
    doing.classList.toggle("trouble", Boolean(lost));
    if (lost || !going.said) write(doing, lost || going.doing);
    else fill(doing, quoted(going.said));
    doing.title = doing.textContent;
    again.hidden = !trouble;
  }

  return {
    show,
    trouble: (text) => ((trouble = text), tell()),
    needed: (out) => (waiting.hidden = !out),
    element,
  };
}
