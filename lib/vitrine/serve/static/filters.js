// The filters beside the results, and the chips above them.

import { UNFILTERED, filterCount, priceRange } from "./address.js";
import { number, say } from "./words.js";

const FIRST_BRANDS = 8;

const form = document.getElementById("filters");
const categories = document.getElementById("categories");
const brands = document.getElementById("brands");
const chips = document.getElementById("chips");
const fold = document.getElementById("filters-fold");

/** The last name of a category path. */
export function leaf(path) {
  return path.split("/").at(-1);
}

/** Call `changed(filters)` with all filters whenever one is changed. */
export function listen(changed) {
  fold.open = matchMedia("(min-width: 56rem)").matches;
  form.addEventListener("change", ({ target }) => {
    if (target.name === "category" && target.checked) uncheckKin(target.value);
    changed(stated());
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changed(stated());
  });
  chips.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) changed(button.without);
  });
}

/** Show what is filtered by. */
export function show(question) {
  form.elements.inStock.checked = question.inStock;
  form.elements.from.value = question.from ?? "";
  form.elements.to.value = question.to ?? "";
  document.getElementById("filters-count").textContent = filterCount(question) || "";
  chips.replaceChildren(...chipsOf(question));
}

/**
 * Offer what an answer's `facets` hold: `{value, count}` of categories on each level, and of brands.
 *
 * It may come while somebody types a price, so it touches no other input.
 */
export function offer(question, facets) {
  keepFocus(() => {
    showCategories(offered(facets.categories, question.categories), question.categories);
    showBrands(offered(facets.brands, question.brands), question.brands);
  });
}

function stated() {
  const given = new FormData(form);
  const [from, to] = priceRange(given);
  return {
    categories: given.getAll("category"),
    brands: given.getAll("brand"),
    from,
    to,
    inStock: given.has("inStock"),
  };
}

function uncheckKin(path) {
  for (const input of form.querySelectorAll("[name=category]:checked")) {
    if (isBelow(input.value, path) || isBelow(path, input.value)) input.checked = false;
  }
}

function isBelow(path, other) {
  return path.startsWith(`${other}/`);
}

function offered(options, chosen) {
  const missing = chosen.filter((value) => !options.some((option) => option.value === value));
  return [...options, ...missing.map((value) => ({ value, count: null }))];
}

function showCategories(options, chosen) {
  categories.hidden = !options.length;
  const most = options.reduce((one, other) => (other.count > one.count ? other : one), { value: "", count: 0 }).value;
  const below = (parent) =>
    options
      .filter(({ value }) => value.slice(0, Math.max(value.lastIndexOf("/"), 0)) === parent)
      .map((option) => {
        const { value } = option;
        const inner = value === most || chosen.some((one) => one === value || isBelow(one, value)) ? below(value) : [];
        const line = optionLine("category", option, leaf(value), chosen);
        if (inner.length) line.append(list(inner));
        return line;
      });
  categories.querySelector("ul").replaceChildren(...below(""));
}

function showBrands(options, chosen) {
  brands.hidden = !options.length;
  const lines = options.map((option) => optionLine("brand", option, option.value, chosen));
  const [first, rest] = brands.querySelectorAll("ul");
  first.replaceChildren(...lines.filter((_, at) => at < FIRST_BRANDS || chosen.includes(options[at].value)));
  rest.replaceChildren(...lines.filter((line) => !line.parentNode));
  rest.parentElement.hidden = !rest.childElementCount;
}

function optionLine(name, { value, count }, text, chosen) {
  const input = Object.assign(document.createElement("input"), { type: "checkbox", name, value });
  input.checked = chosen.includes(value);
  input.indeterminate = chosen.some((one) => isBelow(one, value));
  const label = document.createElement("label");
  label.className = "line";
  label.append(input, span(text), span(count === null ? "" : number(count), "count"));
  const line = document.createElement("li");
  line.append(label);
  return line;
}

function chipsOf(question) {
  const without = (name, value) => ({ [name]: question[name].filter((one) => one !== value) });
  const money = (price) => number(price, { maximumFractionDigits: 2 });
  const all = [
    ...question.categories.map((path) => [leaf(path), without("categories", path)]),
    ...question.brands.map((brand) => [brand, without("brands", brand)]),
    ...(question.from === null ? [] : [[say("atLeast", { price: money(question.from) }), { from: null }]]),
    ...(question.to === null ? [] : [[say("atMost", { price: money(question.to) }), { to: null }]]),
    ...(question.inStock ? [[say("inStock"), { inStock: false }]] : []),
  ];
  const removing = all.map(([what, change]) => chip(`${what} ×`, say("remove", { what }), change));
  return all.length > 1 ? [...removing, chip(say("clear"), say("clear"), UNFILTERED)] : removing;
}

function chip(text, label, without) {
  const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: label, without });
  button.textContent = text;
  const line = document.createElement("li");
  line.append(button);
  return line;
}

function list(lines) {
  const element = document.createElement("ul");
  element.append(...lines);
  return element;
}

function span(text, kind = "") {
  return Object.assign(document.createElement("span"), { textContent: text, className: kind });
}

function keepFocus(change) {
  const { name, value } = document.activeElement;
  const inside = form.contains(document.activeElement) && ["category", "brand"].includes(name);
  change();
  if (inside) form.querySelector(`[name=${name}][value=${CSS.escape(value)}]`)?.focus();
}
