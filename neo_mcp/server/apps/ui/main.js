/** Puts the page together: finds the server, then shows a task or the list. */

import { reachServer } from "./direct.js";
import { el, fill } from "./dom.js";
import { reachHost } from "./host.js";
import { listPage } from "./list-page.js";
import { watchSight } from "./looking.js";
import { isWeb } from "./prose.js";
import { problem, taskPage } from "./task-page.js";
import { reportHeight, wear } from "./theme.js";
import { tickAll } from "./time.js";

const FOR_A_TASK = 1500;

/** @type {{soon: () => void, close: () => void} | null} */
let shown = null;

function replace(make) {
  shown?.close();
  window.scrollTo(0, 0);
  shown = make();
}

/** In a host's frame: the task of the call that opened it, or else the list. */
async function inHost() {
  let current = "";
  const openTask = (task) => {
    if (task.task_id === current) return shown?.soon();
    current = task.task_id;
    replace(() => taskPage(server, task, openList));
  };
  const openList = () => {
    current = "";
    replace(() => listPage(server, openTask));
  };
  const early = [];
  let server = null;
  const task = (name) => (server ? openTask(name) : early.push(name));
  server = await reachHost({ context: wear, task, close: () => shown?.close() });
  followLinks(server.openLink);
  reportHeight(server.resized);
  if (early.length) openTask(early.at(-1));
  // Whatever timers do: a task that is shown by then stays.
  else setTimeout(() => shown ?? openList(), FOR_A_TASK);
}

/** Links open where the host opens links: its frame may not. */
function followLinks(open) {
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[target]");
    if (!link) return;
    event.preventDefault();
    if (isWeb(link.getAttribute("href"))) open(link.getAttribute("href"));
  });
}

/** In a browser of its own: what the address says. */
async function inBrowser() {
  const server = await reachServer();
  const route = () => {
    const [, organization, task_id] = location.hash.split("/").map(decodeURIComponent);
    if (!task_id) return replace(() => listPage(server, (task) => go(task)));
    const task = organization ? { organization, task_id } : { task_id };
    return replace(() => taskPage(server, task, () => (location.hash = "#/")));
  };
  const go = ({ organization = "", task_id }) =>
    (location.hash = `#/${encodeURIComponent(organization)}/${encodeURIComponent(task_id)}`);
  window.addEventListener("hashchange", route);
  route();
}

async function start() {
  setInterval(() => document.hidden || tickAll(), 1000);
  watchSight();
  const framed = window.parent !== window;
  fill(document.getElementById("bar"), el("div", { class: "bar" }, el("h1", {}, "Pulumi Neo")));
  document.documentElement.dataset.height = framed ? "free" : "fixed";
  try {
    await (framed ? inHost() : inBrowser());
  } catch (error) {
    const page = document.getElementById("page");
    page.removeAttribute("aria-busy");
    fill(page, problem(error.message, "", null, null));
  }
}

start();
