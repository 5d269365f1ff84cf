/** Where the reader is: what comes in never moves what is being read, and who is at the end stays there. */

const NEAR = 48;
const PROBES = [8, 40, 80, 140, 220];
let pinned = false;

/** Whether the end of the page is in sight, or would be if what came last had its true height already. */
export function atEnd() {
  const page = document.scrollingElement;
  return pinned || page.scrollHeight - page.scrollTop - page.clientHeight < NEAR;
}

/** Goes to the end of the page, and stays there as it grows, until the reader goes up. */
export function toEnd() {
  pinned = true;
  document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
}

/**
 * Watches where the reader goes.
 *
 * @returns {() => void} ends it
 */
export function watchEnd() {
  const page = document.scrollingElement;
  let last = page.scrollTop;
  const moved = () => {
    // Up is a reader's doing: what grows never moves the page up.
    if (page.scrollTop < last) pinned = false;
    pinned ||= atEnd();
    last = page.scrollTop;
  };
  const grown = new ResizeObserver(() => pinned && toEnd());
  window.addEventListener("scroll", moved, { passive: true });
  grown.observe(document.getElementById("page"));
  return () => {
    pinned = false;
    grown.disconnect();
    window.removeEventListener("scroll", moved);
  };
}

/**
 * Changes the page while what is in sight stays where it is. At the very top, what comes on top is shown,
 * unless it is `older`.
 *
 * @param {() => void} change
 * @param {{older?: boolean}} [how]
 */
export function keepPlace(change, { older = false } = {}) {
  const page = document.scrollingElement;
  const atTop = page.scrollTop === 0 && !older;
  const below = document.getElementById("bar").getBoundingClientRect().bottom;
  const seen = PROBES.map((more) => document.elementFromPoint(page.clientWidth / 3, below + more));
  const anchor = seen.map((element) => element?.closest("[data-index], .card")).find(Boolean);
  const before = anchor?.getBoundingClientRect().top ?? 0;
  change();
  if (atTop || !anchor?.isConnected) return;
  const moved = anchor.getBoundingClientRect().top - before;
  if (Math.abs(moved) >= 1) window.scrollBy({ top: moved, behavior: "instant" });
}
