"""The page that Prometheus reads: the operator's own metrics, and under them the series of all runs.

A page of thousands of runs is read every few seconds, while few of them change. So the text of a run is
written once for each change, at the next reading, and kept; kube-state-metrics does so for the same reason.
"""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.utils import floatToGoString

from trainingrun_api.exposition import MetricFamily
from trainingrun_api.listening import every_address, family
from trainingrun_operator.observed import Key
from trainingrun_operator.run_series import FAMILIES, RUN_LABELS, Shown

GZIP_LEVEL = 1
"""A page shrinks to a tenth with the least effort already."""
_BETWEEN = b"\0"
"""Between the families of a run's text; in no label, for Kubernetes' texts have none."""
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\"", "\0": ""})


class RunSeries:
    """The series of every existing run. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: dict[Key, Shown] = {}
        """Runs whose text is out of date."""
        self._texts: dict[Key, bytes] = {}
        self._last: dict[Key, tuple[str, int]] = {}
        """Version and number of pods of ended runs: most are shown again and again and never change."""

    def publish(self, shown: Shown) -> None:
        """Shows a run in the place of what was shown of it before."""
        key = shown.run.key
        # As read: the answer to the write of its end comes in a moment, and is what stays.
        over = shown.run.over
        stamp = (shown.run.resource_version, len(shown.pods))
        with self._lock:
            if over and self._last.get(key) == stamp:
                return
            self._texts.setdefault(key, b"")
            if not over:
                self._last.pop(key, None)
                self._changed[key] = shown
                return
        # At once, for nobody may ever read the page, and the text is smaller than what it is made of.
        text = _text(shown)
        with self._lock:
            self._changed.pop(key, None)
            self._texts[key], self._last[key] = text, stamp

    def forget(self, key: Key) -> None:
        """Drops the series of a run that no longer exists."""
        with self._lock:
            for kept in (self._changed, self._texts, self._last):
                kept.pop(key, None)

    def text(self) -> bytes:
        """All series of all runs, in the text format."""
        with self._lock:
            changed, self._changed = self._changed, {}
        written = {key: _text(shown) for key, shown in changed.items()}
        with self._lock:
            # A run may have been forgotten, or have ended, meanwhile.
            self._texts.update({k: v for k, v in written.items() if k in self._texts and k not in self._last})
            texts = [text.split(_BETWEEN) for text in self._texts.values() if text]
        page = []
        for place, name in enumerate(FAMILIES):
            page.append(f"# HELP {name} {name.help}\n# TYPE {name} gauge\n".encode())
            page.extend(text[place] for text in texts)
        return b"".join(page)


def serve(port: int, registry: CollectorRegistry, series: RunSeries) -> ThreadingHTTPServer:
    """Serves the page on all addresses until it is shut down; the server, whose thread ends with it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = generate_latest(registry) + series.text()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, GZIP_LEVEL)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    address = every_address()

    class Server(ThreadingHTTPServer):
        address_family = family(address)
        daemon_threads = True

    server = Server((address, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _text(shown: Shown) -> bytes:
    """The lines of each family, one family after the other."""
    of_run = dict(zip(RUN_LABELS, shown.run.key, strict=True))
    return _BETWEEN.join(
        "".join(_line(name, of_run, values, value) for values, value in samples(shown)).encode()
        for name, samples in FAMILIES.items()
    )


def _line(name: MetricFamily, of_run: dict[str, str], values: list[str], value: float) -> str:
    labels = of_run | dict(zip(name.labels, values, strict=True))
    inside = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in sorted(labels.items()))
    return f"{name}{{{inside}}} {floatToGoString(value)}\n"  # type: ignore[no-untyped-call]
