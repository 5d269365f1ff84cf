/** Times and durations as people read them; those that still run tick here, without asking anybody. */

import { el, write } from "./dom.js";

/** @type {Set<{element: HTMLElement, text: () => string, away: number}>} */
const ticking = new Set();

/** Seconds as `4 s`, `3 min 05 s` or `2 h 07 min`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** The time of day, as the reader's own clock has it; empty where it is not known. */
export function timeOf(at, estimated = false) {
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return null;
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const text = estimated ? `about ${clock}` : clock;
  return el("time", { class: "at", datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

/** How long ago something was: it grows by itself. */
export function ago(at) {
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return null;
  const text = () => since((Date.now() - date.getTime()) / 1000);
  const properties = { class: "at", datetime: date.toISOString(), title: date.toLocaleString() };
  return tick(el("time", properties, text()), text);
}

/** A duration that grows from `seconds` on. */
export function stopwatch(seconds) {
  const start = performance.now() - seconds * 1000;
  const text = () => duration(Math.floor((performance.now() - start) / 1000));
  return tick(el("span", { class: "seconds" }, text()), text);
}

function since(seconds) {
  if (seconds < 60) return "just now";
  /** @type {[string, number][]} */
  const units = [
    ["year", 31_536_000],
    ["month", 2_592_000],
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ];
  const [unit, length] = units.find(([, length]) => seconds >= length);
  const count = Math.floor(seconds / length);
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}

function tick(element, text) {
  ticking.add({ element, text, away: 0 });
  return element;
}

/** Moves every clock on that is on the page, and forgets those that have been away for some seconds. */
export function tickAll() {
  for (const one of ticking) {
    one.away = one.element.isConnected ? 0 : one.away + 1;
    if (one.away > 5) ticking.delete(one);
    else if (one.away === 0) write(one.element, one.text());
  }
}
