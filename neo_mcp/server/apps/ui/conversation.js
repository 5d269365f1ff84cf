/** The conversation: entries in order, older ones on demand, newer ones without moving the reader. */

import { el, icon, write } from "./dom.js";
import { entry } from "./items.js";
import { atEnd, keepPlace, toEnd } from "./place.js";
import { missing } from "./task-state.js";

const PAGE = 200;

/**
 * @param {object} how
 * @param {() => Promise<void>} how.older fetches what was before
 */
export function conversation({ older }) {
  const list = el("ol", { class: "items" });
  const empty = el("p", { class: "empty" }, "Nothing has happened yet.");
  const more = el("button", { type: "button", class: "older", hidden: true, onclick: () => fetchOlder() });
  const problem = el("p", { class: "refusal", hidden: true });
  const newer = el("button", {
    type: "button",
    class: "newer",
    hidden: true,
    onclick: () => (toEnd(), seen()),
  });
  const news = el("span");
  newer.append(news, icon("down"));
  const head = el("h2", { id: "conversation" }, "Conversation");
  const element = el("section", { class: "conversation", "aria-labelledby": "conversation" });
  element.append(head, more, problem, empty, list, newer);

  /** @type {Map<number, ReturnType<typeof entry>>} */
  let entries = new Map();
  let unread = 0;
  let busy = false;

  const seen = () => {
    unread = 0;
    newer.hidden = true;
  };
  const onScroll = () => unread && atEnd() && seen();
  window.addEventListener("scroll", onScroll, { passive: true });

  async function fetchOlder() {
    if (busy) return;
    busy = true;
    more.setAttribute("aria-disabled", "true");
    problem.hidden = true;
    try {
      await older();
    } catch (error) {
      write(problem, error.message);
      problem.hidden = false;
    }
    busy = false;
    more.removeAttribute("aria-disabled");
    if (more.hidden) list.querySelector("li")?.focus();
  }

  function place(changed) {
    let added = 0;
    let after = null;
    // From the newest on: where one belongs is known by what follows it.
    for (const item of [...changed].reverse()) {
      const known = entries.get(item.index);
      if (known) known.update(item);
      else {
        const made = entry(item);
        entries.set(item.index, made);
        list.insertBefore(made.element, after ?? following(item.index));
        added++;
      }
      after = entries.get(item.index).element;
    }
    return added;
  }

  function following(index) {
    // Most come at one of the ends.
    if (index > Number(list.lastElementChild?.getAttribute("data-index") ?? -1)) return null;
    const rows = [...list.children];
    return rows.find((row) => Number(row.getAttribute("data-index")) > index) ?? null;
  }

  /**
   * Shows what is new or changed.
   *
   * @param {import("./task-state.js").Known} known
   * @param {import("./types.js").Item[]} changed
   * @param {{restarted?: boolean, older?: boolean, follow?: boolean}} [how] follow: the reader is at the end
   */
  function show(known, changed, { restarted = false, older = false, follow = false } = {}) {
    keepPlace(
      () => {
        if (restarted) {
          entries = new Map();
          list.replaceChildren();
        }
        const added = place(changed);
        if (!older && !follow) unread += added;
        const left = missing(known);
        more.hidden = left === 0;
        write(more, `Show ${Math.min(left, PAGE).toLocaleString()} older of ${left.toLocaleString()}`);
        empty.hidden = known.items.size > 0;
      },
      { older },
    );
    if (unread && !atEnd()) {
      write(news, `${unread.toLocaleString()} new`);
      newer.hidden = false;
    } else seen();
  }

  return { element, show, close: () => window.removeEventListener("scroll", onScroll) };
}
