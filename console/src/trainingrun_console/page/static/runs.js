// The list of runs: refreshed in place, narrowed as one types, and picks for a comparison.
import { announce, ask, byId, put, soon, whileVisible } from "./lib.js";

const REFRESH = 5000;
const MOST = 8;
const list = byId("list");
const picked = new Set(JSON.parse(sessionStorage.getItem("picked") ?? "[]"));
let asked = 0;

function phases() {
  return new Map([...list.querySelectorAll("tr[data-key]")].map((row) => [row.dataset.key, row.dataset]));
}

async function refresh() {
  const mine = ++asked;
  const before = new Map([...phases()].map(([key, { phase }]) => [key, phase]));
  const html = await (await ask(`${list.dataset.part}${location.search}`)).text();
  if (mine !== asked) return; // another question was asked meanwhile
  put(html, list);
  showPicked();
  const changed = [...phases()].filter(([key, { phase }]) => before.has(key) && before.get(key) !== phase);
  if (changed.length) announce(changed.map(([, { name, phase }]) => `${name} is ${phase}`).join(", "));
}

function showPicked() {
  for (const box of list.querySelectorAll("input[name=run]")) {
    box.checked = picked.has(box.value);
    box.disabled = !box.checked && picked.size >= MOST;
  }
  const button = byId("compare-button");
  button.disabled = picked.size < 2;
  button.textContent = picked.size ? `Compare ${picked.size}` : "Compare";
  button.title = picked.size < 2 ? "Pick two to eight runs" : "";
}

list.addEventListener("change", ({ target }) => {
  if (target.name !== "run") return;
  if (target.checked) picked.add(target.value);
  else picked.delete(target.value);
  sessionStorage.setItem("picked", JSON.stringify([...picked]));
  showPicked();
  announce(`${picked.size} of at most ${MOST} runs picked`);
});

byId("compare").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.removeItem("picked");
  location.assign(`/ui/compare?${new URLSearchParams([...picked].map((run) => ["run", run]))}`);
});

async function narrow() {
  const form = byId("filters");
  const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const sort = new URLSearchParams(location.search).get("sort");
  if (sort) wanted.set("sort", sort);
  history.replaceState(null, "", wanted.size ? `/ui/?${wanted}` : "/ui/");
  await refresh();
  announce(`${phases().size} runs on this page`);
}

const narrowSoon = soon(250, () => narrow().catch(() => byId("filters").submit()));
byId("filters").addEventListener("input", narrowSoon);
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  narrowSoon();
});
showPicked();
whileVisible(REFRESH, refresh);
