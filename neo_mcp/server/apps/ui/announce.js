/** What a screen reader is told: little, politely, and the newest where much happens at once. */

const QUIET = 4000;
let waiting = "";
let timer = 0;

/** Says `text` soon; another within some seconds takes its place. */
export function announce(text) {
  waiting = text;
  timer ||= setTimeout(speak, 100);
}

function speak() {
  document.getElementById("said").textContent = waiting;
  waiting = "";
  timer = setTimeout(() => {
    timer = 0;
    if (waiting) announce(waiting);
  }, QUIET);
}
