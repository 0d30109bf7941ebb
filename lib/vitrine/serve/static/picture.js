// The ways in for a picture: chosen, photographed, dropped or pasted.

const held = new Map();

/** Hold a picture for as long as the page is open; the name stands for it in the address. */
export function hold(file) {
  const name = Math.random().toString(36).slice(2, 10); // randomUUID is there with https only
  held.set(name, { file, url: URL.createObjectURL(file) });
  return name;
}

/** The held picture `{file, url}` of that name; undefined after the page was loaded anew. */
export function heldPicture(name) {
  return held.get(name);
}

/**
 * Listen to every way in.
 *
 * `limits()` gives the service's `max_picture_bytes` and `picture_types`. Calls `chosen(file)` with a picture,
 * `product(id)` when one of the page's own products was dropped, or `refused(key, values)` with what to say.
 */
export function listen({ limits, chosen, product, refused }) {
  const take = async (file) => {
    const { max_picture_bytes: most, picture_types: types } = limits();
    if (file.size > most) return refused("too_large", { limit: Math.floor(most / 1e6) });
    if (!types.includes(file.type) && !(await shows(file))) return refused("notAPicture");
    return chosen(file);
  };
  for (const input of document.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = "";
    });
  }
  addEventListener("paste", (event) => {
    const { files } = event.clipboardData;
    if (!files.length) return;
    event.preventDefault();
    take(files[0]);
  });
  listenToDrops((data) => {
    const dropped = productIn(data);
    if (dropped) return product(dropped);
    return data.files.length ? take(data.files[0]) : refused("addressOnly");
  });
}

function listenToDrops(dropped) {
  const curtain = document.getElementById("curtain");
  const brings = (event) => event.dataTransfer.types.some((type) => ["Files", "text/uri-list"].includes(type));
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    curtain.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) curtain.hidden = true;
  });
  addEventListener("drop", (event) => {
    curtain.hidden = true;
    if (!brings(event)) return;
    event.preventDefault();
    dropped(event.dataTransfer);
  });
}

function productIn(data) {
  const text = data.getData("text/uri-list");
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  return url.origin === location.origin ? url.searchParams.get("product") : null;
}

async function shows(file) {
  try {
    (await createImageBitmap(file)).close();
    return true;
  } catch {
    return false;
  }
}
