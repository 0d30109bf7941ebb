// Asks for the access key where the service wants one.

import { keepKey } from "./service.js";
import { sentence } from "./trouble.js";

const REFUSALS = ["key_needed", "key_unknown"];
const dialog = document.getElementById("key");
const value = document.getElementById("key-value");

/** Whether a problem is that a key is missing or wrong. */
export function wantsKey(problem) {
  return REFUSALS.includes(problem.code);
}

/** Ask for a key and keep it, then call `again`; nothing happens where the person closes the dialog. */
export function askForKey(problem, again) {
  if (dialog.open) return;
  value.value = "";
  document.getElementById("key-refused").textContent = problem.code === "key_unknown" ? sentence(problem) : "";
  dialog.onclose = () => {
    if (!value.value) return;
    keepKey(value.value);
    value.value = "";
    again();
  };
  dialog.showModal();
}

dialog.addEventListener("cancel", () => (value.value = ""));
