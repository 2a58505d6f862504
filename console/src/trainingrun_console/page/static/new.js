// The form of a new run: more rows, and the way to what is wrong.
import { byId } from "./lib.js";

for (const button of document.querySelectorAll(".add")) {
  button.addEventListener("click", () => {
    const rows = [...button.parentElement.querySelectorAll(".row")];
    const last = rows.at(-1);
    const from = `${button.dataset.group}.${rows.length - 1}.`;
    const to = `${button.dataset.group}.${rows.length}.`;
    const row = last.cloneNode(true);
    for (const each of row.querySelectorAll("*")) {
      for (const name of ["id", "name", "for", "aria-describedby"]) {
        const value = each.getAttribute(name);
        if (value) each.setAttribute(name, value.replaceAll(from, to));
      }
      each.removeAttribute("aria-invalid");
      if (each.classList.contains("error")) each.remove();
      if ("value" in each && each.matches("input, select, textarea")) each.value = "";
    }
    last.after(row);
    row.querySelector("input, select, textarea").focus();
  });
}

/** Opens the group that an address points into. */
function reveal() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  const group = target?.closest("details");
  if (!group) return;
  group.open = true;
  target.scrollIntoView({ block: target === group ? "start" : "center" });
  (target === group ? group.querySelector("summary") : target).focus({ preventScroll: true });
}

addEventListener("hashchange", reveal);
reveal();
byId("errors")?.focus();
