"""Many clients of one run as raw sockets in one process, and the least that could serve them: for
console_live.py."""

import asyncio
import base64
import json
import os
import re
import resource
import socket
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from typing import Any, cast

from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Run

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
RUN = Run(
    run_id="chest-0a1b2c3d", namespace="radiology", name="chest", uid="0a1b2c3d", created_at=START,
    started_at=START, phase=Phase.RUNNING, attempt=1,
)  # fmt: skip
METRICS = 20
CONNECTING = 50
"""At the same time."""
EPOCH = re.compile(rb'"event":"epoch_end".*?"epoch":(\d+)')
PING, PONG = 0x89, 0x8A
SSE, WEBSOCKET, BARE = "sse", "websocket", "bare"
Receipts = dict[str, list[list[tuple[int, float]]]]
"""By protocol, of each client that reads: epochs and when they came."""


def epoch(number: int) -> dict[str, Any]:
    """As it stands in metrics.json."""
    scores = {f"val_metric_{place}": number + place / METRICS for place in range(METRICS)}
    more = {"learning_rate": 0.001, "seconds": 1.0, "samples_per_second": 1000.0}
    return {
        "epoch": number, "global_step": 10 * number, "train_loss": 1 / number, **scores, **more,
        "time": datetime.now(UTC).isoformat(),
    }  # fmt: skip


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
