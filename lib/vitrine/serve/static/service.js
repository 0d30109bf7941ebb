// Talks with the service; whatever goes wrong becomes a Problem.

const PAGE = 24;
const ROW = 12;
const DEADLINE_MS = 60_000;
const KEY = "vitrine-key";

/** What went wrong: `code` is the service's word, or `offline`; `wait` says after how many seconds to try again. */
export class Problem extends Error {
  constructor(code, { status = 0, detail = "", reason = "", wait = null } = {}) {
    super(detail || code);
    Object.assign(this, { code, status, detail, reason, wait });
  }
}

/** What the page must know before it asks: whether a key is needed, and which pictures are taken. */
export function about() {
  return call("about");
}

/** One page of answers; `picture` is the file that is searched with, `cursor` that of the page before. */
export function search(question, { picture = null, cursor = null, signal } = {}) {
  const body = new FormData();
  if (picture) body.set("picture", picture, picture.name || "picture");
  body.set("query", JSON.stringify(queryOf(question, cursor)));
  return call("search", { method: "POST", body, signal });
}

/** A product with all its pictures. */
export function product(id, signal) {
  return call(`products/${encodeURIComponent(id)}`, { signal });
}

/** What looks like a product. */
export function similar(id, signal) {
  return call(`products/${encodeURIComponent(id)}/similar?k=${ROW}`, { signal });
}

/** What goes with a product. */
export function related(id, signal) {
  return call(`products/${encodeURIComponent(id)}/related?k=${ROW}`, { signal });
}

/** Whether a key is kept; it is kept until the tab is closed. */
export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/** Keep a key for this tab. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

function queryOf(question, cursor) {
  const { box } = question;
  const share = (side) => box[side] / 100;
  return {
    examples: question.like ? [{ product_id: question.like }] : [],
    words: question.words,
    box: box && { left: share("left"), top: share("top"), width: share("width"), height: share("height") },
    filters: {
      categories: question.categories,
      brands: question.brands,
      price_min: question.from,
      price_max: question.to,
      in_stock: question.inStock || null,
    },
    k: PAGE,
    cursor,
    collapse: !question.each,
    narrow: !question.everywhere,
  };
}

async function call(path, { signal, ...request } = {}) {
  const key = sessionStorage.getItem(KEY);
  const signals = [AbortSignal.timeout(DEADLINE_MS), ...(signal ? [signal] : [])];
  let response;
  let body;
  try {
    response = await fetch(path, {
      ...request,
      headers: key ? { "X-API-Key": key } : {},
      signal: AbortSignal.any(signals),
    });
    body = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(error.name === "TimeoutError" ? "too_late" : "offline", { status: response?.status });
  }
  if (response.ok) return body;
  const wait = Number.parseInt(response.headers.get("Retry-After"), 10);
  throw new Problem(body.code ?? "fault", { ...body, status: response.status, wait: Number.isNaN(wait) ? null : wait });
}
