"""Stands between a client and the API server as a bad line does: passes bytes on, and cuts all connections.

It knows nothing of what it passes, TLS and websockets included.
"""

import socket
import struct
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

CHUNK = 1 << 16
RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: what is on its way is lost, as on a broken line."""


class CuttingProxy:
    """Serves on 127.0.0.1 within a `with` block."""

    def __init__(self, kubeconfig: Path, every: int = 0, cuts: int = 0) -> None:
        """
        Args:
            every: bytes from the API server or to it, after which all connections are cut.
            cuts: how often.
        """
        self.received = 0
        """Bytes from the API server."""
        self.sent = 0
        """Bytes to the API server."""
        self.cuts = 0
        """How often connections were cut."""
        self._config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._every, self._most = every, cuts
        self._since = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads through the proxy, to the same user."""
        config: dict[str, Any] = yaml.safe_load(yaml.safe_dump(self._config))
        for each in config["clusters"]:
            each["cluster"]["tls-server-name"] = urlsplit(each["cluster"]["server"]).hostname
            each["cluster"]["server"] = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def cut(self) -> None:
        """Ends all connections at once."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
                    each.shutdown(socket.SHUT_RDWR)
            self._open.clear()
            self._since = 0

    def _accept(self) -> None:
        upstream = urlsplit(self._config["clusters"][0]["cluster"]["server"])
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((upstream.hostname or "", upstream.port or 443))
                with self._lock:
                    self._open |= {near, far}
                for source, target, inwards in ((far, near, True), (near, far, False)):
                    threading.Thread(target=self._pump, args=(source, target, inwards), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, inwards: bool) -> None:
        with closing(source), suppress(OSError):
            while data := source.recv(CHUNK):
                if self._count(len(data), inwards):
                    self.cut()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _count(self, size: int, inwards: bool) -> bool:
        """Whether it is time to cut."""
        with self._lock:
            if inwards:
                self.received += size
            else:
                self.sent += size
            self._since += size
            if not self._every or self.cuts >= self._most or self._since < self._every:
                return False
            self.cuts += 1
            return True
