/** Looks again and again: one look at a time, slower while nothing happens, none while nobody sees. */

const LONGEST = 60;
const BACKOFF = [1, 2, 4, 8, 16, 30];

/**
 * Looks until it is closed.
 *
 * @param {object} how
 * @param {(signal: AbortSignal) => Promise<boolean>} how.look whether to expect more soon
 * @param {number} how.pause seconds between two looks, at least
 * @param {(error: Error, seconds: number) => void} how.failed with the seconds until the next try
 * @returns {{soon: () => void, close: () => void}}
 */
export function keepLooking({ look, pause, failed }) {
  const end = new AbortController();
  let failures = 0;
  let idle = 0;
  let wake = () => {};

  const rest = (seconds) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      wake = () => (clearTimeout(timer), resolve());
    });

  const run = async () => {
    while (!end.signal.aborted) {
      await seen(end.signal);
      if (end.signal.aborted) return;
      let seconds = pause;
      try {
        idle = (await look(end.signal)) ? 0 : idle + 1;
        failures = 0;
        if (idle > 1) seconds = Math.min(LONGEST, pause + 5 * 2 ** (idle - 2));
      } catch (error) {
        if (end.signal.aborted) return;
        // Spread out: many views lose their server at the same moment.
        seconds = BACKOFF[Math.min(failures++, BACKOFF.length - 1)] * (1 + Math.random() / 4);
        failed(error, seconds);
      }
      await rest(seconds);
    }
  };
  const soon = () => ((idle = 0), wake());
  run();
  return { soon, close: () => (end.abort(), wake()) };
}

let onScreen = true;

/** Watches whether the page is in sight: hosts keep the frames of old calls, scrolled far away. */
export function watchSight() {
  if (!("IntersectionObserver" in window)) return;
  const observer = new IntersectionObserver((entries) => {
    onScreen = entries.at(-1).isIntersecting;
    if (onScreen) window.dispatchEvent(new Event("insight"));
  });
  observer.observe(document.documentElement);
}

/** Resolves once somebody sees the page, or `signal` is aborted. */
function seen(signal) {
  const visible = () => !document.hidden && onScreen;
  if (visible()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = new AbortController();
    const check = () => {
      if (!visible() && !signal.aborted) return;
      stop.abort();
      resolve();
    };
    document.addEventListener("visibilitychange", check, { signal: stop.signal });
    window.addEventListener("insight", check, { signal: stop.signal });
    signal.addEventListener("abort", check, { signal: stop.signal });
  });
}
