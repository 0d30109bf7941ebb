// What the page says, in the language of its visitor.

import { CHINESE } from "./chinese.js";
import { ENGLISH } from "./english.js";

const LANGUAGES = { en: ENGLISH, "zh-Hans": CHINESE };
const NAMES = { en: "English", "zh-Hans": "中文" };
const KEPT = "vitrine-language";

let spoken = "en";

/** Say something in the language of the page. */
export function say(key, values = {}) {
  const text = LANGUAGES[spoken][key];
  return typeof text === "function" ? text(values) : text;
}

/** Whether there is a text of that name. */
export function knows(key) {
  return key in ENGLISH;
}

/** A number as the language writes it. */
export function number(value, options = {}) {
  return new Intl.NumberFormat(spoken, options).format(value);
}

/** Begin in the language that was chosen here before, or else the first that the browser asks for. */
export function begin() {
  const wanted = localStorage.getItem(KEPT) ?? navigator.languages.find((one) => /^(en|zh)/i.test(one)) ?? "en";
  speak(wanted.startsWith("zh") ? "zh-Hans" : "en");
}

/** Go over to the other language. */
export function changeLanguage() {
  speak(other());
  localStorage.setItem(KEPT, spoken);
}

/** The other language: its tag and its name. */
export function otherLanguage() {
  return { tag: other(), name: NAMES[other()] };
}

function other() {
  return spoken === "en" ? "zh-Hans" : "en";
}

function speak(language) {
  spoken = language;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  for (const element of document.querySelectorAll("[data-say-label]")) {
    element.ariaLabel = say(element.dataset.sayLabel);
  }
  for (const element of document.querySelectorAll("[data-say-placeholder]")) {
    element.placeholder = say(element.dataset.sayPlaceholder);
  }
}
