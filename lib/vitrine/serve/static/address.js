// The address of the page: it holds all that is asked, but for the bytes of a picture.

/** Asks nothing. A question is a frozen object of this shape; a box is four whole percents of the picture. */
export const NOTHING = Object.freeze({
  product: "",
  like: "",
  picture: "",
  words: "",
  box: null,
  categories: [],
  brands: [],
  from: null,
  to: null,
  inStock: false,
  everywhere: false,
  each: false,
});

/** Filters that let everything pass. */
export const UNFILTERED = Object.freeze({ categories: [], brands: [], from: null, to: null, inStock: false });

/** The question that an address asks; what it cannot mean is left out. */
export function read(search) {
  const given = new URLSearchParams(search);
  const [from, to] = priceRange(given);
  return Object.freeze({
    product: given.get("product") ?? "",
    like: given.get("like") ?? "",
    picture: given.get("picture") ?? "",
    words: given.get("words") ?? "",
    box: boxOf(given.get("box")),
    categories: given.getAll("category"),
    brands: given.getAll("brand"),
    from,
    to,
    inStock: given.has("stock"),
    everywhere: given.has("everywhere"),
    each: given.has("each"),
  });
}

/** The prices `from` and `to` of a form or an address, the lower first; null where none is given that could be one. */
export function priceRange(given) {
  const prices = ["from", "to"].map((name) => priceOf(given.get(name)));
  return prices.includes(null) ? prices : prices.toSorted((one, other) => one - other);
}

/** The address of a question, relative to the page. */
export function write(question) {
  const given = new URLSearchParams();
  for (const name of ["product", "like", "picture", "words"]) if (question[name]) given.set(name, question[name]);
  if (question.box) given.set("box", Object.values(question.box).join(" "));
  for (const category of question.categories) given.append("category", category);
  for (const brand of question.brands) given.append("brand", brand);
  for (const name of ["from", "to"]) if (question[name] !== null) given.set(name, question[name]);
  if (question.inStock) given.set("stock", "1");
  if (question.everywhere) given.set("everywhere", "1");
  if (question.each) given.set("each", "1");
  return `./${given.size ? `?${given}` : ""}`;
}

/** Whether there is anything to search with: words alone only put what looks alike into order. */
export function asks(question) {
  return Boolean(question.like || question.picture);
}

/** What a question is about, whatever its filters: equal texts, equal subjects. */
export function subject(question) {
  return write({ ...question, ...UNFILTERED, everywhere: false });
}

/** How many filters are set. */
export function filterCount(question) {
  const { categories, brands, from, to, inStock } = question;
  return categories.length + brands.length + (from !== null) + (to !== null) + inStock;
}

function boxOf(text) {
  const sides = (text ?? "").split(" ").map(Number);
  const [left, top, width, height] = sides;
  const sound = sides.length === 4 && sides.every((side) => Number.isInteger(side) && side >= 0);
  if (!sound || width < 1 || height < 1 || left + width > 100 || top + height > 100) return null;
  return { left, top, width, height };
}

function priceOf(text) {
  const price = Number.parseFloat(text);
  return Number.isFinite(price) && price >= 0 ? price : null;
}
