/** What waits for a person: on top, with all that there is to see before deciding, and what to answer. */

import { announce } from "./announce.js";
import { changes } from "./diff.js";
import { el, fill, icon, quoted } from "./dom.js";
import { Lost } from "./failures.js";
import { folded, plain } from "./folded.js";
import { askIn } from "./form.js";
import { keepPlace } from "./place.js";
import { formatted, headed } from "./prose.js";
import { table } from "./table.js";

/** Kinds that a card is made for; the others are told by the status. */
const LOOKS = table({
  approval: ["hand", "Neo asks for approval", "attention"],
  plan: ["hand", "Neo proposes a plan", "attention"],
  question: ["question", "Neo asks a question", "attention"],
  local_tools: ["pause", "Neo waits for tools on your machine", "attention"],
  error: ["cross", "Neo reported an error", "failure"],
  stalled: ["warning", "Neo stopped without a word", "failure"],
});
const LABELS = table({
  approve: { approval: "Approve", plan: "Accept the plan" },
  deny: { approval: "Deny", plan: "Ask for changes" },
  answer: { question: "Send answer" },
});
const MAY_HAVE_LANDED =
  "It may have been sent all the same: see below whether it was, before you answer once more.";

/** Those that wait for an answer. */
export function pending(needs) {
  return (needs ?? []).filter((need) => ["approval", "plan", "question", "local_tools"].includes(need.kind));
}

/**
 * The cards of a task.
 *
 * @param {object} how
 * @param {(action: string, need: import("./types.js").Need, text: string,
 *   ask: import("./types.js").Ask) => Promise<string>} how.send
 */
export function needs({ send }) {
  const list = el("div", { class: "cards" });
  const head = el("h2", { id: "needs" }, "Needs you");
  const element = el("section", { class: "needs", "aria-labelledby": "needs", hidden: true }, head, list);
  /** @type {Map<string, ReturnType<typeof card>>} */
  const cards = new Map();

  /** What was answered last, here. */
  let latest = null;

  /** @param {import("./types.js").Need[]} wanted */
  function show(wanted) {
    const shown = (wanted ?? []).filter((need) => LOOKS[need.kind]);
    const keys = new Set(shown.map(keyOf));
    const fresh = shown.filter((need) => !cards.has(keyOf(need)));
    keepPlace(() => {
      for (const [key, one] of cards) {
        if (keys.has(key) || one.busy()) continue;
        // What was answered here last stays to be read; the rest was settled elsewhere.
        if (one === latest) continue;
        one.element.remove();
        cards.delete(key);
      }
      for (const need of fresh) {
        const made = card(need, {
          send,
          settled: () => ((latest = made), tidy()),
          dismiss: () => (made.element.remove(), cards.delete(keyOf(need)), tidy()),
        });
        cards.set(keyOf(need), made);
        list.append(made.element);
      }
      tidy();
    });
    return fresh;
  }

  function tidy() {
    element.hidden = cards.size === 0;
    const open = [...cards.values()].filter((one) => !one.settled());
    head.textContent = open.some((one) => one.waits) ? "Needs you" : open.length ? "Stopped" : "Answered";
  }

  return { element, show };
}

function keyOf(need) {
  return JSON.stringify([
    need.kind,
    need.id,
    need.title,
    need.text,
    need.operation,
    need.options,
    need.removed,
  ]);
}

