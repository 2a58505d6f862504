// The end of the log, and what is written from now on, while somebody looks at it.
import { ask, byId } from "./lib.js";

const TAIL = 200;
const MOST = 2000;

export function followLog(run) {
  const box = byId("log");
  if (!box) return;
  let reading = null;
  let seen = false;

  async function read() {
    reading?.abort();
    if (!seen || document.hidden) return;
    const mine = (reading = new AbortController());
    const query = new URLSearchParams({ tail: TAIL, format: "jsonl", follow: byId("log-follow").checked && run.finished === "no" });
    const rank = byId("log-rank").value.trim();
    if (/^\d+$/.test(rank)) query.set("rank", rank);
    box.replaceChildren();
    try {
      const answer = await ask(`/runs/${run.run}/logs?${query}`, { signal: mine.signal });
      let rest = "";
      for await (const text of texts(answer.body)) {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        write(lines.filter(Boolean).map((line) => JSON.parse(line)));
      }
      if (!box.childElementCount) say("Nothing is written, or the pods are gone.");
    } catch (error) {
      if (!mine.signal.aborted) say(error.message);
    }
  }

  function write(lines) {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(...lines.map(shown));
    while (box.childElementCount > MOST) box.firstElementChild.remove();
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  const say = (text) => box.append(Object.assign(document.createElement("div"), { className: "muted", textContent: text }));

  for (const name of ["log-follow", "log-rank"]) byId(name).addEventListener("change", read);
  document.addEventListener("visibilitychange", read);
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || seen) return;
    seen = true;
    read();
  }).observe(box);
}

function shown(line) {
  const row = document.createElement("div");
  if (line.problem) {
    row.textContent = line.problem.detail;
    return row;
  }
  if (line.level) row.dataset.level = line.level;
  const at = document.createElement("span");
  at.className = "at";
  at.textContent = `${line.time.slice(11, 19)} ${line.rank === null ? "" : `[${line.rank}] `}`;
  row.append(at, line.message);
  return row;
}

async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
