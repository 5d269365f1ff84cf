/** Below the conversation: stop Neo while it works, write to it when its turn is over. */

import { announce } from "./announce.js";
import { el, fill, icon } from "./dom.js";

/**
 * @param {object} how
 * @param {(action: "message" | "cancel", text: string) => Promise<string>} how.send
 */
export function compose({ send }) {
  const words = /** @type {HTMLTextAreaElement} */ (el("textarea", { id: "message", rows: 2 }));
  const write = el(
    "button",
    { type: "button", class: "primary", onclick: () => give("message", write) },
    "Send",
  );
  const stop = el(
    "button",
    { type: "button", onclick: () => give("cancel", stop) },
    icon("stop"),
    "Stop Neo",
  );
  const writing = el(
    "div",
    { class: "writing" },
    el("label", { for: "message" }, "Message to Neo"),
    words,
    write,
  );
  const outcome = el("p", { class: "sent" });
  const element = el(
    "section",
    { class: "compose", "aria-label": "Reply", hidden: true },
    writing,
    stop,
    outcome,
  );
  let busy = false;
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) give("message", write);
  });

  async function give(action, button) {
    const text = words.value.trim();
    if (busy) return;
    if (action === "message" && !text) return words.focus();
    busy = true;
    button.setAttribute("aria-disabled", "true");
    fill(outcome);
    try {
      const said = await send(action, text);
      if (action === "message") words.value = "";
      tell("success", said);
    } catch (error) {
      tell("refusal", error.message);
    }
    busy = false;
    button.removeAttribute("aria-disabled");
  }

  function tell(kind, text) {
    outcome.className = `sent ${kind}`;
    fill(outcome, text);
    announce(text);
  }

  function show(head, waiting) {
    const running = head.turn === "running";
    element.hidden = head.writable === false || waiting || head.turn === "not started";
    writing.hidden = running;
    stop.hidden = !running;
  }

  return { element, show };
}
