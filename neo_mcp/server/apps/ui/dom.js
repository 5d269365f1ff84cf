/** Elements, made one by one: text is only ever text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Properties are attributes, but for functions, which listen: `onclick`, `ontoggle`, …
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [properties] null, undefined and false are left out
 * @param {...unknown} children elements and text; null, undefined and false are left out
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  put(element, children);
  return element;
}

/** Appends whatever there is to append. */
export function put(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      parent.append(child instanceof Node ? child : String(child));
    }
  }
}

/** Replaces all that is in `parent`. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  put(parent, children);
}

/** Sets the text only where it differs, so that nothing is painted or read out for nothing. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  back: "M10 3 5 8l5 5",
  check: "m3 8.5 3.5 3.5L13 4.5",
  chevron: "m6 4 4 4-4 4",
  cross: "m4 4 8 8m0-8-8 8",
  dot: "M8 8h.01",
  layers: "m8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3",
  down: "M8 3v10m-4-4 4 4 4-4",
  hand: "M8 2.5v6m0 3v.5M8 15A7 7 0 1 0 8 1a7 7 0 0 0 0 14",
  link: "M6 4H3v9h9v-3M9 3h4v4m0-4L7 9",
  pause: "M6 4v8m4-8v8",
  question: "M6 6a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.2v.3m0 2.2v.1M8 15A7 7 0 1 0 8 1a7 7 0 0 0 0 14",
  ring: "M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10",
  spin: "M8 2a6 6 0 1 1-6 6",
  stop: "M4.5 4.5h7v7h-7z",
  up: "M8 13V3M4 7l4-4 4 4",
  warning: "M8 2 1.5 13.5h13zM8 6.5v3m0 2v.1",
};

/**
 * A drawing beside a word; it says nothing on its own.
 *
 * @param {string} name one of the drawings above
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A value from Neo, its tools or a model: in quotation marks, on a ground that nothing in it can end. Longer
 * texts of theirs are quoted by `formatted`, with a bar beside them.
 */
export function quoted(text) {
  return text ? el("span", { class: "foreign" }, "“", text, "”") : null;
}

/** Words for screen readers alone. */
export function unseen(text) {
  return el("span", { class: "unseen" }, text);
}
