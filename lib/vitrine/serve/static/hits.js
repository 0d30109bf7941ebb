// Products as cards.

import { NOTHING, write } from "./address.js";
import { leaf } from "./filters.js";
import { knows, number, say } from "./words.js";

const FIRST_ROW = 6;
const CLOSENESS = { "very close": 3, similar: 2, distant: 1 };
const REASONS = { words: "words_fit" };
const GHOSTS = 8;

/** Show what a product costs, and whether it can be had. */
export function showPrice(line, { price, in_stock }) {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  line.textContent = price === null ? say("priceUnknown") : number(price, digits);
  if (!in_stock) line.append(tag(say("outOfStock")));
}

/** The address of a product's own view. */
export function productAddress(id) {
  return write({ ...NOTHING, product: id });
}

/** The address of the search that a product starts. */
export function likeAddress(id, change = {}) {
  return write({ ...NOTHING, like: id, ...change });
}

/** Fill a list with cards that show how alike they are, or who proposed them, or both. */
export function showHits(grid, hits, shown) {
  grid.replaceChildren();
  addHits(grid, hits, shown);
}

/** Put more cards behind those of a list. */
export function addHits(grid, hits, { likeness = true, reasons = false }) {
  const before = grid.childElementCount;
  grid.append(...hits.map((hit, at) => card(hit, { likeness, reasons, lazy: before + at >= FIRST_ROW })));
}

/** Say that answers are on their way. */
export function showGhosts(grid) {
  const ghost = () => Object.assign(document.createElement("li"), { className: "ghost", ariaHidden: true });
  grid.replaceChildren(...Array.from({ length: GHOSTS }, ghost));
}

/** Show a picture by its address at the service or in this tab, and a plain tile where it cannot be had. */
export function showPicture(image, url) {
  image.onerror = () => image.classList.add("missing");
  image.classList.remove("missing");
  image.src = url.replace(/^\//, "");
}

function card(hit, { likeness, reasons, lazy }) {
  const item = document.getElementById("card").content.cloneNode(true).querySelector("li");
  const part = (selector) => item.querySelector(selector);
  part("a").href = productAddress(hit.product_id);
  part("img").loading = lazy ? "lazy" : "eager";
  showPicture(part("img"), hit.image);
  part("h3").textContent = hit.title || hit.product_id;
  part(".with").href = likeAddress(hit.product_id);
  part(".with").title = say("searchWith");
  part(".with .unseen").textContent = say("searchWithNamed", { title: hit.title || hit.product_id });
  part(".kind").textContent = [hit.brand, leaf(hit.category)].filter(Boolean).join(" – ");
  showPrice(part(".price"), hit);
  part(".likeness").hidden = !likeness;
  showLikeness(part(".likeness"), hit);
  part(".sources").replaceChildren(...(reasons ? hit.sources.map(reason) : []));
  showFolded(part(".folded"), hit);
  return item;
}

function showLikeness(line, { likeness, score }) {
  line.dataset.bars = CLOSENESS[likeness] ?? 0;
  const scoreText = number(score, { maximumFractionDigits: 2 });
  line.title = say("likeness", { score: scoreText });
  line.lastElementChild.textContent = likeness ? say(likeness) : line.title;
}

function showFolded(link, hit) {
  link.hidden = !hit.more_like_this;
  link.href = likeAddress(hit.product_id, { each: true });
  link.textContent = say("folded", { n: hit.more_like_this });
}

function reason(source) {
  const key = REASONS[source] ?? source;
  const line = document.createElement("li");
  line.textContent = knows(key) ? say(key) : source;
  return line;
}

function tag(text) {
  return Object.assign(document.createElement("span"), { className: "tag", textContent: text });
}
