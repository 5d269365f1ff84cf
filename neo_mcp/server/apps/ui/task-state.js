/** What is known of one task: a fold of `view_task`'s answers. Nothing here touches the page. */

/**
 * @typedef {object} Known
 * @property {import("./types.js").TaskView | null} head the newest answer, whose items are not all
 * @property {Map<number, import("./types.js").Item>} items by their index, without a gap
 * @property {number} lowest index of the oldest that is here
 * @property {number} highest index of the newest that is here
 */

/** @returns {Known} */
export function nothing() {
  return { head: null, items: new Map(), lowest: Infinity, highest: -1 };
}

/**
 * Adds an answer; gives back the items that are new or changed, oldest first.
 *
 * @param {Known} known
 * @param {import("./types.js").TaskView} answer
 * @param {{older?: boolean}} [how] whether it is a page of what was before
 * @returns {{changed: import("./types.js").Item[], restarted: boolean}}
 */
export function fold(known, answer, { older = false } = {}) {
  const reaches = (item) => older || known.highest < 0 || item.index >= known.lowest;
  // An old item that changes is shown once its page is fetched: what is here has no gap.
  const items = [...(answer.items ?? [])].filter(reaches).sort((a, b) => a.index - b.index);
  if (!older) known.head = answer;
  // What happened in between may be more than one answer holds: what is left is whole, up to the newest.
  const newest = items.at(-1)?.index ?? -1;
  const added = items.filter((item) => item.index > known.highest);
  const gap = added.length > 0 && known.highest >= 0 && added[0].index > known.highest + 1;
  const restarted = !older && (gap || (answer.total ?? 0) <= known.highest);
  if (restarted) Object.assign(known, { items: new Map(), lowest: Infinity, highest: -1 });
  for (const item of items) {
    known.items.set(item.index, item);
    known.lowest = Math.min(known.lowest, item.index);
  }
  known.highest = Math.max(known.highest, newest);
  return { changed: items, restarted };
}

/** How many older items there are that are not here. */
export function missing(known) {
  return known.items.size ? Math.max(0, known.lowest - (known.head?.first ?? 0)) : 0;
}
