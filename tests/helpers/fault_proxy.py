"""Stands between an operator and the API server: passes all requests on, and spoils those that a test names.

The operator is given a kubeconfig of plain HTTP; the proxy goes on with the admin's certificate. It sees
every request before it takes effect and after, which no other place does: so it can let the operator die at
an exact write, lose an answer whose write was committed, and change what a watch tells. It counts what was
answered.
"""

import asyncio
import base64
import json
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

Object = dict[str, Any]

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP_BY_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Headers that are not passed on; answers must come uncompressed to be read here."""
GONE_SECONDS = 0.2
"""How long a watch is kept for an operator that died."""
REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 503: "ServiceUnavailable"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the operator, as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    resource: str
    """Plural, with the subresource after a slash; empty for what lies in no namespace."""
    name: str
    """Name of the object; empty for lists and watches."""
    agent: str
    """Who asks, in the client's own words."""
    write: int
    """Its number among the writes, from 1; 0 for a read."""

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and bool(self.resource) and not self.name and not self.is_watch


@dataclass(frozen=True, slots=True)
class Answered:
    """A write that the API server answered, whether or not the operator heard of it."""

    call: Call
    status: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """The proxy answers with an error; the API server never hears of the request."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """The connection is reset, before the request reaches the API server or after it was answered there."""

    committed: bool
    meanwhile: Callable[[], object] = lambda: None
    """Done at that moment, such as killing the operator."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The request waits for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stale:
    """A list is answered as it was answered the first time."""


@dataclass(frozen=True, slots=True)
class Tamper:
    """The events of a watch are replaced, each by any number of events. One of type ERROR ends the watch."""

    change: Callable[[Object], Iterable[Object]]


Fault = Refuse | Break | Delay | Stale | Tamper
Rule = Callable[[Call], Fault | None]
"""What happens to a request; asked in one thread, so it may keep state."""

EXPIRED: Object = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
"""How a watch says 410 Gone."""


def no_fault(call: Call) -> Fault | None:
    """All is well."""
    return None


class FaultProxy:
    """Serves on 127.0.0.1 within a `with` block; the rule may be changed at any time."""

    def __init__(self, kubeconfig: Path, rule: Rule = no_fault) -> None:
        """`kubeconfig` is the admin's, with certificates inside."""
        self.rule = rule
        self.writes: list[Answered] = []
        self.watches = 0
        """Watches that are open now."""
        self._server, self._tls = _upstream(kubeconfig)
        self._counted = 0
        self._first_lists: dict[tuple[str, str], bytes] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads through the proxy."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "proxy", "user": {}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connector = TCPConnector(ssl=self._tls, limit=0)
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(), auto_decompress=False
        ) as session:
            runner = web.ServerRunner(web.Server(partial(self._handle, session)), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, session: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = self._call(request, body)
        fault = self.rule(call)
        if isinstance(fault, Refuse):
            return _refusal(fault)
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        if isinstance(fault, Break) and not fault.committed:
            return await _break(request, fault)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["Accept-Encoding"] = "identity"
        url = self._server + request.path_qs
        try:
            async with session.request(request.method, url, data=body or None, headers=headers) as answer:
                if call.is_watch and answer.status == 200:
                    self.watches += 1
                    try:
                        return await _stream(request, answer, fault)
                    finally:
                        self.watches -= 1
                        _hang_up(answer)
                data = await answer.read()
        except ClientError:
            return await _break(request, Break(committed=False))
        if call.write:
            self.writes.append(Answered(call, answer.status))
        if isinstance(fault, Break):
            return await _break(request, fault)
        if call.is_list and answer.status == 200:
            first = self._first_lists.setdefault((request.path_qs, request.headers.get("Accept", "")), data)
            data = first if isinstance(fault, Stale) else data
        return web.Response(status=answer.status, body=data, headers=_headers(answer))

    def _call(self, request: web.BaseRequest, body: bytes) -> Call:
        is_write = request.method in WRITES
        self._counted += is_write
        resource, name = _target(request.path)
        if request.method == "POST":
            name = json.loads(body)["metadata"].get("name", "")
        agent, number = request.headers.get("User-Agent", ""), self._counted if is_write else 0
        return Call(request.method, request.path, dict(request.query), resource, name, agent, number)


def _target(path: str) -> tuple[str, str]:
    """Resource and name of a namespaced path: .../namespaces/NAMESPACE/PLURAL[/NAME[/SUBRESOURCE]]."""
    _, _, rest = path.partition("/namespaces/")
    match rest.split("/"):
        case [_, plural]:
            return plural, ""
        case [_, plural, name]:
            return plural, name
        case [_, plural, name, subresource]:
            return f"{plural}/{subresource}", name
    return "", ""


def _upstream(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """URL of the API server and the admin's way to it."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile() as pair:  # ssl takes certificates from files only
        for part in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[part]) + b"\n")
        pair.flush()
        context.load_cert_chain(pair.name)
    return cluster["server"], context


def _headers(answer: ClientResponse) -> dict[str, str]:
    passed_on = ("Content-Type", "Retry-After")
    return {name: answer.headers[name] for name in passed_on if name in answer.headers}


def _refusal(fault: Refuse) -> web.Response:
    status = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": fault.status,
        "reason": REASONS[fault.status],
        "message": "the fault proxy refuses this request",
    }
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.json_response(status, status=fault.status, headers=headers)


async def _break(request: web.BaseRequest, fault: Break) -> web.Response:
    await asyncio.to_thread(fault.meanwhile)
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _stream(
    request: web.BaseRequest, answer: ClientResponse, fault: Fault | None
) -> web.StreamResponse:
    """Passes a watch on, event by event where it is tampered with."""
    out = web.StreamResponse(headers=_headers(answer))
    await out.prepare(request)
    with suppress(ConnectionError):
        if not isinstance(fault, Tamper):
            async for chunk in _chunks(request, answer):
                await out.write(chunk)
            return out
        async for line in _lines(_chunks(request, answer)):
            for event in fault.change(json.loads(line)):
                await out.write(json.dumps(event).encode() + b"\n")
                if event["type"] == "ERROR":
                    return out
    return out


def _hang_up(answer: ClientResponse) -> None:
    """Ends a connection at once: TLS would wait for the other side, longer than the proxy may live."""
    if answer.connection and answer.connection.transport:
        answer.connection.transport.abort()


async def _chunks(request: web.BaseRequest, answer: ClientResponse) -> AsyncIterator[bytes]:
    """What comes from the API server, until it ends the watch or the operator is gone."""
    while not answer.content.at_eof():
        chunk = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_SECONDS):
                chunk = await answer.content.readany()
        if chunk:
            yield chunk
        if request.transport is None or request.transport.is_closing():
            return


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length, which aiohttp's own reader does not take."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
