// The one-time key may stand behind the # of the address, which no server and no log sees.
import { byId } from "./lib.js";

const form = byId("login");
const secret = byId("secret");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("login-error").textContent = "";
  const answer = await fetch("/login", { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.ok) {
    const next = new URL(form.elements.next.value, location.origin);
    location.replace(next.origin === location.origin ? next : "/ui/");
    return;
  }
  const problem = await answer.json().catch(() => ({}));
  byId("login-error").textContent = problem.detail ?? "That did not work; try again.";
  secret.setAttribute("aria-invalid", "true");
  secret.select();
});

function useKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return secret.focus();
  history.replaceState(null, "", location.pathname + location.search);
  secret.value = key;
  form.requestSubmit();
}

addEventListener("hashchange", useKey);
useKey();
