// The page: what is asked stands in the address, and every view is drawn from it.

import * as answer from "./answer.js";
import { NOTHING, asks, read, subject, write } from "./address.js";
import { CropBox } from "./crop.js";
import * as filters from "./filters.js";
import { likeAddress, productAddress, showPicture } from "./hits.js";
import { askForKey } from "./key.js";
import * as pictures from "./picture.js";
import * as productView from "./product.js";
import * as service from "./service.js";
import * as words from "./words.js";

const place = (id) => document.getElementById(id);
const ANY_PICTURE = { max_picture_bytes: Infinity, picture_types: [] };

let question = read(location.search);
let limits = ANY_PICTURE;
let arrived = history.state?.arrived ?? 0;

const crop = new CropBox({
  changed: (box) => ask({ box }),
  describe: (box) => words.say("cropLabel", box),
});

/** Ask something else; whoever crops or filters stays where they are. */
function ask(change) {
  const next = Object.freeze({ ...question, ...change });
  go(next, { leap: subject({ ...next, box: null }) !== subject({ ...question, box: null }) });
}

function begin(change) {
  ask({ ...NOTHING, ...change });
}

function go(next, { leap }) {
  question = next;
  arrived += 1;
  history.pushState({ arrived }, "", write(next));
  if (leap) scrollTo(0, 0);
  show({ anew: true, leap });
}

function viewOf({ product, ...rest }) {
  if (product) return "product";
  return asks(rest) ? "search" : "empty";
}

function show({ anew = false, leap = false } = {}) {
  const view = viewOf(question);
  document.body.dataset.view = view;
  place("refused").textContent = "";
  place("skip").hash = view === "product" ? "#product" : "#answer";
  place("words").value = question.words;
  place("language").textContent = words.otherLanguage().name;
  place("language").lang = words.otherLanguage().tag;
  document.title = view === "search" ? `${words.say("results")} · Vitrine` : "Vitrine";
  if (view === "product") return showProduct(leap);
  productView.leave();
  showAsked();
  answer.show(question, { anew });
  if (leap) place(view === "search" ? "answer-title" : "welcome-title").focus();
  return undefined;
}

function showProduct(leap) {
  const named = (title) => {
    document.title = `${title} · Vitrine`;
    if (leap) place("product-title").focus();
  };
  productView.show(question.product, { named });
}

async function showAsked() {
  const { picture, like, box } = question;
  const held = pictures.heldPicture(picture);
  place("asked").hidden = !like && !held;
  place("mini").hidden = !like && !held;
  place("choose").textContent = words.say(asks(question) ? "another" : "choose");
  place("numbers").hidden = place("box").hidden = !held;
  place("asked-title").textContent = "";
  crop.show(box);
  if (held) return showAskedPicture(held.url, words.say("yourPicture"));
  if (!like) return undefined;
  return showAskedProduct(like);
}

async function showAskedProduct(id) {
  const asked = question;
  const found = await service.product(id).catch(() => null);
  if (!found?.images.length || asked !== question) return;
  showAskedPicture(found.images[0].image, "");
  const link = document.createElement("a");
  link.href = productAddress(id);
  link.textContent = found.title || id;
  link.dataset.go = "";
  place("asked-title").replaceChildren(link);
}

function showAskedPicture(url, alt) {
  for (const image of [place("asked-picture"), place("mini").querySelector("img")]) showPicture(image, url);
  place("asked-picture").alt = alt;
}

function listenToLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-go]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(read(link.search), { leap: true });
  });
  place("back").addEventListener("click", (event) => {
    if (!arrived) return;
    event.preventDefault();
    history.back();
  });
  addEventListener("popstate", ({ state }) => {
    const next = read(location.search);
    if (state) arrived = state.arrived;
    if (write(next) === write(question)) return; // a link to a part of the page
    question = next;
    show();
  });
}

function listenToForms() {
  place("asking").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ words: place("words").value.trim() });
  });
  place("language").addEventListener("click", () => {
    words.changeLanguage();
    show();
  });
}

words.begin();
filters.listen(ask);
answer.listen(ask);
pictures.listen({
  limits: () => limits,
  chosen: (file) => begin({ picture: pictures.hold(file), words: question.words }),
  product: (id) => go(read(likeAddress(id).slice(2)), { leap: true }),
  refused: (key, values) => (place("refused").textContent = words.say(key, values)),
});
listenToLinks();
listenToForms();
history.replaceState({ arrived }, "");
show();
service.about().then(
  (about) => {
    limits = about;
    if (about.key_required && !service.hasKey()) askForKey({ code: "key_needed" }, show);
  },
  () => {},
);
