// Of every page: the theme, dialogs and the keyboard.
import { announce, byId } from "./lib.js";

const THEMES = { "": "as the system", light: "light", dark: "dark" };

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "";
  byId("theme").setAttribute("aria-label", `Theme: ${THEMES[theme]}`);
  byId("theme").title = `Theme: ${THEMES[theme]}`;
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // It then holds for this page alone.
  }
  showTheme();
  announce(`Theme: ${THEMES[next]}`);
  document.dispatchEvent(new Event("theme"));
});
showTheme();

for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => byId(button.dataset.opens).showModal());
}

function move(step) {
  const links = [...document.querySelectorAll(".runs .open")];
  if (!links.length) return;
  const row = document.activeElement?.closest("tr");
  const now = links.findIndex((link) => row?.contains(link));
  const next = now < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, now + step));
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
}

function search() {
  const box = byId("search");
  if (!box) return location.assign("/ui/");
  box.focus();
  box.select();
}

const KEYS = {
  "/": search,
  "?": () => byId("shortcuts").showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: () => document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
  n: () => location.assign("/ui/new"),
  g: () => location.assign("/ui/"),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  if (!document.querySelector("meta[name=csrf-token]")) return;
  event.preventDefault();
  KEYS[event.key]();
});
