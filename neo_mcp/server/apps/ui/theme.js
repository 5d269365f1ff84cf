/** The host's looks: its theme, its variables, its margins, and how tall this page may be. */

const TALLEST = 680;
let tallest = TALLEST;

/** Takes over what a host says of itself; what it leaves out stays as it is. */
export function wear(context) {
  const root = document.documentElement;
  if (context?.theme === "light" || context?.theme === "dark") root.dataset.theme = context.theme;
  for (const [name, value] of Object.entries(context?.styles?.variables ?? {})) {
    if (/^--[a-z0-9-]+$/.test(name) && typeof value === "string") root.style.setProperty(name, value);
  }
  for (const [side, pixels] of Object.entries(context?.safeAreaInsets ?? {})) {
    if (Number.isFinite(pixels)) root.style.setProperty(`--safe-${side}`, `${pixels}px`);
  }
  const room = context?.containerDimensions;
  if (room) tallest = Number.isFinite(room.height) ? Infinity : (room.maxHeight ?? TALLEST);
  // Only where the frame does not follow the page may the page follow the frame.
  root.dataset.height = tallest === Infinity ? "fixed" : "free";
}

/**
 * Tells the host how tall the page is, so that its frame fits: as much as it shows, and no taller than
 * the host allows. What is longer scrolls.
 *
 * @param {(height: number) => void} tell
 */
export function reportHeight(tell) {
  let told = 0;
  const measure = () => {
    if (tallest === Infinity) return;
    const height = Math.ceil(Math.min(document.body.getBoundingClientRect().height, tallest));
    if (height !== told) tell((told = height));
  };
  new ResizeObserver(() => requestAnimationFrame(measure)).observe(document.body);
}
