// What went wrong, said kindly, with a way on.

import { knows, say } from "./words.js";

const TRIES = 5;
const SAID_AS = { too_many_requests: "busy", not_ready: "unavailable" };
const DAMAGED = ["truncated", "corrupt", "no_vector", "decoder_crash", "decode_timeout"];

let tries = 0;

/** The page's own words for a problem; the service's sentence where it has none. */
export function sentence(problem) {
  const { code, reason, detail } = problem;
  if (code === "bad_picture") {
    if (DAMAGED.includes(reason)) return say("damaged");
    if (reason === "unsupported_format") return say("notAPicture");
    return say(knows(reason) && reason !== "too_large" ? reason : "bad_picture");
  }
  const key = SAID_AS[code] ?? code;
  return key !== "too_large" && knows(key) ? say(key) : detail || say("fault");
}

/** Show a problem in `place`; `again()` is offered, and called by itself where the service said when. */
export function showTrouble(place, problem, again) {
  const line = document.createElement("p");
  line.textContent = sentence(problem);
  place.replaceChildren(line);
  if (!again) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button second" });
  button.textContent = say("again");
  button.addEventListener("click", again);
  if (problem.wait !== null && tries < TRIES) countDown(place, problem.wait, again);
  place.append(button);
}

/** Nothing is wrong in `place` any more; `settled` after an answer, so that waiting begins anew. */
export function clearTrouble(place, { settled = false } = {}) {
  if (settled) tries = 0;
  place.replaceChildren();
}

function countDown(place, seconds, again) {
  tries += 1;
  const line = Object.assign(document.createElement("p"), { className: "quiet", ariaLive: "off" });
  place.append(line);
  const tick = (left) => {
    if (!line.isConnected) return;
    line.textContent = say("tryAgainIn", { s: left });
    if (left > 0) setTimeout(tick, 1_000, left - 1);
    else again();
  };
  tick(Math.max(seconds, 1));
}
