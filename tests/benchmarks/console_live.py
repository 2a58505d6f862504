"""What it costs to tell many clients of one run: `python -m tests.benchmarks.console_live`.

A real service (one worker) on loopback and its clients, which are raw sockets in a process of their own. An
epoch is committed each second, as the collector does it; a client's latency is from the commit to its receipt
of the message, on the machine's monotonic clock. Stalled clients send their request and never read. The same
number of clients then listens to a bare asyncio server that sends the same bytes to all.
"""

import argparse
import asyncio
import base64
import json
import multiprocessing as mp
import os
import re
import resource
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

from tests.helpers.ports import free_port
from trainingrun_api.reasons import Phase
from trainingrun_console.access.caller import Caller
from trainingrun_console.access.limits import SERVER
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.history.records import Run
from trainingrun_console.history.store import History
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.wire import HttpProtocol
from trainingrun_console.settings import Settings

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
RUN = Run(
    run_id="chest-0a1b2c3d", namespace="radiology", name="chest", uid="0a1b2c3d", created_at=START,
    started_at=START, phase=Phase.RUNNING, attempt=1,
)  # fmt: skip
METRICS = 20
SETTLE_SECONDS = 3.0
LAST_SECONDS = 10.0
"""For the last message to arrive."""
CONNECTING = 50
"""At the same time."""
EPOCH = re.compile(rb'"event":"epoch_end".*?"epoch":(\d+)')
TEXT, PING, PONG = 0x81, 0x89, 0x8A
SSE, WEBSOCKET, BARE = "sse", "websocket", "bare"
Receipts = dict[str, list[list[tuple[int, float]]]]
"""By protocol, of each client that reads: epochs and when they came."""


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


def epoch(number: int) -> dict[str, Any]:
    """As it stands in metrics.json."""
    scores = {f"val_metric_{place}": number + place / METRICS for place in range(METRICS)}
    more = {"learning_rate": 0.001, "seconds": 1.0, "samples_per_second": 1000.0}
    return {
        "epoch": number, "global_step": 10 * number, "train_loss": 1 / number, **scores, **more,
        "time": datetime.now(UTC).isoformat(),
    }  # fmt: skip


def serve(url: str, port: int, polled: float | None = None, pipe: Pipe | None = None) -> None:
    """The service, until it is killed. What comes through the pipe is how many epochs to commit; what goes
    back is when they were."""
    raise_limit()
    history = History.open(url)
    hub = Hub(history, poll_seconds=polled or 2.0)
    settings = Settings(database_url=url, port=port, requests_per_second=1e6)
    app = create_app(Console(settings, history, hub, cast(Any, OpenGate())))
    if pipe is not None:
        changed = hub.changed if polled is None else None
        threading.Thread(target=write, args=(history, changed, pipe), daemon=True).start()
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


def serve_bare(port: int, pipe: Pipe) -> None:
    """A server that can do nothing else than send the same bytes to all."""
    raise_limit()
    transports: list[asyncio.Transport] = []

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast(asyncio.Transport, transport))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(Peer, "127.0.0.1", port, backlog=2048)
        commits = {}
        for number in range(1, await loop.run_in_executor(None, pipe.recv) + 1):
            record = epoch(number)
            text = json.dumps({"event": "epoch_end", "run_id": RUN.run_id, "time": record["time"], **record})
            content = f"event: epoch_end\ndata: {text}\n\n".replace(": ", ":").encode()
            commits[number] = time.monotonic()
            for transport in transports:
                transport.write(content)
            await asyncio.sleep(1.0)
        pipe.send(commits)
        await asyncio.Event().wait()

    asyncio.run(main())


class Client(asyncio.Protocol):
    """Asks, and notes when which epoch came."""

    def __init__(self, kind: str) -> None:
        self.kind, self.received = kind, list[tuple[int, float]]()
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(request(self.kind))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.open.done():
            self.open.set_result(None)
            if self.kind != BARE:
                _, _, data = data.partition(b"\r\n\r\n")
        pieces = self._frames(data) if self.kind == WEBSOCKET else self._events(data)
        for piece in pieces:
            if found := EPOCH.search(piece):
                self.received.append((int(found[1]), now))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(error or ConnectionResetError())

    def _events(self, data: bytes) -> list[bytes]:
        *events, self._rest = (self._rest + data).split(b"\n\n")
        return events

    def _frames(self, data: bytes) -> list[bytes]:
        rest, found = self._rest + data, []
        while len(rest) >= 2:
            size, begin = rest[1], 2
            if size == 126:
                size, begin = int.from_bytes(rest[2:4]), 4
            if len(rest) < begin + size:
                break
            if rest[0] == PING:
                self.transport.write(bytes((PONG, 0x80 | size)) + bytes(4) + rest[begin : begin + size])
            found.append(rest[begin : begin + size])
            rest = rest[begin + size :]
        self._rest = rest
        return found


def request(kind: str) -> bytes:
    """What a client begins with."""
    if kind == SSE:
        return f"GET /runs/{RUN.run_id}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = (
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    )
    return f"GET /runs/{RUN.run_id}/ws HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\r\n".encode()


def listen(port: int, reading: dict[str, int], stalled: dict[str, int], pipe: Pipe) -> None:
    """All clients: says when they are connected; when it is told, sends what they received."""
    raise_limit()

    async def main() -> None:
        loop, places = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTING)
        deaf = []

        async def connect(kind: str) -> Client:
            async with places:
                _, client = await loop.create_connection(lambda: Client(kind), "127.0.0.1", port)
                if kind != BARE:
                    await client.open
                return client

        for kind in (kind for kind, number in stalled.items() for _ in range(number)):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request(kind))
            deaf.append(connection)
        wanted = [kind for kind, number in reading.items() for _ in range(number)]
        clients = await asyncio.gather(*map(connect, wanted))
        pipe.send(len(clients))
        await loop.run_in_executor(None, pipe.recv)
        receipts: Receipts = {kind: [] for kind in reading}
        for client in clients:
            receipts[client.kind].append(client.received)
        pipe.send(receipts)
        for connection in deaf:
            connection.close()

    asyncio.run(main())


def raise_limit() -> None:
    """Of open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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
