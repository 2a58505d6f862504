// One run, live: its epochs from the REST API, what comes from the stream, its state as HTML again and again.
import { Chart } from "./charts.js";
import { Epochs, ofMessage } from "./epochs.js";
import { announce, ask, byId, put, soon, whileVisible } from "./lib.js";
import { confirmedActions } from "./actions.js";
import { followLog } from "./log.js";

const REFRESH = 5000;
const run = byId("run").dataset;
const epochs = new Epochs();
const chosen = new Set();
const places = () => attempts().flatMap((each) => {
  const x = epochs.end(each, byId("axis").value);
  return x === null ? [] : [{ x, label: `#${each.number} ${each.reason}` }];
});
const charts = Object.fromEntries(
  ["loss", "monitor", "rate", "pace", "all"].map((name) => [
    name,
    new Chart(byId(`chart-${name}`), { places, sync: "run", height: name === "all" ? 280 : 200 }),
  ]),
);
let stream = null;
let lastId = "";

function attempts() {
  return [...document.querySelectorAll("tr.attempt")]
    .map(({ dataset }) => ({ ...dataset, toStep: dataset.toStep === "" ? null : Number(dataset.toStep) }))
    .filter((each) => each.outcome !== "Completed");
}

function draw() {
  const names = epochs.names();
  byId("charts").hidden = !epochs.known.size;
  byId("no-curves").hidden = epochs.known.size > 0;
  byId("marks-note").hidden = !epochs.known.size || !attempts().length;
  if (!epochs.known.size) return;
  const axis = byId("axis").value;
  const x = epochs.x(axis);
  const how = { time: axis === "time", xLabel: axis === "global_step" ? "step" : axis };
  const show = (chart, wanted) =>
    chart.show(x, wanted.map((name, place) => ({ label: name, values: epochs.values(name), colour: `--s${place % 8}` })), how);
  const losses = ["train_loss", "val_loss"].filter((name) => names.includes(name));
  const others = names.filter((name) => name.endsWith("_loss") && !losses.includes(name) && name !== "test_loss");
  show(charts.loss, losses.length ? losses : others.slice(0, 4));
  const monitor = names.includes(run.monitor) ? run.monitor : names.find((name) => name.startsWith("val_") && name !== "val_loss");
  byId("chart-monitor").hidden = !monitor;
  if (monitor) show(charts.monitor, [monitor, monitor.replace(/^val_/, "train_")].filter((name, place, all) => names.includes(name) && all.indexOf(name) === place));
  for (const [chart, name, figure] of [[charts.rate, "learning_rate", "chart-rate"], [charts.pace, "samples_per_second", "chart-pace"]]) {
    byId(figure).hidden = epochs.values(name).every((value) => value === null);
    if (!byId(figure).hidden) show(chart, [name]);
  }
  choose(names);
  show(charts.all, names.filter((name) => chosen.has(name)));
}

function choose(names) {
  const box = document.querySelector(".chooser");
  const shown = new Set([...box.querySelectorAll("input")].map((each) => each.value));
  if (!shown.size) for (const name of names.filter((each) => each.startsWith("val_") && !each.includes("_class_") && each !== "val_loss").slice(0, 6)) chosen.add(name);
  for (const name of names.filter((each) => !shown.has(each))) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: chosen.has(name) });
    label.append(input, name);
    box.append(label);
  }
}

document.querySelector(".chooser").addEventListener("change", ({ target }) => {
  if (target.checked) chosen.add(target.value);
  else chosen.delete(target.value);
  draw();
});
byId("axis").addEventListener("change", draw);
const drawSoon = soon(150, draw);

async function past() {
  let after = 0;
  while (after !== null) {
    const answer = await (await ask(`/runs/${run.run}/metrics?after=${after}`)).json();
    answer.epochs.forEach((epoch) => epochs.add(epoch));
    after = answer.next_after;
  }
  draw();
}

async function state() {
  const before = document.querySelector(".head").dataset.phase;
  put(await (await ask(`/ui/parts/runs/${run.run}`)).text());
  const head = document.querySelector(".head").dataset;
  if (head.phase !== before) {
    announce(`${run.name} is ${head.phase}`);
    pods();
  }
  run.finished = head.finished;
  drawSoon();
}

async function pods() {
  const box = byId("pods");
  if (!box) return;
  try {
    put(await (await ask(`/ui/parts/runs/${run.run}/pods`)).text(), box);
  } catch (error) {
    box.replaceChildren(Object.assign(document.createElement("p"), { className: "muted", textContent: error.message }));
  }
  box.removeAttribute("aria-busy");
}

const stateSoon = soon(400, () => state().catch(() => {}));
const EVENTS = [
  "training_start", "training_mode", "attempt_end", "epoch_end", "early_stopping", "round_metrics", "training_complete",
  "training_stopped", "training_end", "training_metrics_update", "run_status",
];

function heard({ data, lastEventId }) {
  const message = JSON.parse(data);
  if (lastEventId) lastId = lastEventId;
  byId("run").dataset.heard = message.event;
  if (message.event === "epoch_end") {
    epochs.add(ofMessage(message));
    drawSoon();
  }
  if (message.event === "training_end") {
    stream.close();
    showLive("ended");
  }
  stateSoon();
}

function showLive(what) {
  byId("live").textContent = { open: "live", lost: "reconnecting …", ended: "" }[what];
  byId("live").dataset.is = what;
}

/** A hidden tab gives its connection back: a browser has six for all tabs of a service. */
function listen() {
  stream?.close();
  if (document.hidden) return;
  stream = new EventSource(`/runs/${run.run}/stream${lastId ? `?last_event_id=${encodeURIComponent(lastId)}` : ""}`);
  stream.onopen = () => showLive("open");
  stream.onerror = () => showLive(stream.readyState === EventSource.CLOSED ? "ended" : "lost");
  stream.onmessage = heard;
  for (const name of EVENTS) stream.addEventListener(name, heard);
}

confirmedActions(run, async () => {
  await state();
  lastId = "";
  listen();
});
followLog(run);
await past().catch((error) => announce(error.message));
pods();
if (run.finished === "no") {
  listen();
  document.addEventListener("visibilitychange", () => run.finished === "no" && listen());
  whileVisible(REFRESH, () => (run.finished === "no" ? state() : null));
}
