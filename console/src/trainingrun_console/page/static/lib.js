// What all scripts share: asking the service, changing a part of a page in place, telling of a change.

export const byId = (id) => document.getElementById(id);

/** Tells those who cannot see a change. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** An answer of this service; its refusals are errors with words for people. */
export async function ask(url, options = {}) {
  const token = document.querySelector("meta[name=csrf-token]")?.content;
  const headers = { "X-Fragment": "1", ...(token && options.method ? { "X-CSRF-Token": token } : {}) };
  const answer = await fetch(url, { ...options, headers: { ...headers, ...options.headers } });
  if (answer.status === 401 && location.pathname !== "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? answer.statusText);
  return answer;
}

/** Brings elements to what the HTML says, and leaves alone what is the same: focus, scroll, open details.
 * Without a container, each element of the HTML takes the place of the one with its id. */
export function put(html, container = null) {
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  const focused = document.activeElement?.id;
  if (container) children(container, wanted.content);
  else for (const each of [...wanted.content.children]) children(byId(each.id), each);
  if (focused && document.activeElement?.id !== focused) byId(focused)?.focus({ preventScroll: true });
}

function children(now, then) {
  const staying = new Set([...then.children].map((each) => each.id).filter(Boolean));
  for (const each of [...now.children]) if (each.id && !staying.has(each.id)) each.remove();
  const known = new Map([...now.children].filter((each) => each.id).map((each) => [each.id, each]));
  let place = now.firstChild;
  for (const wanted of [...then.childNodes]) {
    const same = wanted.id ? known.get(wanted.id) : place?.id ? null : place;
    if (!same) {
      now.insertBefore(wanted, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else now.insertBefore(same, place);
    change(same, wanted);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function change(now, then) {
  if (now.isEqualNode(then)) return;
  if (now.nodeName !== then.nodeName) return now.replaceWith(then);
  if (now.nodeType === Node.TEXT_NODE) return (now.data = then.data);
  if (now.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name } of [...now.attributes]) {
    if (!then.hasAttribute(name) && name !== "open") now.removeAttribute(name);
  }
  for (const { name, value } of then.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  children(now, then);
}

/** Calls at once and then every so many milliseconds while somebody looks; never two at a time. */
export function whileVisible(milliseconds, work) {
  let running = false;
  const tick = async () => {
    if (document.hidden || running) return;
    running = true;
    try {
      await work();
    } catch {
      // The service may be away for a while; the next time may do.
    } finally {
      running = false;
    }
  };
  setInterval(tick, milliseconds);
  document.addEventListener("visibilitychange", tick);
  return tick;
}

/** Calls soon, and once for all calls meanwhile. */
export function soon(milliseconds, work) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, milliseconds);
  };
}
