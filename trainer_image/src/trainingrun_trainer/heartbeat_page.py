"""The heartbeats of a pod's ranks as a page of Prometheus text, served by the pod's main process.

The operator asks for it when a run seems to stand still, to name the ranks that are silent. The standard
library alone serves it: it must answer before torch is imported, and while every rank hangs.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from trainingrun_api import telemetry as names
from trainingrun_api.listening import every_address, family
from trainingrun_trainer.heartbeat import PHASES, Beat, Heartbeats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STOPPED = "TtDZX"
"""States of a process that does nothing and waits for no peer: stopped, traced, stuck in the kernel (as on a
file server that is away), dead. Source: proc_pid_stat(5)."""


def text(beats: Sequence[Beat]) -> str:
    """The page. Metrics: docs/metrics.md."""
    lines = []
    for name, values in (
        (names.RANK_HEARTBEAT, [(f'rank="{beat.rank}"', f"{beat.time:.3f}") for beat in beats]),
        (names.RANK_GLOBAL_STEP, [(f'rank="{beat.rank}"', f"{beat.step}") for beat in beats]),
        (
            names.RANK_PHASE,
            [
                (f'rank="{beat.rank}",phase="{phase}"', f"{int(phase is beat.phase)}")
                for beat in beats
                for phase in PHASES
            ],
        ),
        (
            names.RANK_STOPPED,
            [(f'rank="{beat.rank}"', f"{int(_state(beat.process) in STOPPED)}") for beat in beats],
        ),
        (
            names.RANK_DATA_WAIT_SECONDS,
            [(f'rank="{beat.rank}"', f"{beat.data_wait_seconds:.6f}") for beat in beats],
        ),
        (names.RANK_STEP_SECONDS, [(f'rank="{beat.rank}"', f"{beat.step_seconds:.6f}") for beat in beats]),
    ):
        lines.append(f"# TYPE {name} {name.kind}")
        lines += [f"{name}{{{labels}}} {value}" for labels, value in values]
    return "\n".join(lines) + "\n"


def _state(process: int) -> str:
    """The state letter of a process's main thread."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]


def serve(heartbeats: Heartbeats, port: int) -> ThreadingHTTPServer:
    """Answer at every address from a daemon thread, whatever path is asked for."""
    address = every_address()

    class Server(ThreadingHTTPServer):
        address_family = family(address)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = text(heartbeats.read()).encode()
            with suppress(ConnectionError):  # whoever asked has hung up
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """A request is no news."""

    server = Server((address, port), Page)
    threading.Thread(target=server.serve_forever, name="heartbeats", daemon=True).start()
    return server
