/** The page of one task, and the conversation with the server that keeps it up to date. */

import { announce } from "./announce.js";
import { bar, standing } from "./bar.js";
import { compose } from "./compose.js";
import { conversation } from "./conversation.js";
import { el, fill } from "./dom.js";
import { Lost, Refused } from "./failures.js";
import { keepLooking } from "./looking.js";
import { needs, pending } from "./needs.js";
import { atEnd, toEnd, watchEnd } from "./place.js";
import { words } from "./prose.js";
import { side } from "./side.js";
import { fold, nothing } from "./task-state.js";

const WAIT = 25;
/** A person may take their time with the host's form. */
const PATIENCE_FOR_PEOPLE = 900;
const OVER = new Set(["ended", "failed", "cancelled"]);

/**
 * Shows a task until it is closed.
 *
 * @param {import("./types.js").Server} server
 * @param {import("./types.js").TaskName} task
 * @param {() => void} back
 */
export function taskPage(server, task, back) {
  const known = nothing();
  const top = bar({ back, retry: () => looking.soon(), toNeeds });
  const cards = needs({ send: answer });
  const about = side();
  const talk = conversation({ older });
  const reply = compose({
    send: (action, text) => respond({ action, ...(action === "message" ? { text } : {}) }),
  });
  const page = document.getElementById("page");
  const layout = el(
    "div",
    { class: "task" },
    cards.element,
    about.element,
    el("div", { class: "talk" }, talk.element, reply.element),
  );
  fill(page, el("p", { class: "empty" }, "Loading…"));
  page.setAttribute("aria-busy", "true");
  const watchNeeds = new IntersectionObserver(() => top.needed(needsAbove()));
  watchNeeds.observe(cards.element);
  const unpin = watchEnd();
  const looking = keepLooking({ look, pause: server.pause, failed });

  /** One look; whether there may be more soon. */
  async function look(signal) {
    const args = known.head ? { ...task, cursor: known.head.cursor, wait: WAIT } : { ...task };
    const { content } = await server.call("view_task", args, { signal });
    if (!content || typeof content !== "object") throw new Lost("The server's answer was no task.");
    const before = known.head;
    const { changed, restarted } = fold(known, content);
    show(before, changed, restarted);
    return !OVER.has(content.turn) || changed.length > 0;
  }

  function show(before, changed, restarted) {
    const head = known.head;
    const follow = before === null || atEnd();
    if (before === null) {
      fill(page, layout);
      page.removeAttribute("aria-busy");
    }
    const waiting = pending(head.attention).length > 0;
    top.show(head, inOneLine(known));
    about.show(head);
    const fresh = cards.show(head.attention);
    reply.show(head, waiting);
    talk.show(known, changed, { restarted, follow });
    if (follow && !(before === null && waiting)) toEnd();
    top.needed(needsAbove());
    tellChange(before, head, fresh);
  }

  function tellChange(before, head, fresh) {
    const [word] = standing(head);
    if (fresh.length && before) announce(`Neo needs you: “${fresh[0].title}”`);
    else if (!before || standing(before)[0] !== word) announce(`“${head.title || "Neo task"}”: ${word}`);
  }

  async function older() {
    const { content } = await server.call("view_task", { ...task, before: known.lowest });
    const { changed } = fold(known, content, { older: true });
    talk.show(known, changed, { older: true });
  }

  function failed(error, seconds) {
    const again = `Trying again in ${Math.ceil(seconds)} s.`;
    if (known.head) top.trouble(`${error.message} ${again}`);
    else {
      const next = error instanceof Refused ? "" : again;
      fill(
        page,
        problem(error.message, next, () => looking.soon(), back),
      );
      page.removeAttribute("aria-busy");
      top.trouble("");
    }
  }

  async function respond(args, ask) {
    const options = { ask, patience: PATIENCE_FOR_PEOPLE };
    const { content, text } = await server.call("respond", { ...task, ...args }, options);
    looking.soon();
    return content?.sent ?? text;
  }

  function answer(action, need, text, ask) {
    return respond({ action, ...(need.id ? { request_id: need.id } : {}), ...(text ? { text } : {}) }, ask);
  }

  function toNeeds() {
    window.scrollTo({ top: 0 });
    cards.element.querySelector("h3")?.focus();
  }

  /** Whether something waits for the reader above what is in sight. */
  function needsAbove() {
    if (cards.element.hidden || !pending(known.head?.attention).length) return false;
    return cards.element.getBoundingClientRect().bottom < top.element.getBoundingClientRect().bottom;
  }

  return {
    soon: () => looking.soon(),
    close() {
      looking.close();
      unpin();
      watchNeeds.disconnect();
      talk.close();
      about.close();
    },
  };
}

/** What goes on, in one line; once the turn is over, how it ended. */
function inOneLine(known) {
  const { turn, attention, activity, status } = known.head;
  if (OVER.has(turn)) {
    const last = [...known.items.values()].findLast((item) => item.kind === "assistant" && item.final);
    const said = turn === "ended" ? last?.text : attention?.[0]?.text;
    if (said?.length) return { said: words([said[0]]), doing: "" };
  }
  // Words of Neo, as it wrote them: a line is no place for their marks.
  return { said: "", doing: (activity || status).replace(/`|\*\*|^#+ /g, "") };
}

/** What went wrong before there was anything to show, and the way on. */
export function problem(message, more, retry, back) {
  return el(
    "div",
    { class: "problem" },
    el("h2", {}, "This did not work"),
    el("p", {}, message),
    more && el("p", { class: "quiet" }, more),
    el(
      "div",
      { class: "buttons" },
      retry && el("button", { type: "button", class: "primary", onclick: retry }, "Try again"),
      back && el("button", { type: "button", onclick: back }, "All tasks"),
    ),
  );
}
