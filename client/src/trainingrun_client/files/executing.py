"""One command in a container, over a websocket of the API server.

`kubernetes.stream` is passed by for what it builds upon, websocket-client: it changes the client that threads
share, turns Ctrl-C into an error of the API, copies all that came each time more comes, and waits for ever
for a server that does not answer.

A message is a channel's number and its bytes (v4.channel.k8s.io and v5.channel.k8s.io); the last one, on the
channel of errors, is a Status.
Source: https://pkg.go.dev/k8s.io/apimachinery/pkg/util/remotecommand
"""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from typing import Any, cast

from kubernetes.stream.ws_client import websocket_proxycare
from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
)

from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import TransferError, UnreachableError, from_answer
from trainingrun_client.files.commands import BEAT, FAILURE

PODS = Resource("v1", "pods")
PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
STDIN, STDOUT, STDERR, STATUS = range(4)
CHUNK = 1 << 16
"""Bytes of one message that is sent; larger ones are no faster."""
CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 45.0
KEPT_WORDS = 4096
"""Bytes of standard error that are worth telling."""


def nowhere(data: bytes) -> None:
    """For answers that nobody reads."""


@dataclass(slots=True)
class _Answers:
    """What comes back of one command."""

    socket: WebSocket
    sink: Callable[[bytes], object]
    words: bytes = b""
    status: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    """The command said so; it takes what is sent, but ends only with the connection."""
    closed: bool = False

    @property
    def over(self) -> bool:
        """Whether the command has ended."""
        return bool(self.status) or self.closed or self.failed

    def take(self) -> None:
        """The next message, which is waited for."""
        try:
            with _lost():
                code, frame = self.socket.recv_data_frame(True)
        except UnreachableError:
            if not self.status:
                raise
            self.closed = True
            return
        if code == ABNF.OPCODE_CLOSE:
            self.closed = True
        elif code in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame is not None and frame.data:
            channel, data = frame.data[0], frame.data[1:]
            if channel == STDOUT:
                self.sink(data)
            elif channel == STDERR:
                self.failed = self.failed or FAILURE in data
                self.words = (self.words + data.translate(None, BEAT + FAILURE))[-KEPT_WORDS:]
            elif channel == STATUS:
                self.status = json.loads(data)


@dataclass(frozen=True, slots=True)
class PodExec:
    """Runs commands in a container."""

    connection: Connection
    namespace: str
    pod: str
    container: str

    def __call__(
        self, command: Sequence[str], stdin: Iterable[bytes] = (), sink: Callable[[bytes], object] = nowhere
    ) -> str:
        """Returns what the command says on standard error; `sink` gets its standard output as it comes.

        The command must know by itself where its standard input ends.

        Raises ApiError, UnreachableError where the connection is lost or silent, and TransferError where the
        command fails. What `stdin` and `sink` raise passes through.
        """
        try:
            return self._run(command, stdin, sink)
        except UnreachableError:
            self._must_run()
            raise

    def _run(self, command: Sequence[str], stdin: Iterable[bytes], sink: Callable[[bytes], object]) -> str:
        socket = self._connect(command)
        try:
            answers = _Answers(socket, sink)
            _send(socket, stdin, answers)
            while not answers.closed and not answers.failed:
                answers.take()
        finally:
            socket.shutdown()  # type: ignore[no-untyped-call]
        return _checked(answers)

    def _must_run(self) -> None:
        """Raises TransferError where the pod has ended, so that no other try can help."""
        with suppress(UnreachableError):
            status = self.connection.get(PODS.path(self.namespace, self.pod)).get("status") or {}
            if status.get("phase") in ("Succeeded", "Failed"):
                why = ": ".join(filter(None, (status["phase"], status.get("reason"), status.get("message"))))
                raise TransferError(
                    f"the helper pod has ended ({why}). What arrived is kept: the same command goes on"
                )

    def _connect(self, command: Sequence[str]) -> WebSocket:
        client = self.connection.client
        path = PODS.path(self.namespace, self.pod, "exec")
        streams = [(name, "true") for name in ("stdin", "stdout", "stderr")]
        query = [*(("command", part) for part in command), *streams, ("container", self.container)]
        _, url, headers, *_ = client.param_serialize(
            "GET", path, query_params=query, auth_settings=["BearerToken"]
        )
        options: dict[str, Any] = {"header": [f"{name}: {value}" for name, value in headers.items()]}
        settings = client.configuration
        if settings.proxy or settings.proxy_headers:
            options = websocket_proxycare(options, settings, url, headers)  # type: ignore[no-untyped-call]
        socket = WebSocket(sslopt=_tls(settings), skip_utf8_validation=True)
        socket.settimeout(CONNECT_SECONDS)
        with _lost():
            socket.connect(  # type: ignore[no-untyped-call]
                url.replace("http", "ws", 1), subprotocols=PROTOCOLS, **options
            )
        socket.settimeout(SILENCE_SECONDS)
        return socket


def _send(socket: WebSocket, stdin: Iterable[bytes], answers: _Answers) -> None:
    """Listens meanwhile, for a command may fail early."""
    with DefaultSelector() as selector:
        selector.register(cast(Any, socket.sock), EVENT_READ)
        for chunk in stdin:
            while not answers.over and _readable(socket, selector):
                answers.take()
            if answers.over:
                return
            with _lost():
                socket.send(bytes([STDIN]) + chunk, ABNF.OPCODE_BINARY)


def _readable(socket: WebSocket, selector: DefaultSelector) -> bool:
    pending = isinstance(socket.sock, ssl.SSLSocket) and socket.sock.pending() > 0
    return pending or bool(selector.select(0))


def _tls(settings: Any) -> dict[str, Any]:
    """The way to the API server, as the Kubernetes client goes it."""
    if not settings.verify_ssl:
        return {"cert_reqs": ssl.CERT_NONE}
    wanted = {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": settings.ssl_ca_cert,
        "check_hostname": settings.assert_hostname,
        "certfile": settings.cert_file,
        "keyfile": settings.key_file,
        "server_hostname": settings.tls_server_name,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _checked(answers: _Answers) -> str:
    status = answers.status
    said = answers.words.decode(errors="replace").splitlines()
    words = "\n".join(line for line in said if not line.startswith("xargs: "))
    if status.get("status") == "Success":
        return words
    causes = (status.get("details") or {}).get("causes") or ()
    if answers.failed or any(cause.get("reason") == "ExitCode" for cause in causes):
        raise TransferError(f"the pod says: {words or status.get('message') or 'nothing, but it failed'}")
    raise UnreachableError(f"the command in the pod was cut off: {status.get('message') or 'no status came'}")


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except WebSocketBadStatusException as error:
        raise from_answer(error.status_code, error.resp_body or str(error)) from error
    except WebSocketConnectionClosedException as error:
        raise UnreachableError("the connection to the pod was lost") from error
    except (WebSocketException, OSError) as error:
        raise UnreachableError(f"the connection to the pod was lost: {error}") from error
