// Curves of several runs over each other.
import { Chart } from "./charts.js";
import { Epochs } from "./epochs.js";
import { announce, ask, byId } from "./lib.js";

const section = byId("comparison");
const chart = section && new Chart(byId("chart-compare"), { height: 340 });
let runs = [];

function minutes(epochs) {
  const times = epochs.x("time");
  let passed = 0;
  return epochs.all().map((epoch, place) => {
    if (times[0] !== null && times[place] !== null) return (times[place] - times[0] + (epochs.all()[0].seconds ?? 0)) / 60;
    passed += (epoch.seconds ?? 0) / 60;
    return passed;
  });
}

function draw() {
  const axis = byId("axis").value;
  const name = byId("metric").value;
  const curves = runs.map(({ epochs }) => {
    const x = axis === "minutes" ? minutes(epochs) : epochs.x(axis);
    return new Map(x.map((place, index) => [place, epochs.values(name)[index]]));
  });
  const x = [...new Set(curves.flatMap((curve) => [...curve.keys()]))].sort((one, other) => one - other);
  chart.show(
    x,
    runs.map(({ label }, place) => ({ label, values: x.map((at) => curves[place].get(at) ?? null), colour: `--s${place}` })),
    { xLabel: axis === "global_step" ? "step" : axis },
  );
}

if (section) {
  const query = new URLSearchParams(section.dataset.runs.split(" ").map((run) => ["run", run]));
  try {
    const found = await (await ask(`/runs/compare?${query}`)).json();
    runs = found.runs.map(({ run, epochs }) => {
      const known = new Epochs();
      epochs.forEach((epoch) => known.add(epoch));
      return { label: run.name, epochs: known };
    });
    const names = [...new Set(runs.flatMap(({ epochs }) => epochs.names()))];
    byId("metric").append(...[...names, "learning_rate", "samples_per_second", "seconds"].map((name) => new Option(name, name)));
    byId("metric").value = names.includes(section.dataset.monitor) ? section.dataset.monitor : names[0];
    byId("no-curves").hidden = names.length > 0;
    byId("chart-compare").hidden = !names.length;
    for (const id of ["metric", "axis"]) byId(id).addEventListener("change", draw);
    if (names.length) draw();
  } catch (error) {
    announce(error.message);
    byId("no-curves").hidden = false;
    byId("no-curves").textContent = error.message;
  }
}