function card(need, on) {
  const [shape, what, look] = LOOKS[need.kind];
  const id = `need-${++made}`;
  const badges = [
    need.operation?.protected && el("span", { class: "badge sensitive" }, icon("hand"), "Protected stack"),
    need.operation?.sensitive && el("span", { class: "badge sensitive" }, icon("warning"), "Sensitive"),
  ];
  const { head: heading, rest } = headed(need.text, need.title);
  // How many calls wait is the server's own word; everything else is Neo's.
  const words = need.kind === "local_tools" ? heading : quoted(heading);
  const body = el(
    "div",
    { class: "card-body" },
    operation(need.operation),
    rest.length > 0 && formatted(rest, 3),
    changes(need.diff, need.files_cut),
    need.note && el("p", { class: "quiet" }, need.note),
    need.removed && el("p", { class: "removed" }, icon("warning"), need.removed),
  );
  const controls = el("div", { class: "controls" });
  const outcome = el("div", { class: "outcome" });
  const title = el("h3", { id, tabindex: -1 }, words ?? what);
  const head = el(
    "div",
    { class: "card-head" },
    icon(shape),
    el("p", { class: "what" }, what),
    el("span", { class: "badges" }, badges),
  );
  const element = el(
    "article",
    { class: `card ${look}`, "aria-labelledby": id },
    head,
    title,
    body,
    controls,
    outcome,
  );
  let busy = false;
  let settled = false;

  async function answer(action, text, button) {
    if (busy || settled) return;
    busy = true;
    controls.setAttribute("aria-busy", "true");
    fill(outcome);
    try {
      const said = await on.send(action, need, text, (form) => asked(form));
      settled = true;
      settle(said);
    } catch (error) {
      const landed = error instanceof Lost ? ` ${MAY_HAVE_LANDED}` : "";
      fill(outcome, el("p", { class: "refusal" }, icon("warning"), el("span", {}, error.message + landed)));
      announce(error.message);
    }
    busy = false;
    controls.removeAttribute("aria-busy");
    if (!settled) button.focus({ preventScroll: true });
  }

  /** The form takes the place of the controls while it is open. */
  async function asked(form) {
    controls.hidden = true;
    try {
      return await askIn(outcome, form);
    } finally {
      controls.hidden = false;
    }
  }

  function settle(said) {
    element.classList.add("settled");
    body.remove();
    controls.remove();
    const close = el("button", { type: "button", class: "quiet-button", onclick: on.dismiss }, "Dismiss");
    fill(outcome, el("p", { class: "success" }, icon("check"), el("span", {}, said)), close);
    title.focus({ preventScroll: true });
    announce(said);
    on.settled();
  }

  const answers = (need.answers ?? []).filter((action) => action !== "message");
  if (answers.length) fill(controls, answering({ ...need, answers }, id, answer));
  return { element, waits: look === "attention", busy: () => busy, settled: () => settled };
}

let made = 0;

function operation(what) {
  if (!what) return null;
  const facts = [
    ["Operation", what.tool],
    ["Stack", what.stack],
  ].filter(([, value]) => value);
  return [
    facts.length > 0 &&
      el(
        "dl",
        { class: "facts" },
        facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, quoted(value)))),
      ),
    what.arguments &&
      folded({
        summary: ["With these arguments"],
        make: () => plain("Arguments", what.arguments),
        kind: "arguments",
      }),
  ];
}

/** The controls: options, words, and a button for each answer that the server takes. */
function answering(need, id, answer) {
  const asks = need.answers.includes("answer");
  const options = (need.options ?? []).map(({ label, value }) =>
    el(
      "label",
      { class: "option" },
      el("input", { type: "radio", name: id, value, onchange: () => (words.value = value) }),
      quoted(label),
    ),
  );
  const words = /** @type {HTMLTextAreaElement} */ (
    el("textarea", { id: `${id}-words`, rows: asks ? 2 : 1 })
  );
  const buttons = need.answers.map((action, n) => {
    const label = LABELS[action]?.[need.kind] ?? action[0].toUpperCase() + action.slice(1);
    const give = (event) => {
      if (asks && !words.value.trim()) return words.focus();
      return answer(action, words.value.trim(), event.currentTarget);
    };
    return el("button", { type: "button", class: n === 0 ? "primary" : "", onclick: give }, label);
  });
  return [
    options.length > 0 && el("fieldset", { class: "options" }, el("legend", {}, "Options"), options),
    el(
      "p",
      { class: "field" },
      el("label", { for: words.id }, asks ? "Your answer" : "Words for Neo (optional)"),
      words,
    ),
    el("div", { class: "buttons" }, buttons),
  ];
}
