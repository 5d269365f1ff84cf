/** Changes of files: a list with counts, and their lines, told apart by sign and by colour. */

import { el, quoted, unseen } from "./dom.js";
import { folded } from "./folded.js";
import { table } from "./table.js";

const KINDS = table({ changed: ["M", "changed"], added: ["A", "added"], removed: ["D", "removed"] });
const LINES = table({ "+": "add", "-": "del", "@": "hunk" });
const SHORT = 60;

/**
 * Changes of files, or nothing.
 *
 * @param {import("./types.js").ChangedFile[] | undefined} files
 * @param {number} [cut] how many files were left out
 */
export function changes(files, cut = 0) {
  if (!files?.length) return cut ? el("p", { class: "cut" }, `${cut} changed files are not shown.`) : null;
  const added = files.reduce((sum, file) => sum + file.added, 0);
  const removed = files.reduce((sum, file) => sum + file.removed, 0);
  const count = `${files.length} file${files.length === 1 ? "" : "s"} changed`;
  let shown = 0;
  const list = files.map((file) => {
    shown += file.lines.length;
    return el("li", {}, oneFile(file, shown <= SHORT));
  });
  return el(
    "div",
    { class: "changes" },
    el("p", { class: "total" }, count, " ", counts(added, removed)),
    el("ul", { class: "files" }, list),
    cut > 0 && el("p", { class: "cut" }, `${cut} more files are not shown.`),
  );
}

function oneFile(file, open) {
  const [letter, word] = KINDS[file.kind] ?? KINDS.changed;
  const badge = el("span", { class: `kind kind-${letter}`, title: word }, letter, unseen(` (${word})`));
  const path = el("span", { class: "path" }, quoted(file.path));
  return folded({
    kind: "file",
    open,
    summary: [badge, " ", path, " ", counts(file.added, file.removed)],
    make: () => lines(file),
  });
}

function counts(added, removed) {
  return el(
    "span",
    { class: "counts" },
    el("span", { class: "plus" }, `+${added}`, unseen(" lines")),
    " ",
    el("span", { class: "minus" }, `\u2212${removed}`, unseen(" lines")),
  );
}

function lines(file) {
  const rows = file.lines.map(({ k, s }) =>
    el(
      "span",
      { class: `line ${LINES[k] ?? "same"}` },
      el("span", { class: "sign" }, k === "@" ? "" : k),
      s,
      "\n",
    ),
  );
  const rest =
    file.cut > 0 && el("p", { class: "cut" }, `${file.cut.toLocaleString()} more lines are not shown.`);
  const around = { class: "lines", tabindex: 0, role: "group", "aria-label": `Changes of ${file.path}` };
  return [el("pre", around, el("code", {}, rows)), rest];
}
