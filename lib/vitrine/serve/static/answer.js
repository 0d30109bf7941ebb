// The answer to a search: status, what the service says of it, the grid, and more of it.

import { asks, filterCount, subject, UNFILTERED, write } from "./address.js";
import * as filters from "./filters.js";
import { addHits, showGhosts, showHits } from "./hits.js";
import { askForKey, wantsKey } from "./key.js";
import { heldPicture } from "./picture.js";
import { Problem, search } from "./service.js";
import { clearTrouble, showTrouble } from "./trouble.js";
import { patiently } from "./waiting.js";
import { number, say } from "./words.js";

const KEPT = 30;
const LIKELY = 0.5;
const LEAST_ALTERNATIVE = 0.05;
const MOST_SURE = 0.99;
const SAID_NOTES = ["nothing_close", "words_unfound"];
const NOTHING_OFFERED = Object.freeze({ categories: [], brands: [] });

const view = document.getElementById("answer");
const status = document.getElementById("status");
const said = document.getElementById("said");
const trouble = document.getElementById("trouble");
const grid = document.getElementById("hits");
const more = document.getElementById("more");

const kept = new Map();
let asked = null;
let shown = null;
let going = new AbortController();

/** Call `ask(change)` with what the person chooses in the answer. */
export function listen(ask) {
  said.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) ask(button.change);
  });
  more.addEventListener("click", () => showMore(asked));
}

/** Answer a question; one that was answered before is shown as it was, unless it is asked `anew`. */
export async function show(question, { anew = false } = {}) {
  going.abort();
  going = new AbortController();
  asked = question;
  if (anew) kept.delete(write(question));
  clearTrouble(trouble);
  filters.show(question);
  const before = kept.get(write(question));
  if (before) return showAnswer(question, before);
  if (!asks(question)) return undefined;
  view.ariaBusy = true;
  filters.offer(question, sameSubject(question) ? shown.facets : NOTHING_OFFERED);
  return find(question, going.signal);
}

function sameSubject(question) {
  return shown !== null && shown.subject === subject(question);
}

async function find(question, signal) {
  try {
    const answer = await patiently(pageOf(question, { signal }), { waiting: () => wait(question), slow });
    keep(question, answer);
    if (!signal.aborted) showAnswer(question, answer);
  } catch (problem) {
    if (!signal.aborted) fail(problem, question);
  }
}

async function pageOf(question, { signal, cursor = null }) {
  const picture = question.picture ? heldPicture(question.picture)?.file : null;
  if (picture === undefined) throw new Problem("gone");
  return search(question, { picture, cursor, signal });
}

function keep(question, answer) {
  kept.set(write(question), answer);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

function wait(question) {
  status.textContent = say("searching");
  view.classList.add("waiting");
  if (sameSubject(question) && grid.childElementCount) return;
  said.replaceChildren();
  more.hidden = true;
  showGhosts(grid);
}

function slow() {
  status.textContent = say("slow");
}

function settle() {
  view.classList.remove("waiting");
  view.ariaBusy = false;
}

function showAnswer(question, answer) {
  settle();
  clearTrouble(trouble, { settled: true });
  shown = { subject: subject(question), facets: answer.facets };
  filters.offer(question, answer.facets);
  status.textContent = statusOf(answer);
  said.replaceChildren(...remarks(question, answer));
  showHits(grid, answer.hits, { reasons: noted(answer, "words_reranked") });
  more.hidden = answer.next_cursor === null;
}

function fail(problem, question) {
  settle();
  status.textContent = "";
  said.replaceChildren();
  grid.replaceChildren();
  more.hidden = true;
  showTrouble(trouble, problem, problem.code === "gone" ? null : () => show(question, { anew: true }));
  if (wantsKey(problem)) askForKey(problem, () => show(question, { anew: true }));
}

async function showMore(question) {
  const before = kept.get(write(question));
  const { signal } = going;
  more.disabled = true;
  try {
    const page = await patiently(pageOf(question, { signal, cursor: before.next_cursor }), { waiting: () => {} });
    if (signal.aborted) return;
    const first = grid.childElementCount;
    const answer = { ...before, hits: [...before.hits, ...page.hits], next_cursor: page.next_cursor };
    keep(question, answer);
    addHits(grid, page.hits, { reasons: noted(before, "words_reranked") });
    status.textContent = statusOf(answer);
    more.hidden = page.next_cursor === null;
    grid.children[first]?.querySelector("a").focus({ preventScroll: true });
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.code === "cursor_expired") show(question, { anew: true });
    else showTrouble(trouble, problem, () => showMore(question));
  } finally {
    more.disabled = false;
  }
}

function statusOf(answer) {
  if (!answer.hits.length) return say("nothing");
  const values = { n: answer.hits.length, more: answer.next_cursor !== null };
  return say(noted(answer, "words_reranked") ? "foundByBoth" : "found", values);
}

function noted(answer, code) {
  return answer.notes.some((note) => note.code === code);
}

function remarks(question, answer) {
  const { hits, narrowed_to: narrowed, guess } = answer;
  const notes = SAID_NOTES.filter((code) => noted(answer, code));
  const lines = hits.length ? notes.map((code) => remark(say(code))) : [nothing(question)];
  if (narrowed) {
    const everywhere = choice(say("everywhere"), { everywhere: true });
    lines.unshift(remark(say("narrowed", { what: filters.leaf(narrowed) }), everywhere));
  } else if (hits.length && guess && !question.categories.length) lines.unshift(guessed(guess));
  return lines;
}

function nothing(question) {
  const filtered = filterCount(question) > 0;
  const way = filtered ? [choice(say("clear"), UNFILTERED)] : [];
  return remark(say(filtered ? "nothingFits" : "nothingAtAll"), ...way);
}

function guessed(guess) {
  if (guess.none_of_these) return remark(say("noneOfThese"));
  const only = (path) => Object.assign(choice(filters.leaf(path), { categories: [path] }), { title: path });
  if (guess.p < LIKELY) return guess.calibrated && guess.sure ? remark(say("looksLike"), only(guess.sure)) : "";
  const others = guess.alternatives.filter(({ p }) => p >= LEAST_ALTERNATIVE).slice(0, 2);
  const percent = () => number(Math.min(guess.p, MOST_SURE), { style: "percent" });
  const sure = guess.calibrated ? say("sure", { p: percent() }) : "";
  const instead = others.flatMap(({ value }) => [say("or"), only(value)]);
  return remark(say("looksLike"), only(guess.path), sure, ...instead);
}

function remark(...parts) {
  const line = document.createElement("p");
  line.append(...parts.flatMap((part) => [part, " "]));
  return line;
}

function choice(text, change) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", change });
  button.textContent = text;
  return button;
}
