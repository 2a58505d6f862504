// Curves by uPlot, in the colours of the page.
/* global uPlot */

const PROBE = document.createElement("span");
PROBE.hidden = true;
document.body.append(PROBE);
const WHOLE = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((count) => count * 10 ** power));
const drawn = new Set();

/** A colour of the page as the canvas takes it: its pairs for light and dark are resolved by the browser. */
export function colour(name) {
  PROBE.style.color = `var(${name})`;
  return getComputedStyle(PROBE).color;
}

export const number = (value) => (value == null ? "–" : Math.abs(value) >= 1e6 ? value.toExponential(3) : String(+value.toPrecision(4)));

function marks(places) {
  return {
    hooks: {
      draw: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = colour("--wait");
        ctx.lineWidth = 1.5 * devicePixelRatio;
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        for (const { x, label } of places()) {
          const left = Math.round(plot.valToPos(x, "x", true));
          if (!(left >= bbox.left && left <= bbox.left + bbox.width)) continue;
          ctx.beginPath();
          ctx.moveTo(left, bbox.top);
          ctx.lineTo(left, bbox.top + bbox.height);
          ctx.stroke();
          const fits = left + ctx.measureText(label).width + 8 < bbox.left + bbox.width;
          ctx.textAlign = fits ? "left" : "right";
          ctx.fillText(label, left + (fits ? 4 : -4) * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
        }
        ctx.restore();
      },
    },
  };
}

/** The legend tells the newest values while nobody points at others. */
function newest(plot) {
  if (plot.cursor.idx == null) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
}

/** One figure with a chart. */
export class Chart {
  /** places: gives the marks as {x, label}. */
  constructor(figure, { places = () => [], height = 200, sync = null } = {}) {
    this.figure = figure;
    this.box = figure.querySelector(".plot");
    this.places = places;
    this.height = height;
    this.sync = sync;
    this.summary = document.createElement("p");
    this.summary.className = "unseen";
    figure.append(this.summary);
    drawn.add(this);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.box);
  }

  /** series: [{label, values, colour}], over the values of x. */
  show(x, series, { time = false, xLabel = "epoch" } = {}) {
    const form = JSON.stringify([series.map((each) => [each.label, each.colour]), time, xLabel]);
    this.last = [x, series, { time, xLabel }];
    const data = [x, ...series.map((each) => each.values)];
    if (this.plot && form === this.form) this.plot.setData(data);
    else this.build(data, series, time, xLabel);
    this.form = form;
    this.figure.dataset.points = x.length;
    this.summary.textContent = series.map(described).join("; ");
  }

  redraw() {
    if (!this.last) return;
    this.form = null;
    this.show(...this.last);
  }

  size() {
    return { width: Math.max(200, this.box.clientWidth), height: this.height };
  }

  build(data, series, time, xLabel) {
    this.plot?.destroy();
    const [text, line] = [colour("--muted"), colour("--line")];
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    this.plot = new uPlot(
      {
        ...this.size(),
        scales: { x: { time } },
        cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false }, ...(this.sync ? { sync: { key: this.sync } } : {}) },
        legend: { live: true },
        series: [
          { label: xLabel, ...(time ? {} : { value: (_, value) => number(value) }) },
          ...series.map((each) => ({
            label: each.label,
            stroke: colour(each.colour),
            width: 1.75,
            spanGaps: true,
            points: { size: 4, show: data[0].length < 60 },
            value: (_, value) => number(value),
          })),
        ],
        axes: [
          { ...axis, size: 30, ...(time ? {} : { incrs: WHOLE, values: (_, ticks) => ticks.map(String) }) },
          { ...axis, size: 58, values: (_, ticks) => ticks.map(number) },
        ],
        plugins: [marks(this.places), { hooks: { setCursor: newest, setData: newest, ready: newest } }],
      },
      data,
      this.box,
    );
  }
}

function described({ label, values }) {
  const known = values.filter((value) => value != null);
  return known.length ? `${label}: from ${number(known[0])} to ${number(known.at(-1))} over ${known.length} points` : `${label}: no values`;
}

function redrawAll() {
  for (const chart of drawn) chart.redraw();
}

document.addEventListener("theme", redrawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
