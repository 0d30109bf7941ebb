// A product's own view, with what looks alike and what goes with it.

import { likeAddress, showGhosts, showHits, showPicture, showPrice } from "./hits.js";
import { askForKey, wantsKey } from "./key.js";
import * as service from "./service.js";
import { clearTrouble, showTrouble } from "./trouble.js";
import { patiently } from "./waiting.js";
import { say } from "./words.js";

const place = (id) => document.getElementById(id);
const ROWS = {
  similar: { find: service.similar, none: "noneSimilar", shows: { likeness: true } },
  related: { find: service.related, none: "noneRelated", shows: { likeness: false, reasons: true } },
};

const kept = new Map();
let going = new AbortController();

/** Show a product; `named(title)` is called when its title is known. */
export function show(id, { named }) {
  going.abort();
  going = new AbortController();
  const { signal } = going;
  place("facts").hidden = true;
  part(`product ${id}`, () => service.product(id, signal), {
    signal,
    trouble: place("product-trouble"),
    shown: (product) => {
      showFacts(product);
      named(product.title || id);
    },
    waiting: () => {},
  });
  for (const [name, row] of Object.entries(ROWS)) showRow(id, name, row, signal);
}

/** Leave the view: answers that come late are not shown. */
export function leave() {
  going.abort();
}

function showRow(id, name, { find, none, shows }, signal) {
  const section = place(name);
  const grid = section.querySelector(".grid");
  section.hidden = false;
  grid.replaceChildren();
  part(`${name} ${id}`, () => find(id, signal), {
    signal,
    trouble: section.querySelector(".trouble"),
    waiting: () => showGhosts(grid),
    failed: ({ code }) => {
      grid.replaceChildren();
      section.hidden = code === "no_such_product" || code.startsWith("key_");
    },
    shown: ({ hits }) => {
      showHits(grid, hits, shows);
      if (hits.length) return;
      grid.append(Object.assign(document.createElement("li"), { className: "none quiet", textContent: say(none) }));
    },
  });
}

async function part(name, find, { signal, trouble, shown, waiting, failed = () => {} }) {
  clearTrouble(trouble);
  const again = () => part(name, find, { signal, trouble, shown, waiting, failed });
  if (kept.has(name)) return shown(kept.get(name));
  try {
    const found = await patiently(find(), { waiting });
    kept.set(name, found);
    if (!signal.aborted) {
      clearTrouble(trouble, { settled: true });
      shown(found);
    }
  } catch (problem) {
    if (signal.aborted) return undefined;
    failed(problem);
    showTrouble(trouble, problem, problem.code === "no_such_product" ? null : again);
    if (wantsKey(problem)) askForKey(problem, () => location.reload());
  }
  return undefined;
}

function showFacts(product) {
  place("facts").hidden = false;
  place("product-title").textContent = product.title || product.product_id;
  const kind = [product.brand, product.category.replaceAll("/", " › ")];
  place("product-kind").textContent = kind.filter(Boolean).join(" – ");
  showPrice(place("product-price"), product);
  place("product-search").href = likeAddress(product.product_id);
  place("product-attributes").replaceChildren(...Object.entries(product.attributes).map(attribute));
  showPictures(product.images);
}

function showPictures(images) {
  const buttons = images.map(({ image }, at) => pictureButton(image, at));
  place("product-pictures").replaceChildren(...(images.length > 1 ? buttons.map(({ line }) => line) : []));
  const choose = (chosen) => {
    showPicture(place("product-picture"), images[chosen].image);
    buttons.forEach(({ button }, at) => (button.ariaPressed = at === chosen));
  };
  buttons.forEach(({ button }, at) => button.addEventListener("click", () => choose(at)));
  if (images.length) choose(0);
}

function pictureButton(url, at) {
  const image = Object.assign(document.createElement("img"), { alt: "", width: 64, height: 64 });
  showPicture(image, url);
  const label = say("pictureNumber", { n: at + 1 });
  const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: label });
  button.append(image);
  const line = document.createElement("li");
  line.append(button);
  return { line, button };
}

function attribute([name, value]) {
  const pair = document.createElement("div");
  pair.append(
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  );
  return pair;
}
