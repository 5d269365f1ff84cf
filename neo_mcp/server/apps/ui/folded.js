/** What opens and closes: its content is made when it is first seen, so that long tasks stay light. */

import { el, icon, put } from "./dom.js";

/**
 * A `details` element.
 *
 * @param {object} what
 * @param {unknown[]} what.summary
 * @param {() => unknown} what.make makes the content
 * @param {boolean} [what.open]
 * @param {string} [what.kind] a class
 */
export function folded({ summary, make, open = false, kind = "" }) {
  const inside = el("div", { class: "inside" });
  let made = false;
  const fillOnce = () => {
    if (details.open && !made) {
      made = true;
      put(inside, [make()]);
    }
  };
  const details = /** @type {HTMLDetailsElement} */ (
    el("details", { class: `folded ${kind}`, open, ontoggle: fillOnce })
  );
  put(details, [el("summary", {}, icon("chevron"), summary), inside]);
  fillOnce();
  return details;
}

/** Text as it is, that scrolls on its own where it is large, for the keyboard as well. */
export function plain(label, text) {
  return el("pre", { class: "plain", tabindex: 0, role: "group", "aria-label": label }, text);
}
