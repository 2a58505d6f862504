// The epochs of one run, by number; and where on a curve an attempt ended.

const NO_SCORES = new Set(["epoch", "global_step", "learning_rate", "seconds", "samples_per_second", "time", "total_epochs"]);

export class Epochs {
  constructor() {
    this.known = new Map();
  }

  add(epoch) {
    this.known.set(epoch.epoch, epoch);
  }

  /** In ascending order. */
  all() {
    return [...this.known.values()].sort((one, other) => one.epoch - other.epoch);
  }

  /** Names of all scores, those of single classes last. */
  names() {
    const found = new Set();
    for (const epoch of this.known.values()) {
      for (const [name, value] of Object.entries(epoch)) if (!NO_SCORES.has(name) && typeof value === "number") found.add(name);
    }
    return [...found].sort((one, other) => one.includes("_class_") - other.includes("_class_") || one.localeCompare(other));
  }

  /** Of an axis: epoch, global_step or time in Unix seconds. */
  x(axis) {
    return this.all().map((epoch) => place(epoch, axis));
  }

  values(name) {
    return this.all().map((epoch) => epoch[name] ?? null);
  }

  /** Where an attempt ended, by its last step, else by the time. */
  end({ toStep, ended }, axis) {
    const epochs = this.all();
    const at = ended ? Date.parse(ended) / 1000 : null;
    if (axis === "time") return at;
    if (axis === "global_step" && toStep !== null) return toStep;
    const [by, value] = toStep !== null ? ["global_step", toStep] : ["time", at];
    if (value === null || !epochs.length) return null;
    const after = epochs.findIndex((epoch) => place(epoch, by) >= value);
    if (after < 0) return place(epochs.at(-1), axis);
    const one = after ? epochs[after - 1] : null;
    const [low, high] = [one ? place(one, by) : 0, place(epochs[after], by)];
    const share = by === "time" && !one ? 0 : high > low ? (value - low) / (high - low) : 0;
    const start = one ? place(one, axis) : 0;
    return start + share * (place(epochs[after], axis) - start);
  }
}

/** One epoch of a message on the stream, as the REST API would tell it. */
export function ofMessage({ epoch, metrics, learning_rate, seconds, samples_per_second, global_step, time }) {
  return { epoch, global_step, learning_rate, seconds, samples_per_second, time, ...metrics };
}

function place(epoch, axis) {
  if (axis !== "time") return epoch[axis] ?? epoch.epoch;
  const time = epoch.time;
  return typeof time === "number" ? time : time ? Date.parse(time) / 1000 : null;
}
