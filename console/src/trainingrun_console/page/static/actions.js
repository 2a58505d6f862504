// Retry, suspend, resume and delete, each after somebody confirmed it.
import { announce, ask, byId } from "./lib.js";

const ACTIONS = {
  retry: { title: "Retry this run?", text: "It starts anew from its newest checkpoint, with a whole budget of failures.", yes: "Retry", done: "asked to start anew" },
  suspend: { title: "Suspend this run?", text: "It writes a checkpoint, its pods end, and it waits until it is resumed.", yes: "Suspend", done: "asked to suspend" },
  resume: { title: "Resume this run?", text: "It goes on from its newest checkpoint.", yes: "Resume", done: "asked to go on" },
  delete: { title: "Delete this run?", text: "It is ended and removed from the cluster. Its results stay in their claim, and its history stays here.", yes: "Delete", done: "deleted" },
};

/** Wires the buttons of the run's state; `changed` is called after each change. */
export function confirmedActions(run, changed) {
  const dialog = byId("confirm");
  const typed = byId("confirm-name");
  let wanted = null;

  byId("state").addEventListener("click", ({ target }) => {
    wanted = target.closest("[data-action]")?.dataset.action;
    if (!wanted) return;
    const { title, text, yes } = ACTIONS[wanted];
    byId("confirm-title").textContent = title;
    byId("confirm-text").textContent = text;
    byId("confirm-error").textContent = "";
    byId("confirm-yes").textContent = yes;
    byId("confirm-name-line").hidden = wanted !== "delete";
    typed.value = "";
    check();
    dialog.showModal();
  });

  const check = () => (byId("confirm-yes").disabled = wanted === "delete" && typed.value !== run.name);
  typed.addEventListener("input", check);
  typed.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the first button of the dialog is Cancel
    byId("confirm-yes").click();
  });

  byId("confirm-yes").addEventListener("click", async (event) => {
    event.preventDefault();
    byId("confirm-yes").disabled = true;
    try {
      const deleting = wanted === "delete";
      await ask(deleting ? `/runs/${run.run}` : `/runs/${run.run}/${wanted}`, { method: deleting ? "DELETE" : "POST" });
      dialog.close();
      announce(`${run.name} is ${ACTIONS[wanted].done}`);
      if (deleting) location.assign("/ui/");
      else await changed();
    } catch (error) {
      byId("confirm-error").textContent = error.message;
      check();
    }
  });
}
