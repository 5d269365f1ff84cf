/** The page of recent tasks. */

import { el, fill, icon, quoted, write } from "./dom.js";
import { keepLooking } from "./looking.js";
import { problem } from "./task-page.js";
import { ago } from "./time.js";

const EVERY = 10;

/**
 * Shows the recent tasks until it is closed.
 *
 * @param {import("./types.js").Server} server
 * @param {(task: import("./types.js").TaskName) => void} open
 */
export function listPage(server, open) {
  const title = el("h1", {}, "Neo tasks");
  const doing = el("p", { class: "doing" }, "Loading…");
  const text = el("div", { class: "bar-text" }, title, el("div", { class: "bar-doing" }, doing));
  fill(document.getElementById("bar"), el("div", { class: "bar" }, text));
  document.title = "Neo tasks";
  const page = document.getElementById("page");
  const list = el("ul", { class: "tasks" });
  const empty = el("p", { class: "empty" }, "No tasks yet. Ask your assistant to delegate something to Neo.");
  const more = el(
    "button",
    { type: "button", class: "older", hidden: true, onclick: () => further() },
    "Show older tasks",
  );
  const refusal = el("p", { class: "refusal", hidden: true });
  const layout = el("div", { class: "list" }, list, empty, more, refusal);
  fill(page, el("p", { class: "empty" }, "Loading…"));
  page.setAttribute("aria-busy", "true");
  /** @type {Map<string, {element: HTMLElement, version: string}>} */
  const rows = new Map();
  let next = null;
  let organization = "";
  let loaded = false;
  let pages = 0;
  const looking = keepLooking({ look, pause: EVERY, failed });

  async function look(signal) {
    const { content } = await server.call("view_tasks", {}, { signal });
    if (!loaded) fill(page, layout);
    loaded = true;
    page.removeAttribute("aria-busy");
    organization = content.organization ?? "";
    add(content.tasks ?? [], true);
    if (!pages) next = content.next ?? null;
    settle();
    doing.classList.remove("trouble");
    write(doing, organization);
    return false;
  }

  async function further() {
    refusal.hidden = true;
    try {
      const { content } = await server.call("view_tasks", { cursor: next });
      pages++;
      next = content.next ?? null;
      add(content.tasks ?? [], false);
    } catch (error) {
      write(refusal, error.message);
      refusal.hidden = false;
    }
    settle();
  }

  /** The newest page stands in front of those that were fetched on demand. */
  function add(tasks, newest) {
    let after = newest ? null : list.lastElementChild;
    for (const task of tasks) {
      const version = JSON.stringify(task);
      let known = rows.get(task.task_id);
      if (!known) rows.set(task.task_id, (known = { element: el("li"), version: "" }));
      if (known.version !== version) fill(known.element, row(task));
      known.version = version;
      const place = after ? after.nextElementSibling : list.firstElementChild;
      if (known.element !== place) list.insertBefore(known.element, place);
      after = known.element;
    }
  }

  function row(task) {
    const name = { task_id: task.task_id, ...(organization ? { organization } : {}) };
    const href = `#/${encodeURIComponent(organization)}/${encodeURIComponent(task.task_id)}`;
    const go = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(name);
    };
    const [word, shape, look] = standing(task);
    const by = quoted(task.created_by);
    return el(
      "a",
      { href, onclick: go, class: "row" },
      el("span", { class: "row-title" }, quoted(task.title) ?? "Untitled task"),
      el("span", { class: `badge ${look}` }, icon(shape), word),
      el("span", { class: "quiet" }, ago(task.created_at), by && [" by ", by]),
    );
  }

  function settle() {
    empty.hidden = rows.size > 0;
    more.hidden = !next;
  }

  function failed(error, seconds) {
    const again = `Trying again in ${Math.ceil(seconds)} s.`;
    if (!loaded) {
      fill(
        page,
        problem(error.message, again, () => looking.soon(), null),
      );
      page.removeAttribute("aria-busy");
    }
    doing.classList.add("trouble");
    write(doing, loaded ? `${error.message} ${again}` : "");
  }

  return { soon: () => looking.soon(), close: () => looking.close() };
}

function standing(task) {
  if (task.attention) return ["Needs you", "hand", "warning"];
  if (task.status === "running") return ["Working", "spin", "info"];
  return [task.status === "idle" ? "Idle" : task.status || "Unknown", "ring", "neutral"];
}
