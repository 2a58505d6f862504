"""What it costs to tell many clients of one run: `python -m tests.benchmarks.console_live`.

A real service (one worker) on loopback and its clients, which are raw sockets in a process of their own. An
epoch is committed each second, as the collector does it; a client's latency is from the commit to its receipt
of the message, on the machine's monotonic clock. Stalled clients send their request and never read. The same
number of clients then listens to a bare asyncio server that sends the same bytes to all.
"""

import argparse
import gc
import json
import multiprocessing as mp
import os
import re
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import uvicorn
from starlette.requests import HTTPConnection

from tests.benchmarks.console_live_clients import (
    BARE,
    RUN,
    SSE,
    WEBSOCKET,
    Receipts,
    epoch,
    listen,
    raise_limit,
    serve_bare,
)
from tests.helpers.ports import free_port
from trainingrun_api.reasons import Phase
from trainingrun_console.access.caller import Caller
from trainingrun_console.access.limits import SERVER
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.history.store import History
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.wire import HttpProtocol
from trainingrun_console.settings import Settings

SETTLE_SECONDS = 3.0
LAST_SECONDS = 10.0
"""For the last message to arrive."""


def parser() -> argparse.ArgumentParser:
    """Options of the benchmark."""
    result = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.console_live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--sse", type=int, default=1000, help="clients (default: %(default)s)")
    result.add_argument("--websockets", type=int, default=1000, help="clients (default: %(default)s)")
    result.add_argument("--stalled", type=int, default=100, help="of both together (default: %(default)s)")
    result.add_argument("--epochs", type=int, default=20, help="default: %(default)s")
    result.add_argument(
        "--polled", type=float, metavar="SECONDS",
        help="nobody tells the service of an epoch, as where trainers write: it looks each so many seconds",
    )  # fmt: skip
    result.add_argument("--out", type=Path, help="a file for the figures, as JSON")
    return result


class OpenGate:
    """Lets everybody in, and to everything."""

    name, csrf = "anna", ""

    def caller(self, request: HTTPConnection) -> Caller:
        return cast(Caller, self)

    def may(self, verb: str, namespace: str | None) -> bool:
        return True


def serve(url: str, port: int, polled: float | None = None, pipe: Pipe | None = None) -> None:
    """The service, until it is killed. What comes through the pipe is how many epochs to commit; what goes
    back is when they were."""
    raise_limit()
    history = History.open(url)
    hub = Hub(history, poll_seconds=polled or 2.0)
    settings = Settings(requests_per_second=1e6)
    app = create_app(Console(settings, history, hub, cast(Any, OpenGate())))
    if pipe is not None:
        changed = hub.changed if polled is None else None
        threading.Thread(target=write, args=(history, changed, pipe), daemon=True).start()
    gc.collect()
    gc.freeze()
    config: dict[str, Any] = {**SERVER, "http": HttpProtocol, "log_level": "warning", "lifespan": "off"}
    uvicorn.run(app, host="127.0.0.1", port=port, **config)


def write(history: History, changed: Any, pipe: Pipe) -> None:
    """The collector's part."""
    changed = changed or (lambda run_id: None)
    commits = {}
    for number in range(1, pipe.recv() + 1):
        began = time.monotonic()
        history.save(replace(RUN, epoch=number))
        history.save_epochs(RUN.run_id, [epoch(number)])
        commits[number] = time.monotonic()
        changed(RUN.run_id)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
    history.save(replace(RUN, phase=Phase.COMPLETED, completed_at=datetime.now(UTC), epoch=max(commits)))
    changed(RUN.run_id)
    pipe.send(commits)


def figures(commits: dict[int, float], received: list[list[tuple[int, float]]]) -> dict[str, Any]:
    """Of one protocol."""
    latencies = [1000 * (at - commits[number]) for each in received for number, at in each]
    numbers = [[number for number, _ in each] for each in received]
    return {
        "clients": len(received),
        "medianMs": round(statistics.median(latencies), 1),
        "p99Ms": round(statistics.quantiles(latencies, n=100, method="inclusive")[98], 1),
        "mostMs": round(max(latencies), 1),
        "lost": sum(len(set(commits) - set(each)) for each in numbers),
        "doubled": sum(len(each) - len(set(each)) for each in numbers),
        "outOfOrder": sum(each != sorted(each) for each in numbers),
    }


def memory(pid: int, name: str) -> float:
    """MiB by a line of the process's status: VmRSS, or its peak VmHWM."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return round(int(found[1]) / 1024, 1)


def seconds_of_processor(pid: int) -> float:
    """That a process took, both in itself and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until_open(port: int) -> None:
    """Wait until somebody listens there."""
    for _ in range(300):
        with socket.socket() as candidate:
            if not candidate.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on port {port}")


def measure(server: Any, pipe: Pipe, port: int, clients: Any, epochs: int) -> dict[str, Any]:
    """The figures of one server."""
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe()
    server.start()
    listeners = context.Process(target=listen, args=(port, *clients, theirs), daemon=True)
    try:
        until_open(port)
        before = memory(server.pid, "VmRSS")
        began = time.monotonic()
        listeners.start()
        mine.recv()
        connected = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        idle, spent = memory(server.pid, "VmRSS"), seconds_of_processor(server.pid)
        pipe.send(epochs)
        commits = pipe.recv()
        spent = seconds_of_processor(server.pid) - spent
        time.sleep(LAST_SECONDS)
        mine.send(None)
        receipts: Receipts = mine.recv()
        return {
            **{kind: figures(commits, received) for kind, received in receipts.items() if received},
            "secondsToConnect": round(connected, 1),
            "processorSecondsAnEpoch": round(spent / epochs, 3),
            "memoryMiB": {"before": before, "connected": idle, "peak": memory(server.pid, "VmHWM")},
        }
    finally:
        for process in (server, listeners):
            if process.pid:
                process.kill()
                process.join()


def bench(sse: int, websockets: int, stalled: int, epochs: int, polled: float | None) -> dict[str, Any]:
    """The service, then the bare server."""
    context = mp.get_context("spawn")
    deaf = {SSE: stalled // 2, WEBSOCKET: stalled - stalled // 2}
    reading = {SSE: sse - deaf[SSE], WEBSOCKET: websockets - deaf[WEBSOCKET]}
    with TemporaryDirectory() as folder:
        url, port = f"sqlite:///{folder}/history.db", free_port()
        with History.open(url) as history:
            history.save(RUN)
        mine, theirs = context.Pipe()
        server = context.Process(target=serve, args=(url, port, polled, theirs), daemon=True)
        service = measure(server, mine, port, (reading, deaf), epochs)
    port = free_port()
    mine, theirs = context.Pipe()
    server = context.Process(target=serve_bare, args=(port, theirs), daemon=True)
    bare = measure(server, mine, port, ({BARE: sum(reading.values())}, {BARE: stalled}), epochs)
    ratios = {
        kind: {name: round(service[kind][name] / bare[BARE][name], 1) for name in ("medianMs", "p99Ms")}
        for kind in (SSE, WEBSOCKET)
        if kind in service
    }
    return {"service": service, "bareServer": bare, "timesTheBareServer": ratios}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 where something was lost or doubled."""
    options = parser().parse_args(arguments)
    raise_limit()
    found = bench(options.sse, options.websockets, options.stalled, options.epochs, options.polled)
    asked = {name: value for name, value in vars(options).items() if name != "out"}
    text = json.dumps({**asked, **found}, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    wrong = [
        found["service"].get(kind, {}).get(name, 0)
        for kind in (SSE, WEBSOCKET)
        for name in ("lost", "doubled")
    ]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    raise SystemExit(main())
