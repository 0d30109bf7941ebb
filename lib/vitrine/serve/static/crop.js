// The crop box over the picture that is searched with: by pointer, by keys, by numbers.

const LEAST = 5;
const STEP = 2;
const WHOLE = Object.freeze({ left: 0, top: 0, width: 100, height: 100 });
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A box moved by some percents, as far as the picture goes. */
export function moved(box, x, y) {
  return { ...box, left: within(box.left + x, 0, 100 - box.width), top: within(box.top + y, 0, 100 - box.height) };
}

/** A box whose right lower corner is moved by some percents. */
export function resized(box, x, y) {
  const width = within(box.width + x, LEAST, 100 - box.left);
  return { ...box, width, height: within(box.height + y, LEAST, 100 - box.top) };
}

/** The box between two points in percents, not smaller than a box may be. */
export function spanned([x, y], [otherX, otherY]) {
  const left = within(Math.min(x, otherX), 0, 100 - LEAST);
  const top = within(Math.min(y, otherY), 0, 100 - LEAST);
  const width = within(Math.max(x, otherX) - left, LEAST, 100 - left);
  return { left, top, width, height: within(Math.max(y, otherY) - top, LEAST, 100 - top) };
}

/** A box with one side set to what was typed, and the others made to fit. */
export function withSide(box, side, value) {
  const typed = { ...box, [side]: within(value, side === "width" || side === "height" ? LEAST : 0, 100) };
  const left = Math.min(typed.left, 100 - LEAST);
  const top = Math.min(typed.top, 100 - LEAST);
  return { left, top, width: Math.min(typed.width, 100 - left), height: Math.min(typed.height, 100 - top) };
}

/** Wires the box of the page; `changed(box)` is called when one was settled, with null for the whole picture. */
export class CropBox {
  #box = WHOLE;
  #changed;
  #describe;
  #settling;
  #stage = document.getElementById("stage");
  #frame = document.getElementById("box");
  #numbers = document.querySelectorAll("[data-side]");

  constructor({ changed, describe }) {
    this.#changed = changed;
    this.#describe = describe;
    this.#listenToKeys();
    this.#listenToNumbers();
    this.#stage.addEventListener("pointerdown", (event) => this.#follow(event));
  }

  /** Show a box; null is the whole picture. */
  show(box) {
    clearTimeout(this.#settling);
    this.#draw(box ?? WHOLE);
  }

  #draw(box) {
    this.#box = box;
    for (const side of Object.keys(WHOLE)) this.#frame.style[side] = `${box[side]}%`;
    for (const input of this.#numbers) input.value = box[input.dataset.side];
    this.#stage.classList.toggle("cut", !isWhole(box));
    this.#frame.ariaLabel = this.#describe(box);
  }

  #settle(delay_ms = 0) {
    clearTimeout(this.#settling);
    const settled = isWhole(this.#box) ? null : this.#box;
    this.#settling = setTimeout(() => this.#changed(settled), delay_ms);
  }

  #listenToKeys() {
    this.#frame.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const [x, y] = ARROWS[event.key].map((one) => one * STEP);
      this.#draw(event.shiftKey ? resized(this.#box, x, y) : moved(this.#box, x, y));
      this.#settle(400);
    });
  }

  #listenToNumbers() {
    for (const input of this.#numbers) {
      input.addEventListener("change", () => {
        const value = Math.round(input.valueAsNumber);
        this.#draw(Number.isNaN(value) ? this.#box : withSide(this.#box, input.dataset.side, value));
        this.#settle();
      });
    }
    document.getElementById("whole").addEventListener("click", () => {
      this.#draw(WHOLE);
      this.#settle();
    });
  }

  #follow(down) {
    if (down.button !== 0) return;
    down.preventDefault();
    const before = this.#box;
    const start = this.#point(down);
    const next = this.#gesture(down.target, before, start);
    const move = (event) => this.#draw(next(this.#point(event)));
    const end = (event) => {
      for (const [kind, listener] of listeners) this.#stage.removeEventListener(kind, listener);
      if (event.type === "pointercancel") this.#draw(before);
      else if (String(Object.values(before)) !== String(Object.values(this.#box))) this.#settle();
    };
    const listeners = Object.entries({ pointermove: move, pointerup: end, pointercancel: end });
    for (const [kind, listener] of listeners) this.#stage.addEventListener(kind, listener);
    this.#stage.setPointerCapture(down.pointerId);
    this.#frame.focus({ preventScroll: true });
  }

  /** What a drag does: a corner resizes, the inside of a cut moves it, everything else draws a new box. */
  #gesture(target, box, start) {
    const corner = target.dataset.corner;
    if (corner) {
      const fixed = [
        corner.includes("left") ? box.left + box.width : box.left,
        corner.includes("top") ? box.top + box.height : box.top,
      ];
      return (point) => spanned(fixed, point);
    }
    if (target === this.#frame && !isWhole(box)) return ([x, y]) => moved(box, x - start[0], y - start[1]);
    return (point) => spanned(start, point);
  }

  #point(event) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    const percent = (part, all) => within(Math.round((part / all) * 100), 0, 100);
    return [percent(event.clientX - left, width), percent(event.clientY - top, height)];
  }
}

function isWhole(box) {
  return box.width === 100 && box.height === 100;
}

function within(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
