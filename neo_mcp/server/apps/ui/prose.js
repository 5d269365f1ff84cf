/** Formatted text: the server's parsed Markdown, turned into elements of an allow-list. */

import { el } from "./dom.js";

const TAGS = new Set([
  ...["p", "ul", "ol", "li", "blockquote", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"],
  ...["hr", "strong", "em", "s", "br", "a"],
]);
const DEEPEST = 24;
const MAX_HEAD = 200;

/**
 * Formatted text as elements.
 *
 * @param {import("./types.js").Prose[] | undefined} prose
 * @param {number} [below] rank of the heading that it stands under: its own never skip one
 */
export function formatted(prose, below = 2) {
  const ranks = { base: below, last: below };
  return el(
    "div",
    { class: "prose" },
    (prose ?? []).map((piece) => element(piece, ranks, 0)),
  );
}

/** The words alone, in one line. */
export function words(prose) {
  const text = (piece) => (typeof piece === "string" ? piece : (piece?.c ?? []).map(text).join(""));
  return (prose ?? []).map(text).join(" ").replace(/\s+/g, " ").trim();
}

/**
 * What a text is headed with, and the rest: its first paragraph, where that is short.
 *
 * @param {import("./types.js").Prose[] | undefined} prose
 * @param {string} title otherwise
 * @returns {{head: unknown[] | null, rest: import("./types.js").Prose[]}}
 */
export function headed(prose, title) {
  const [first, ...rest] = prose ?? [];
  if (!first || typeof first === "string" || first.t !== "p" || words([first]).length > MAX_HEAD)
    return { head: title ? [title] : null, rest: prose ?? [] };
  const ranks = { base: 6, last: 6 };
  return { head: (first.c ?? []).map((piece) => element(piece, ranks, 0)), rest };
}

/** Whether an address may be followed at all. */
export function isWeb(url) {
  // As the server's rule has it: with no user's name before the host, which could be taken for it.
  return typeof url === "string" && /^https?:\/\/[a-z0-9.-]+(:\d+)?([/?#]|$)/i.test(url) && URL.canParse(url);
}

function element(piece, ranks, depth) {
  if (typeof piece === "string") return piece;
  if (!piece || typeof piece !== "object" || depth > DEEPEST) return null;
  const children = () => (Array.isArray(piece.c) ? piece.c : []).map((c) => element(c, ranks, depth + 1));
  const heading = /^h([1-6])$/.exec(piece.t);
  if (heading) {
    ranks.last = Math.min(6, ranks.base + Number(heading[1]), ranks.last + 1);
    return el(`h${ranks.last}`, {}, children());
  }
  if (!TAGS.has(piece.t)) return children();
  if (piece.t === "a") {
    if (!isWeb(piece.href)) return children();
    const rel = "noopener noreferrer nofollow";
    return el("a", { href: piece.href, target: "_blank", rel, title: piece.href }, children());
  }
  if (piece.t === "table") {
    // Wide tables scroll on their own, for the keyboard as well.
    const around = { class: "wide", tabindex: 0, role: "group", "aria-label": "Table" };
    return el("div", around, el("table", {}, children()));
  }
  const start = piece.t === "ol" && Number.isInteger(piece.start) ? piece.start : null;
  return el(piece.t, { start }, children());
}
